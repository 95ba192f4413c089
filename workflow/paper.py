"""The paper's numbers and claims: read once a process, so what is drawn is what the key hashes."""

import csv
import hashlib
import io
import re
from collections import Counter

from simclr.code import ROOT, source

FOLDER = ROOT / "data" / "paper"
FILES = ("paper_reported.csv", "claims.csv")


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of one of the files, each as {column: text}."""
    return list(csv.DictReader(io.StringIO(source(FOLDER / name).decode(), newline="")))


def sha256() -> str:
    """Return the SHA-256 of both files, which every figure shows."""
    return hashlib.sha256(b"".join(source(FOLDER / name) for name in FILES)).hexdigest()


def without_part(words: str) -> str:
    """Return a contrast's words without what says that seeds are missing (figures/stage.py)."""
    return re.sub(r" \(in part.*\)$", "", words)


def same_contrasts(contrasts: list[tuple[str, str]]) -> list[tuple[str, str, int]]:
    """Return for each contrast (id of its claim, its words) what it has in common over scales.

    That is the id, the words without the numbers of a scale's grid, and how many such precede it.
    """
    found, seen = [], Counter()
    for claim, words in contrasts:
        name = claim, re.sub(r"\d[\d./]*", "#", without_part(words))
        found.append((*name, seen[name]))
        seen[name] += 1
    return found
