"""Source `imagenet`: ImageNet (ILSVRC 2012) as folders or as its three tar files.

    FILE/train/n01440764/NAME.JPEG and FILE/val/n01440764/NAME.JPEG, or
    FILE/ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar, ILSVRC2012_devkit_t12.tar.gz

and maybe FILE/unlabelled/, images without labels at any depth.

Nothing is extracted: an image is a piece of a file, so all cores can decode at once, and an
interrupted packing resumes (see packing.py). Without the setting `sha256` the set must be ImageNet
itself: its 1,000 classes, its numbers of images and, of tar files, their MD5. With it, the set may
be any of this layout with this content; the tests and other people's sets are packed that way.
"""

import hashlib
from pathlib import Path

import numpy as np

from simclr.config import DataError
from simclr.data import location, which_files
from simclr.data.raw_dataset import (
    UNLABELLED,
    RawDataset,
    check_unlabelled,
    chosen_rows,
    unlabelled_subset,
)
from simclr.data.sources import class_names, packing
from simclr.data.sources.imagenet_files import (
    FOLDERS,
    LAYOUT,
    TARS,
    has_tars,
    listing,
    without_labels,
)
from simclr.files import ROOT, read_text

WNIDS = ROOT / "data" / "imagenet" / "wnids.txt"
COUNTS = {"train": 1_281_167, "test": 50_000}


def check(settings) -> None:
    """Refuse what can be seen without reading images. Raises DataError."""
    path = location.locate(settings.file)
    if has_tars(path):
        missing = [name for name in TARS if not (path / name).is_file()]
    else:
        missing = [name for name in FOLDERS.values() if not (path / name).is_dir()]
    if missing:
        raise DataError(f"{path}: '{missing[0]}' is missing; {LAYOUT}.")
    check_unlabelled(path, settings)
    if settings.sha256:
        return
    if settings.unlabelled:
        raise DataError(
            "sha256: needed with `unlabelled: true`; put there what `simclr fingerprint --source "
            f"imagenet {path}` prints."
        )
    for split, count in COUNTS.items():
        if getattr(settings, f"{split}_images") > count:
            raise DataError(f"{split}_images: ImageNet has {count:,}; lower it.")
    if not has_tars(path):
        for folder in FOLDERS.values():
            _check_classes(path / folder, {one.name for one in which_files.visible(path / folder)})


def open_source(settings, report) -> RawDataset:
    """Open the set that `settings` (settings.Prepare) name. Raises DataError."""
    check(settings)
    path = location.locate(settings.file)
    report(0.0, "listing the images")
    classes, in_turn = listing(path)
    class_names.tell_case(classes)
    if not settings.sha256:
        _check_whole(path, classes, in_turn, report)
    labels, pieces = {}, {}
    all_labels = labels_of(classes, in_turn)
    for split, (_, rows) in chosen_rows(all_labels, classes, settings).items():
        labels[split] = all_labels[split][rows]
        pieces[split] = [in_turn[split][row][1] for row in rows]
    names = {split: [piece.name.split("/")[1] for piece in pieces[split]] for split in pieces}
    unlabelled = unlabelled_subset(path, without_labels(path), settings)
    if unlabelled:
        pieces[UNLABELLED] = unlabelled
        names[UNLABELLED] = [piece.name for piece in unlabelled]

    def fill(arrays, report):
        packing.pack(arrays, pieces, settings, report)
        digests = _packed_digests(arrays, pieces)
        if settings.sha256:
            found = _content(path, settings, digests, bool(unlabelled))
            if found != settings.sha256:
                for split in pieces:  # maybe packed by an attempt that saw other images
                    arrays[f"{split}_digests"][:] = 0
            which_files.check_content(path, found, settings)
        return {"content_sha256": which_files.content_sha256(digests)}

    return RawDataset(classes, labels, fill, names, len(unlabelled))


def labels_of(classes, in_turn: dict) -> dict[str, np.ndarray]:
    """Return split -> int64 [N], the labels of what `listing` returned."""
    return {
        split: np.array([label for label, _ in labeled], np.int64)
        for split, labeled in in_turn.items()
    }


def _packed_digests(arrays: dict, pieces: dict) -> dict[str, str]:
    """Return the SHA-256 of each file, by its name in the set, as `packing.pack` left them."""
    return {
        f"{FOLDERS.get(split, split)}/{piece.name}": digest.tobytes().hex()
        for split, split_pieces in pieces.items()
        for piece, digest in zip(split_pieces, arrays[f"{split}_digests"], strict=True)
    }


def _content(path: Path, settings, digests: dict[str, str], with_unlabelled: bool) -> str:
    """Return the `fingerprint` of a set of which `digests` are packed; reads what is not."""
    if settings.train_images or settings.test_images or settings.unlabelled_images:
        return fingerprint(path)
    others = {} if with_unlabelled else _digests(UNLABELLED, without_labels(path))
    return which_files.content_sha256(digests | others)


def _digests(folder: str, pieces) -> dict[str, str]:
    """Return the same of images of a folder of the set; reads them."""
    return {f"{folder}/{one.name}": hashlib.sha256(one.read()).hexdigest() for one in pieces}


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a set on the disk; reads every image.

    It is that of the lines `<SHA-256 of the file>  <name>`, sorted by name: train/CLASS/IMAGE,
    val/CLASS/IMAGE, or unlabelled/.../IMAGE.
    """
    _, in_turn = listing(path)
    digests = _digests(UNLABELLED, without_labels(path))
    for split, labeled in in_turn.items():
        digests |= _digests(FOLDERS[split], (piece for _, piece in labeled))
    return which_files.content_sha256(digests)


def _check_classes(path: Path, names: set[str]) -> None:
    """Raise DataError if these are not the names of ImageNet's classes."""
    known = set(read_text(WNIDS).split())
    for name in sorted(known - names):
        raise DataError(f"{path}: class '{name}' of ImageNet's 1,000 is missing; add it.")
    for name in sorted(names - known):
        raise DataError(f"{path}: '{name}' is no class of ImageNet; remove it, or set sha256.")


def _check_whole(path: Path, classes, in_turn, report) -> None:
    """Raise DataError if the set is not all of ImageNet."""
    _check_classes(path, set(classes))
    for split, labeled in in_turn.items():
        if len(labeled) != COUNTS[split]:
            raise DataError(
                f"{path}: {len(labeled):,} images in {FOLDERS[split]}, but ImageNet has "
                f"{COUNTS[split]:,}; get the missing ones, or set sha256 for a set of your own."
            )
    if not has_tars(path):
        return
    for name, md5 in TARS.items():
        report(0.0, f"MD5 of {name}")
        with open(path / name, "rb") as file:
            digest = hashlib.file_digest(file, "md5").hexdigest()
        if digest != md5:
            raise DataError(f"{path / name}: MD5 is {digest}, not {md5}; get it again.")
