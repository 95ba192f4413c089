"""What every data source returns: a data set that is about to be packed; and balanced subsets."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simclr.config import DataError

SPLITS = ("train", "test")
UNLABELLED = "unlabelled"  # the split whose images have no labels, where there is one
HELD_OUT = "held_out"  # the setting, and the stream that draws which
STREAMS = (*SPLITS, UNLABELLED, HELD_OUT)  # their positions are part of what a seed means


class RawDataset(NamedTuple):
    """A data set about to be packed.

    classes: names by label.
    labels: split -> int64 [N].
    fill: fill(arrays, report) writes all images into arrays[SPLIT_images], uint8 [N, 3, S, S], and
        reports its progress with report(done, text). It may return more entries for data.json.
    names: split -> names of the images, for a data set so large that an interrupted packing must
        resume. `fill` then also writes arrays[SPLIT_digests]; see packing.pack. Otherwise None.
    unlabelled: number of images of the split `unlabelled`, which has no labels; 0: there is none.
    """

    classes: tuple[str, ...]
    labels: dict[str, np.ndarray]
    fill: Callable
    names: dict[str, list[str]] | None = None
    unlabelled: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Number of images of each split."""
        counts = {split: len(labels) for split, labels in self.labels.items()}
        return {**counts, UNLABELLED: self.unlabelled} if self.unlabelled else counts


def random_generator(seed: int, split: str) -> np.random.Generator:
    """Return the generator of a split: each has a stream of its own from one seed."""
    sequence = np.random.SeedSequence([seed, STREAMS.index(split)])
    return np.random.Generator(np.random.PCG64(sequence))


def chosen_rows(labels: dict[str, np.ndarray], classes, settings) -> dict:
    """Choose the images to pack: split -> (the split that they are taken from, rows in it).

    labels: split -> int64 [N]; rows: ascending, int64. With settings.held_out, so many training
    images are the test images, and are left out of training. Raises DataError.
    """
    seed, there = settings.seed, labels["train"]
    if not settings.held_out:
        counts = {split: getattr(settings, f"{split}_images") for split in SPLITS}
        return {
            split: (split, balanced_subset(labels[split], classes, count, seed, split))
            for split, count in counts.items()
        }
    test = balanced_subset(there, classes, settings.held_out, seed, HELD_OUT)
    rest = np.setdiff1d(np.arange(len(there)), test)
    train = balanced_subset(there[rest], classes, settings.train_images, seed, "train")
    return {"train": ("train", rest[train]), "test": ("train", test)}


def balanced_subset(labels: np.ndarray, classes, count: int, seed: int, split: str) -> np.ndarray:
    """Choose `count` images at random, equally many of each class.

    labels: int64 [N]. Returns ascending indices into `labels`, int64 [count]; all of them if count
    is 0. If `count` is no multiple of the number of classes, some classes have one image more.
    Raises DataError if a class has too few images, or would have none.
    """
    if count == 0:
        return np.arange(len(labels))
    setting = split if split == HELD_OUT else f"{split}_images"
    if count < len(classes):
        raise DataError(
            f"{setting}: {count} leave a class of {len(classes)} without an image; raise it, "
            "or 0 for all images."
        )
    rng = random_generator(seed, split)
    quota = np.full(len(classes), count // len(classes))
    quota[rng.permutation(len(classes))[: count % len(classes)]] += 1
    chosen = []
    for label, needed in enumerate(quota):
        members = np.flatnonzero(labels == label)
        if len(members) < needed:
            raise DataError(
                f"{setting}: {count} need {needed} of class '{classes[label]}', which has "
                f"{len(members)}; lower it, or 0 for all images."
            )
        chosen.append(rng.permutation(members)[:needed])
    return np.sort(np.concatenate(chosen))


def check_unlabelled(path: Path, settings) -> None:
    """Refuse a folder without unlabelled/, if the settings ask for it. Raises DataError."""
    places = (path / UNLABELLED, *path.glob(f"*/{UNLABELLED}")) if path.is_dir() else (path,)
    if settings.unlabelled and not any(place.exists() for place in places):
        raise _no_unlabelled(path)


def unlabelled_subset(path: Path, images: list, settings) -> list:
    """Choose settings.unlabelled_images of the images at random, or all of them if it is 0.

    Returns them in their order; none if the settings do not ask for them. Raises DataError if there
    are too few.
    """
    if not settings.unlabelled:
        return []
    if not images:
        raise _no_unlabelled(path)
    count = settings.unlabelled_images or len(images)
    if count > len(images):
        raise DataError(f"unlabelled_images: {count}, but there are {len(images)}; lower it.")
    chosen = random_generator(settings.seed, UNLABELLED).permutation(len(images))[:count]
    return [images[k] for k in sorted(chosen)]


def _no_unlabelled(path: Path) -> DataError:
    return DataError(
        f"{path}: no image in {UNLABELLED}/, but `unlabelled: true` is set; put images there, or "
        "remove the setting."
    )
