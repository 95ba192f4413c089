"""The classes of a set, by the names of its folders: what is missing, or only looks the same."""

import itertools
import sys
import unicodedata
from pathlib import Path

from simclr.config import DataError, printable


def check(path: Path, images_of: dict[str, dict[str, list]], layout: str) -> tuple[str, ...]:
    """Return the classes, sorted.

    images_of: folder of a split -> class -> its images; the first is that of training images.
    Raises DataError for a folder without classes, a class without images or of one split only, and
    names that look the same.
    """
    for folder, found in images_of.items():
        if not found:
            raise DataError(f"{path}: no {folder}/CLASS folder; {layout}.")
    for folder, other in itertools.permutations(images_of, 2):
        for label in sorted(images_of[folder]):
            if label not in images_of[other]:
                hint = _hint(label, other, images_of[other])
                raise DataError(f"{path}: class '{label}' is in {folder} but not in {other}{hint}.")
            if not images_of[folder][label]:
                raise DataError(f"{path}: {folder}/{label} holds no image; add some or remove it.")
    classes = tuple(sorted(next(iter(images_of.values()))))
    for one, another in _pairs(classes, _look):
        raise DataError(
            f"{path}: classes {one!a} and {another!a} look the same; rename or merge one."
        )
    return classes


def tell_case(classes) -> None:
    """Say which classes differ only by upper and lower case; letters may well be classes."""
    for one, another in _pairs(classes, str.casefold):
        both = printable(f"'{one}' and '{another}'")
        print(f"note: classes {both} differ only by case, and are two.", file=sys.stderr)


def _hint(label: str, folder: str, others) -> str:
    """Return what to add where `label` is not among `others`, but another spelling of it is."""
    look = _look(label).casefold()
    twins = [other for other in sorted(others) if _look(other).casefold() == look]
    if not twins:
        return ""
    return f", which has {twins[0]!a} for {label!a}: write both alike"


def _look(name: str) -> str:
    """Return what is seen of a name: composed, without invisible characters or outer spaces."""
    seen = (c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c) != "Cf")
    return " ".join("".join(seen).split())


def _pairs(names, key):
    """Yield each two neighbors among the sorted names whose keys are equal."""
    ordered = sorted(names, key=lambda name: (key(name), name))
    return (pair for pair in itertools.pairwise(ordered) if key(pair[0]) == key(pair[1]))
