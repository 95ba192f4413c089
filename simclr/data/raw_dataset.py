"""What every data source returns: a data set that is about to be packed; and balanced subsets."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from simclr.config import DataError

SPLITS = ("train", "test")  # their positions are part of what a seed means


class RawDataset(NamedTuple):
    """A data set about to be packed.

    classes: names by label.
    labels: split -> int64 [N].
    fill: fill(arrays, report) writes all images into arrays[SPLIT_images], uint8 [N, 3, S, S], and
        reports its progress with report(done, text). It may return more entries for data.json.
    names: split -> names of the images, for a data set so large that an interrupted packing must
        resume. `fill` then also writes arrays[SPLIT_digests]; see packing.pack. Otherwise None.
    """

    classes: tuple[str, ...]
    labels: dict[str, np.ndarray]
    fill: Callable
    names: dict[str, list[str]] | None = None


def random_generator(seed: int, split: str) -> np.random.Generator:
    """Return the generator of a split: "train" and "test" have different streams of one seed."""
    sequence = np.random.SeedSequence([seed, SPLITS.index(split)])
    return np.random.Generator(np.random.PCG64(sequence))


def balanced_subset(labels: np.ndarray, classes, count: int, seed: int, split: str) -> np.ndarray:
    """Choose `count` images at random, equally many of each class.

    labels: int64 [N]. Returns ascending indices into `labels`, int64 [count]; all of them if count
    is 0. If `count` is no multiple of the number of classes, some classes have one image more.
    Raises DataError if a class has too few images, or would have none.
    """
    if count == 0:
        return np.arange(len(labels))
    if count < len(classes):
        raise DataError(
            f"{split}_images: {count} leave a class of {len(classes)} without an image; raise it, "
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
                f"{split}_images: {count} need {needed} of class '{classes[label]}', which has "
                f"{len(members)}; lower it, or 0 for all images."
            )
        chosen.append(rng.permutation(members)[:needed])
    return np.sort(np.concatenate(chosen))
