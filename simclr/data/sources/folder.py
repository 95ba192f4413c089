"""Source `folder`: any images, as train/CLASS/IMAGE and test/CLASS/IMAGE.

The tree is a directory, or a tar (.gz, .bz2, .xz) or zip of one, maybe below one top folder (see
tree.py). All names are checked before the first image is decoded.
"""

import hashlib
from pathlib import Path

import numpy as np

from simclr.config import DataError
from simclr.data import images
from simclr.data.location import locate
from simclr.data.raw_dataset import SPLITS, RawDataset, balanced_subset
from simclr.data.sources.tree import LAYOUT, members
from simclr.files import sha256


def check(settings) -> None:
    """Refuse a missing file or a malformed checksum, without reading the data. Raises DataError."""
    path, checksum = locate(settings.file), settings.sha256
    if not checksum:
        raise DataError(f"sha256: not set; put there what `simclr fingerprint {path}` prints.")
    if len(checksum) != 64 or set(checksum) - set("0123456789abcdef"):
        raise DataError(f"sha256: expected 64 lower-case hex digits, got '{checksum}'.")


def open_source(settings, report) -> RawDataset:
    """Open the data set that `settings` (settings.Prepare) name. Raises DataError."""
    check(settings)
    path = locate(settings.file)
    digest = fingerprint(path)
    if digest != settings.sha256:
        raise DataError(
            f"{path}: SHA-256 is {digest}, but the setting sha256 is {settings.sha256}; the data "
            "are truncated or others: get them again, or change the setting."
        )
    classes, names = listing(path)
    labels, rows = {}, {}  # rows: name in the tree -> (split, row of its image)
    for split, all_labels in labels_of(classes, names).items():
        count = getattr(settings, f"{split}_images")
        chosen = balanced_subset(all_labels, classes, count, settings.seed, split)
        labels[split] = all_labels[chosen]
        rows.update({names[split][k]: (split, row) for row, k in enumerate(chosen)})

    def fill(arrays, report):
        encoded = _encoded_images(path, rows, arrays)
        images.decode_all(encoded, len(rows), settings.image_size, report)

    return RawDataset(classes, labels, fill)


def labels_of(classes, listed: dict[str, list[str]]) -> dict[str, np.ndarray]:
    """Return split -> int64 [N], the labels of what `listing` returned."""
    return {
        split: np.array([classes.index(name.split("/")[1]) for name in names], np.int64)
        for split, names in listed.items()
    }


def _encoded_images(path: Path, rows: dict[str, tuple[str, int]], arrays):
    """Yield (target array, name, bytes) of each image in `rows`, in the order of storage."""
    for name, content in members(path, rows):
        if content is not None:
            split, row = rows[name]
            yield arrays[f"{split}_images"][row], f"{path}: {name}", content


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a data set: of an archive's bytes, or of a directory's content.

    For a directory it is that of the lines `<SHA-256 of the file>  <name>`, sorted by name, of the
    images: the same wherever and however the files are stored.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder.")
    if not path.is_dir():
        return sha256(path)
    _, names = listing(path)
    digests = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in members(path, {*names["train"], *names["test"]})
        if content is not None
    }
    text = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def listing(path: Path) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """Return the classes of a tree, sorted, and the names of the images of each split.

    Names read like train/CLASS/IMAGE. They come in rounds, one image of each class a round, so that
    the first few stand for all. Raises DataError for every defect that names can show.
    """
    images_of = {split: {} for split in SPLITS}  # split -> class -> names of its images
    for name, _ in members(path):
        split, label, *image = name.split("/")
        images_of[split].setdefault(label, []).extend(image)
    for split in SPLITS:
        if not images_of[split]:
            raise DataError(f"{path}: no {split}/CLASS folder; {LAYOUT}.")
    for split, other in (SPLITS, SPLITS[::-1]):
        for label in sorted(images_of[split]):
            if label not in images_of[other]:
                raise DataError(f"{path}: class '{label}' is in {split} but not in {other}.")
            if not images_of[split][label]:
                raise DataError(f"{path}: {split}/{label} holds no image; add some or remove it.")
    classes = tuple(sorted(images_of["train"]))
    names = {}
    for split in SPLITS:
        ranked = [
            (rank, label, image)
            for label in classes
            for rank, image in enumerate(sorted(images_of[split][label]))
        ]
        names[split] = [f"{split}/{label}/{image}" for _, label, image in sorted(ranked)]
    return classes, names
