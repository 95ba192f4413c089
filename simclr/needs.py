"""Images of a data set by class, and what a stage needs of them at least.

Each stage declares its needs in simclr/registry.py; planning compares them with the set before
anything is computed (workflow/planning/checks.py). Declarations only, as in settings/.
"""

from dataclasses import dataclass
from typing import NamedTuple

from simclr.splits import splits_of


class Need(NamedTuple):
    """What must be there at least. there: what is; None: not known yet."""

    setting: str  # that asks for it; "": the stage itself does
    least: int
    there: int | None
    what: str  # e.g. "training images"

    @property
    def is_met(self) -> bool:
        return self.there is None or self.there >= self.least

    def problem(self, stage: str) -> str:
        """Return what is missing and what to do, in some words."""
        asks = f"{stage}.{self.setting}" if self.setting else f"stage {stage}"
        remedy = "lower it" if self.setting else "add some, or leave this experiment out"
        return f"{asks} needs {self.least:,} {self.what}, the set has {self.there:,}: {remedy}"


@dataclass(frozen=True)
class Counts:
    """Images of each class in both splits; empty where only the data themselves can tell.

    total: of the training images, where they are known without their classes; 0: unknown.
    unlabelled: images without labels; 0: unknown.
    """

    train_classes: tuple[int, ...] = ()
    test_classes: tuple[int, ...] = ()
    total: int = 0
    unlabelled: int = 0

    @property
    def train(self) -> int | None:
        """Training images."""
        return sum(self.train_classes) or self.total or None

    def trained_on(self, images: str) -> int | None:
        """Images to pre-train on: of `train`, of `unlabelled`, or `both`."""
        known = {"train": self.train, "unlabelled": self.unlabelled or None}
        chosen = [known[split] for split in splits_of(images)]
        return None if None in chosen else sum(chosen)

    @property
    def classes(self) -> int | None:
        """Classes."""
        return len(self.train_classes) or None

    def share(self, part: float) -> int | None:
        """Training images whose labels are used: the same part of each class, one at least."""
        return (
            self.train
            if part == 1
            else sum(max(1, round(part * count)) for count in self.train_classes) or None
        )

    def fewest_train(self) -> int | None:
        """Training images of the class that has the fewest."""
        return min(self.train_classes, default=None)

    def fewest_test(self, classes: int) -> int | None:
        """Test images of so many classes, those that have the fewest."""
        return sum(sorted(self.test_classes)[:classes]) or None


def balanced(count: int, classes: int) -> tuple[int, ...]:
    """Return how many images of each class a balanced set of `count` has."""
    return tuple(count // classes + (label < count % classes) for label in range(classes))
