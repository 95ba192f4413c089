"""A prepared data set on disk: its arrays, memory-mapped when read, and data.json."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from simclr import files
from simclr.config import DataError, one_line


class PackedSet(NamedTuple):
    """A data set. Images uint8 [N, 3, S, S], labels int64 [N]; classes are names by label.

    view_size: side of views and of evaluated images (0: S). aspects: width over height of each
    image, float32 [N], if images of other shapes were squeezed into squares (see
    simclr/data/image_store.py); otherwise None. unlabelled: images without labels, if any.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    view_size: int = 0
    train_aspects: np.ndarray | None = None
    test_aspects: np.ndarray | None = None
    unlabelled_images: np.ndarray | None = None
    unlabelled_aspects: np.ndarray | None = None

    def first_tests(self) -> np.ndarray:
        """Return the row of the first test image of each class, int64 [classes]."""
        return np.unique(self.test_labels, return_index=True)[1]


ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
OPTIONAL = ("train_aspects", "test_aspects", "unlabelled_images", "unlabelled_aspects")
NAMES = "train_names.txt"  # of sets whose images have names: one a line


def load(folder: Path) -> PackedSet:
    """Open a prepared data set, memory-mapped. Raises DataError, which names the file."""
    arrays = {name: _open_array(folder / f"{name}.npy") for name in ARRAYS}
    for name in OPTIONAL:
        if (folder / f"{name}.npy").exists():
            arrays[name] = _open_array(folder / f"{name}.npy")
    about = folder / "data.json"
    try:
        description = files.read_json(about)
        classes = tuple(description["classes"])
        view_size = int(description.get("view_size", 0))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{about}: not readable ({one_line(error)}).") from None
    data = PackedSet(**arrays, classes=classes, view_size=view_size)
    for name, array in arrays.items():
        split, kind = name.split("_")
        images = arrays[f"{split}_images"]
        CHECKS[kind](folder / f"{name}.npy", array, len(images))
        if images.shape[1:] != data.train_images.shape[1:]:
            raise DataError(f"{folder}: train and {split} images have different sizes.")
    if not 0 <= view_size <= data.train_images.shape[-1]:
        raise DataError(f"{about}: view_size {view_size} is larger than the images.")
    high = max(int(labels.max()) for labels in (data.train_labels, data.test_labels))
    low = min(int(labels.min()) for labels in (data.train_labels, data.test_labels))
    if low < 0 or high >= len(classes):
        raise DataError(f"{folder}: labels {low}..{high} but {len(classes)} classes.")
    return data


def write_names(path: Path, names: list[str]) -> None:
    """Write the names of images, one a line. Names that are no UTF-8 keep their bytes."""
    text = "".join(f"{name}\n" for name in names)
    files.write_atomic(path, text.encode("utf-8", "surrogateescape"))


def read_names(path: Path) -> list[str]:
    """Return the names that `write_names` wrote, by row of the training images."""
    return path.read_bytes().decode("utf-8", "surrogateescape").split("\n")[:-1]


def _open_array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises what Python's own parser does
        raise DataError(f"{path}: not a readable array ({one_line(error)}).") from None


def _check_aspects(path: Path, aspects: np.ndarray, count: int) -> None:
    is_typed = aspects.dtype == np.float32 and aspects.shape == (count,)
    if not is_typed or not (np.isfinite(aspects) & (aspects > 0)).all():
        raise DataError(
            f"{path}: expected positive float32 [{count}], "
            f"found {aspects.dtype} {list(aspects.shape)}."
        )


def _check_images(path: Path, images: np.ndarray, count: int) -> None:
    shape = images.shape
    is_square = len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3]
    if images.dtype != np.uint8 or not is_square or count == 0:
        raise DataError(
            f"{path}: expected uint8 [N, 3, S, S], at least one, "
            f"found {images.dtype} {list(shape)}."
        )


def _check_labels(path: Path, labels: np.ndarray, count: int) -> None:
    if labels.dtype != np.int64 or labels.shape != (count,):
        raise DataError(
            f"{path}: expected int64 [{count}], found {labels.dtype} {list(labels.shape)}."
        )


CHECKS = {"images": _check_images, "labels": _check_labels, "aspects": _check_aspects}
