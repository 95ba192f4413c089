"""A prepared data set on disk: its arrays and data.json, memory-mapped when read."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simclr.config import DataError


class PackedSet(NamedTuple):
    """A data set. Images uint8 [N, 3, S, S], labels int64 [N]; classes are names by label.

    view_size: side of views and of what evaluation shows (0: S). aspects: float32 [N], where images
    that are no squares were squeezed into one (see simclr/data/image_store.py), else None.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: tuple[str, ...]
    view_size: int = 0
    train_aspects: np.ndarray | None = None
    test_aspects: np.ndarray | None = None


ARRAYS = PackedSet._fields[:4]
ASPECTS = PackedSet._fields[6:]
NAMES = "train_names.txt"  # of sets whose images have names: one a line


def load(folder: Path) -> PackedSet:
    """Open a prepared data set, memory-mapped. Raises DataError, which names the file."""
    there = [name for name in ASPECTS if (folder / f"{name}.npy").exists()]
    arrays = {name: _array(folder / f"{name}.npy") for name in (*ARRAYS, *there)}
    try:
        about = json.loads((folder / "data.json").read_text())
        classes, view_size = tuple(about["classes"]), int(about.get("view_size", 0))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{folder / 'data.json'}: not readable ({_line(error)}).") from None
    data = PackedSet(**arrays, classes=classes, view_size=view_size)
    for split in ("train", "test"):
        _check_split(folder, split, *(arrays[f"{split}_{kind}"] for kind in ("images", "labels")))
    if data.train_images.shape[1:] != data.test_images.shape[1:]:
        raise DataError(f"{folder}: train and test images have different sizes.")
    if not 0 <= view_size <= data.train_images.shape[-1]:
        raise DataError(f"{folder / 'data.json'}: view_size {view_size} is larger than the images.")
    for name in there:
        _check_aspects(folder / f"{name}.npy", arrays[name], arrays[f"{name.split('_')[0]}_labels"])
    top = max(int(labels.max()) for labels in (data.train_labels, data.test_labels))
    low = min(int(labels.min()) for labels in (data.train_labels, data.test_labels))
    if low < 0 or top >= len(classes):
        raise DataError(f"{folder}: labels {low}..{top} but {len(classes)} classes.")
    return data


def _array(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises what Python's own parser does
        raise DataError(f"{path}: not a readable array ({_line(error)}).") from None


def _check_aspects(path: Path, aspects: np.ndarray, labels: np.ndarray) -> None:
    good = aspects.dtype == np.float32 and aspects.shape == labels.shape
    if not good or not (np.isfinite(aspects) & (aspects > 0)).all():
        raise DataError(
            f"{path}: expected positive float32 {list(labels.shape)}, "
            f"found {aspects.dtype} {list(aspects.shape)}."
        )


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
