"""Source `folder`: any images, as train/CLASS/IMAGE, test/CLASS/IMAGE, maybe unlabelled/.../IMAGE.

The tree is a directory, or a tar (.gz, .bz2, .xz) or zip of one, maybe below one top folder (see
tree.py). All names are checked before the first image is decoded.
"""

import hashlib
from pathlib import Path

import numpy as np

from simclr.config import DataError
from simclr.data import images
from simclr.data.location import locate
from simclr.data.raw_dataset import (
    SPLITS,
    UNLABELLED,
    RawDataset,
    check_unlabelled,
    chosen_rows,
    unlabelled_subset,
)
from simclr.data.sources import class_names
from simclr.data.sources.tree import LAYOUT, members
from simclr.data.which_files import check_content, content_sha256
from simclr.files import sha256


def check(settings) -> None:
    """Refuse a missing file or a malformed checksum, without reading the data. Raises DataError."""
    path, checksum = locate(settings.file), settings.sha256
    if not checksum:
        raise DataError(f"sha256: not set; put there what `simclr fingerprint {path}` prints.")
    if len(checksum) != 64 or set(checksum) - set("0123456789abcdef"):
        raise DataError(f"sha256: expected 64 lower-case hex digits, got '{checksum}'.")
    check_unlabelled(path, settings)


def open_source(settings, report) -> RawDataset:
    """Open the data set that `settings` (settings.Prepare) name. Raises DataError."""
    check(settings)
    path = locate(settings.file)
    digests = _digests(path) if path.is_dir() else {}
    digest = content_sha256(digests) if digests else fingerprint(path)
    check_content(path, digest, settings)
    classes, names = listing(path)
    class_names.tell_case(classes)
    labels, rows = {}, {}  # rows: name in the tree -> (split, row of its image)
    all_labels = labels_of(classes, names)
    for split, (origin, chosen) in chosen_rows(all_labels, classes, settings).items():
        labels[split] = all_labels[origin][chosen]
        rows.update({names[origin][k]: (split, row) for row, k in enumerate(chosen)})
    unlabelled = unlabelled_subset(path, names[UNLABELLED], settings)
    rows.update({name: (UNLABELLED, row) for row, name in enumerate(unlabelled)})

    def fill(arrays, report):
        encoded = _encoded_images(path, rows, digests, arrays)
        reading = images.Reading(settings.white_level, settings.max_megapixels)
        images.decode_all(encoded, len(rows), settings.image_size, report, reading)
        if not digests:  # an archive: is it still what was hashed, whatever its date says?
            check_content(path, sha256(path), settings)

    return RawDataset(classes, labels, fill, unlabelled=len(unlabelled))


def labels_of(classes, listed: dict[str, list[str]]) -> dict[str, np.ndarray]:
    """Return split -> int64 [N], the labels of what `listing` returned."""
    return {
        split: np.array([classes.index(name.split("/")[1]) for name in listed[split]], np.int64)
        for split in SPLITS
    }


def _encoded_images(path: Path, rows: dict[str, tuple[str, int]], digests, arrays):
    """Yield (target array, name, bytes) of each image in `rows`, in the order of storage.

    digests: of a directory, as from `_digests`; a file that has another one by now is refused.
    """
    for name, content in members(path, rows):
        if content is not None:
            if digests and hashlib.sha256(content).hexdigest() != digests[name]:
                raise DataError(f"{path}: {name} was changed while it was read; run it again.")
            split, row = rows[name]
            yield arrays[f"{split}_images"][row], f"{path}: {name}", content


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a data set: of an archive's bytes, or of a directory's content.

    For a directory it is that of the lines `<SHA-256 of the file>  <name>`, sorted by name, of the
    images: the same wherever and however the files are stored.
    """
    if path.is_dir():
        return content_sha256(_digests(path))
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder.")
    return sha256(path)


def _digests(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each image of a directory, by name."""
    _, names = listing(path)
    return {
        name: hashlib.sha256(content).hexdigest()
        for name, content in members(path, set().union(*names.values()))
        if content is not None
    }


def listing(path: Path) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """Return the classes of a tree, sorted, and the names of the images of each split.

    Names read like train/CLASS/IMAGE. They come in rounds, one image of each class a round, so that
    the first few stand for all; those of unlabelled/ are sorted. Raises DataError for every defect
    that names can show.
    """
    images_of = {split: {} for split in SPLITS}  # split -> class -> names of its images
    unlabelled = []
    for name, _ in members(path):
        if name.startswith(f"{UNLABELLED}/"):
            unlabelled.append(name)
            continue
        split, label, *image = name.split("/")
        images_of[split].setdefault(label, []).extend(image)
    labels = class_names.check(path, images_of, LAYOUT)
    names = {UNLABELLED: sorted(unlabelled)}
    for split in SPLITS:
        ranked = [
            (rank, label, image)
            for label in labels
            for rank, image in enumerate(sorted(images_of[split][label]))
        ]
        names[split] = [f"{split}/{label}/{image}" for _, label, image in sorted(ranked)]
    return labels, names
