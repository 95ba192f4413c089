"""The files of ImageNet: where each image lies, in folders or in the three tar files."""

import io
import itertools
import tarfile
from pathlib import Path
from typing import NamedTuple

from simclr.config import DataError, one_line
from simclr.data import archives, which_files
from simclr.data.archives import NAMES
from simclr.data.raw_dataset import UNLABELLED
from simclr.data.sources import class_names

FOLDERS = {"train": "train", "test": "val"}
TARS = {  # with the MD5 that torchvision 0.26.0 gives (torchvision/datasets/imagenet.py)
    "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
    "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
    "ILSVRC2012_devkit_t12.tar.gz": "fa75699e90414af021442c21a62c3abf",
}
LAYOUT = "expected train/CLASS/IMAGE and val/CLASS/IMAGE, or the files " + ", ".join(TARS)
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"  # class numbers, in the development kit
SYNSETS = "meta.mat"  # what the class numbers mean


class Piece(NamedTuple):
    """An image: `size` bytes from `offset` of a file. name: CLASS/IMAGE, if it has a label."""

    name: str
    file: Path
    offset: int
    size: int

    @property
    def label(self) -> str:
        """The name of the image's class."""
        return self.name.split("/")[0]

    def read(self) -> bytes:
        """Return the content. Raises DataError, unread, if it is too large for an image."""
        if self.size > archives.MAX_BYTES:
            raise DataError(f"{self.name}: {self.size:,} bytes, no image; remove it.")
        with open(self.file, "rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


def listing(path: Path) -> tuple[tuple[str, ...], dict[str, list[tuple[int, Piece]]]]:
    """Return (classes, {split: [(label, Piece)]}), one image of each class in turn.

    Raises DataError for every defect that names can show.
    """
    found = _in_tars(path) if has_tars(path) else _in_folders(path)
    classes = class_names.check(path, {FOLDERS[split]: found[split] for split in found}, LAYOUT)
    in_turn = {}
    for split in FOLDERS:
        ordered = [sorted(found[split][name]) for name in classes]
        _refuse_bad_names(path, split, list(itertools.chain(*ordered)))
        in_turn[split] = [
            (label, piece)
            for turn in itertools.zip_longest(*ordered)
            for label, piece in enumerate(turn)
            if piece is not None
        ]
    return classes, in_turn


def without_labels(path: Path) -> list[Piece]:
    """Return the images in unlabelled/, at any depth; their names are the paths from there."""
    folder = path / UNLABELLED
    files = which_files.walk(folder) if folder.is_dir() else ()
    pieces = sorted(Piece(file.name, file.path, 0, file.size) for file in files)
    _refuse_bad_names(path, UNLABELLED, pieces)
    return pieces


def _refuse_bad_names(path: Path, split: str, pieces: list[Piece]) -> None:
    """Raise DataError for a name that occurs twice or holds a line break; pieces are sorted."""
    for piece, following in itertools.pairwise(pieces):
        if piece.name == following.name:
            raise DataError(f"{path}: '{piece.name}' occurs twice in {split}; remove one.")
    for piece in pieces:
        if "\n" in piece.name:
            raise DataError(f"{path}: '{piece.name}' has a line break in its name; rename it.")


def is_layout(path: Path) -> bool:
    """Return whether a folder has ImageNet's layout, and not that of the source `folder`."""
    return has_tars(path) or ((path / FOLDERS["test"]).is_dir() and not (path / "test").is_dir())


def has_tars(path: Path) -> bool:
    """Return whether a folder holds any of the three tar files."""
    return any((path / name).is_file() for name in TARS)


def _in_folders(path: Path) -> dict[str, dict[str, list[Piece]]]:
    """Return split -> class -> its images."""
    found = {}
    for split, folder in FOLDERS.items():
        found[split] = {}
        for label in which_files.visible(path / folder) if (path / folder).is_dir() else ():
            if not label.is_folder:
                raise DataError(f"{label.path}: out of place; {LAYOUT}.")
            found[split][label.name] = []
            for image in which_files.visible(label.path):
                if image.is_folder:
                    raise DataError(f"{image.path}: not an image file; {LAYOUT}.")
                piece = Piece(f"{label.name}/{image.name}", image.path, 0, image.size)
                found[split][label.name].append(piece)
    return found


def _in_tars(path: Path) -> dict[str, dict[str, list[Piece]]]:
    """Return split -> class -> its images."""
    train, val, devkit = (path / name for name in TARS)
    found = {"train": {}, "test": {}}
    with open(train, "rb") as file:
        for name, offset, _ in _members(train, file, 0):  # one tar for each class
            label = name.removesuffix(".tar")
            pieces = found["train"].setdefault(label, [])
            for image, start, size in _members(train, file, offset):
                pieces.append(Piece(f"{label}/{image}", train, start, size))
    labels = _val_labels(devkit)
    with open(val, "rb") as file:
        images = sorted(_members(val, file, 0))
    if len(images) != len(labels):
        raise DataError(f"{val}: {len(images):,} images, but {devkit} labels {len(labels):,}.")
    for label, (image, start, size) in zip(labels, images, strict=True):
        pieces = found["test"].setdefault(label, [])
        pieces.append(Piece(f"{label}/{image}", val, start, size))
    return found


def _members(path: Path, file, offset: int) -> list[tuple[str, int, int]]:
    """Return (name, offset, size) of each file in the tar that begins at `offset` of `file`."""
    file.seek(offset)
    listed = []
    with archives.readable(path), tarfile.open(fileobj=file, mode="r:", **NAMES) as archive:
        for info in archive:
            archive.members = []  # or it would remember every member
            name = info.name.removeprefix("./")
            if which_files.is_litter(name):
                continue
            if not info.isreg() or info.issparse() or "/" in name:
                raise DataError(f"{path}: member '{info.name}' is out of place; {LAYOUT}.")
            listed.append((name, info.offset_data, info.size))
    return listed


def _val_labels(devkit: Path) -> list[str]:
    """Return the class of each validation image, by name, from the development kit."""
    from scipy.io import loadmat

    content = {}  # file name -> bytes
    with archives.readable(devkit), tarfile.open(devkit, "r:*") as archive:
        for info in archive:
            name = info.name.rsplit("/", 1)[-1]
            if info.isreg() and name in (SYNSETS, GROUND_TRUTH):
                if info.size > archives.MAX_BYTES:
                    raise DataError(f"{devkit}: '{name}' is {info.size:,} bytes; get it again.")
                content[name] = archive.extractfile(info).read()
    try:
        synsets = loadmat(io.BytesIO(content[SYNSETS]), squeeze_me=True)["synsets"]
        names = {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in synsets}
        return [names[int(number)] for number in content[GROUND_TRUTH].split()]
    except Exception as error:  # a damaged meta.mat raises many kinds
        raise DataError(
            f"{devkit}: no labels of the validation images ({one_line(error)}); get it again."
        ) from None
