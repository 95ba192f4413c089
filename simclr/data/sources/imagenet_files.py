"""The files of ImageNet: where each image lies, in folders or in the three tar files."""

import io
import itertools
import os
import tarfile
from pathlib import Path
from typing import NamedTuple

from simclr.config import DataError, one_line
from simclr.data import archives

FOLDERS = {"train": "train", "test": "val"}
TARS = {  # with the MD5 that torchvision 0.26.0 gives (torchvision/datasets/imagenet.py)
    "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
    "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
    "ILSVRC2012_devkit_t12.tar.gz": "fa75699e90414af021442c21a62c3abf",
}
LAYOUT = "expected train/CLASS/IMAGE and val/CLASS/IMAGE, or the files " + ", ".join(TARS)


class Piece(NamedTuple):
    """An image: `size` bytes from `offset` of a file. name: CLASS/IMAGE."""

    name: str
    file: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """Its content. Raises DataError, unread, where it is too large to be an image."""
        if self.size > archives.MAX_BYTES:
            raise DataError(f"{self.name}: {self.size:,} bytes, no image; remove it.")
        with open(self.file, "rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


def listing(path: Path):
    """Return (classes, {split: [(label, Piece)]}), an image of each class in turn."""
    found = _in_tars(path) if has_tars(path) else _in_folders(path)
    classes = tuple(sorted({piece.name.split("/")[0] for piece in found["train"]}))
    places = {name: label for label, name in enumerate(classes)}
    listed = {}
    for split, pieces in found.items():
        members = {}
        for piece in sorted(pieces):
            members.setdefault(piece.name.split("/")[0], []).append(piece)
        for other in sorted(set(members) ^ set(classes)):
            here, there = (split, "train") if other in members else ("train", split)
            raise DataError(f"{path}: class '{other}' is in {here} but not in {there}.")
        listed[split] = [
            (places[name], piece)
            for turn in itertools.zip_longest(*(members[name] for name in classes))
            for name, piece in zip(classes, turn, strict=True)
            if piece is not None
        ]
        names = [piece.name for piece in sorted(pieces)]
        for one, next_ in itertools.pairwise(names):
            if one == next_:
                raise DataError(f"{path}: '{one}' occurs twice in {split}; remove one.")
    return classes, listed


def is_layout(path: Path) -> bool:
    """Whether a folder looks like ImageNet's, and not like a `folder` with train and test."""
    return path.is_dir() and (has_tars(path) or (path / FOLDERS["test"]).is_dir())


def has_tars(path: Path) -> bool:
    return any((path / name).is_file() for name in TARS)


def visible(place: Path) -> list[os.DirEntry]:
    return [entry for entry in os.scandir(place) if not entry.name.startswith(".")]


def _in_folders(path: Path) -> dict[str, list[Piece]]:
    found = {}
    for split, part in FOLDERS.items():
        found[split] = []
        for label in visible(path / part):
            if not label.is_dir():
                raise DataError(f"{label.path}: out of place; {LAYOUT}.")
            for image in visible(Path(label.path)):
                if not image.is_file():
                    raise DataError(f"{image.path}: not an image file; {LAYOUT}.")
                name = f"{label.name}/{image.name}"
                found[split].append(Piece(name, Path(image.path), 0, image.stat().st_size))
    return found


def _in_tars(path: Path) -> dict[str, list[Piece]]:
    train, val, devkit = (path / name for name in TARS)
    found = {"train": [], "test": []}
    with open(train, "rb") as file:
        for name, offset, _ in _members(train, file, 0):
            label = name.removesuffix(".tar")
            for image, start, size in _members(train, file, offset):
                found["train"].append(Piece(f"{label}/{image}", train, start, size))
    labels = _val_labels(devkit)
    with open(val, "rb") as file:
        members = sorted(_members(val, file, 0))
    if len(members) != len(labels):
        raise DataError(f"{val}: {len(members):,} images, but {devkit} labels {len(labels):,}.")
    for label, (image, start, size) in zip(labels, members, strict=True):
        found["test"].append(Piece(f"{label}/{image}", val, start, size))
    return found


def _members(path: Path, file, offset: int) -> list[tuple[str, int, int]]:
    """(name, offset, size) of each file in the tar that begins at `offset` of an open file."""
    file.seek(offset)
    found = []
    with archives.readable(path), tarfile.open(fileobj=file, mode="r:") as archive:
        for info in archive:
            if not info.isreg() or "/" in info.name.removeprefix("./") or info.name in (".", ".."):
                raise DataError(f"{path}: member '{info.name}' is out of place; {LAYOUT}.")
            found.append((info.name.removeprefix("./"), info.offset_data, info.size))
            archive.members = []  # or it would remember every member
    return found


def _val_labels(devkit: Path) -> list[str]:
    """The class of each validation image, in the order of their names, from the development kit."""
    from scipy.io import loadmat

    found = {}
    with archives.readable(devkit), tarfile.open(devkit, "r:*") as archive:
        for info in archive:
            name = info.name.rsplit("/", 1)[-1]
            if info.isreg() and name in ("meta.mat", "ILSVRC2012_validation_ground_truth.txt"):
                if info.size > archives.MAX_BYTES:
                    raise DataError(f"{devkit}: '{name}' is {info.size:,} bytes; get it again.")
                found[name] = archive.extractfile(info).read()
    try:
        synsets = loadmat(io.BytesIO(found["meta.mat"]), squeeze_me=True)["synsets"]
        names = {int(one["ILSVRC2012_ID"]): str(one["WNID"]) for one in synsets}
        numbers = found["ILSVRC2012_validation_ground_truth.txt"].split()
        return [names[int(number)] for number in numbers]
    except Exception as error:  # a damaged meta.mat raises many kinds
        raise DataError(
            f"{devkit}: no labels of the validation images ({one_line(error)}); get it again."
        ) from None
