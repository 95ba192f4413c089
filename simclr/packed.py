"""A prepared data set on disk: four arrays and data.json, memory-mapped when read."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simclr.config import DataError


class PackedSet(NamedTuple):
    """A data set. Images uint8 [N, 3, S, S], labels int64 [N]; classes are names by label."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]


ARRAYS = PackedSet._fields[:4]


def load(folder: Path) -> PackedSet:
    """Open a prepared data set, memory-mapped. Raises DataError, which names the file."""
    arrays = {}
    for name in ARRAYS:
        path = folder / f"{name}.npy"
        try:
            arrays[name] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: not a readable array ({_line(error)}).") from None
    try:
        classes = tuple(json.loads((folder / "data.json").read_text())["classes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{folder / 'data.json'}: not readable ({_line(error)}).") from None
    data = PackedSet(**arrays, classes=classes)
    for split in ("train", "test"):
        _check_split(folder, split, *(arrays[f"{split}_{kind}"] for kind in ("images", "labels")))
    if data.train_images.shape[1:] != data.test_images.shape[1:]:
        raise DataError(f"{folder}: train and test images have different sizes.")
    top = max(int(labels.max()) for labels in (data.train_labels, data.test_labels))
    low = min(int(labels.min()) for labels in (data.train_labels, data.test_labels))
    if low < 0 or top >= len(classes):
        raise DataError(f"{folder}: labels {low}..{top} but {len(classes)} classes.")
    return data


def _check_split(folder: Path, split: str, images: np.ndarray, labels: np.ndarray) -> None:
    shape = images.shape
    if images.dtype != np.uint8 or len(shape) != 4 or shape[1] != 3 or shape[2] != shape[3]:
        raise DataError(
            f"{folder / f'{split}_images.npy'}: expected uint8 [N, 3, S, S], "
            f"found {images.dtype} {list(shape)}."
        )
    if labels.dtype != np.int64 or labels.shape != shape[:1] or shape[0] == 0:
        raise DataError(
            f"{folder / f'{split}_labels.npy'}: expected int64 [{shape[0]}], at least one, "
            f"found {labels.dtype} {list(labels.shape)}."
        )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
