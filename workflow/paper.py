"""The paper's numbers and claims: read once a process, so what is drawn is what the key hashes."""

import csv
import hashlib
import io

from simclr.code import ROOT, source

FOLDER = ROOT / "data" / "paper"
FILES = ("paper_reported.csv", "claims.csv")


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of one of the files, each as {column: text}."""
    return list(csv.DictReader(io.StringIO(source(FOLDER / name).decode(), newline="")))


def sha256() -> str:
    """Return the SHA-256 of both files, which every figure shows."""
    return hashlib.sha256(b"".join(source(FOLDER / name) for name in FILES)).hexdigest()
