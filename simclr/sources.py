"""The data sources: what planning and the settings need to know of each, without its libraries.

A source is one entry here and one module, simclr/data/sources/<name>.py, with two functions:

* `check(settings)` refuses, before any compute, what can be seen to fail; it reads no images.
* `open_source(settings, report)` returns a `simclr.data.raw_dataset.RawDataset`.

Where only the data themselves can tell how many images there are, it also has
`listing(path) -> (classes, listed)` and `labels_of(classes, listed) -> {split: int64 [N]}`, which
read names: planning counts by them.

settings: simclr.settings.Prepare; report(done, text): progress in [0, 1]. No number here changes a
result: the counts serve estimates and early refusals.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One data source.

    Numbers of images are 0 where only the data themselves can tell.
    """

    name: str
    seconds_per_image: float  # to read or draw one image, on one core
    train_images: int = 0
    test_images: int = 0
    classes: int = 10  # an assumption where only the data themselves can tell
    needs_file: bool = False  # the setting `file` must name the data
    needs_counts: bool = False  # the settings `train_images` and `test_images` must be given
    can_stretch: bool = False  # the setting `fit: stretch` is possible
    can_unlabelled: bool = False  # the setting `unlabelled: true` is possible
    can_hold_out: bool = False  # the setting `held_out` is possible

    def is_counted(self, settings) -> bool:
        """Tell whether `settings` say how many images and classes there are, without the data."""
        return self.needs_counts or bool(self.train_images and not settings.sha256)

    def problem(self, settings) -> str | None:
        """Return what of `settings` does not fit this source, in one line."""
        if self.needs_file and not settings.file:
            return f"file: needed with source '{self.name}': its path below data/raw."
        if settings.fit == "stretch" and not self.can_stretch:
            return f"fit: 'stretch' is not possible with source '{self.name}'."
        if settings.unlabelled_images and not settings.unlabelled:
            return "unlabelled_images: set `unlabelled: true` as well."
        if settings.unlabelled and not self.can_unlabelled:
            return f"unlabelled: not possible with source '{self.name}'; remove it."
        if settings.held_out and not self.can_hold_out:
            return f"held_out: not possible with source '{self.name}'; remove it."
        if settings.held_out and settings.test_images:
            return "held_out: takes the place of test_images; give one of them."
        if self.needs_counts and not (settings.train_images and settings.test_images):
            return f"train_images, test_images: must be given with source '{self.name}'."
        for name in ("train_images", "test_images") if self.is_counted(settings) else ():
            count, most = getattr(settings, name), getattr(self, name)
            if 0 < count < self.classes:
                return f"{name}: must be at least {self.classes}, one of each class, got {count}."
            if most and count > most:
                return f"{name}: must be at most {most:,}, all that there are, got {count:,}."
        return None


SOURCES = {
    source.name: source
    for source in (
        Source("patterns", seconds_per_image=4e-5, needs_counts=True),
        Source(
            "cifar10",
            seconds_per_image=5e-5,
            train_images=50_000,
            test_images=10_000,
            can_hold_out=True,
        ),
        Source(
            "folder",
            seconds_per_image=1.6e-4,  # JPEG of 32 x 32 pixels
            needs_file=True,
            can_unlabelled=True,
            can_hold_out=True,
        ),
        Source(
            "imagenet",
            seconds_per_image=8.5e-3,  # of 500 x 400 pixels: `python -m benchmarks.loader`
            train_images=1_281_167,
            test_images=50_000,
            classes=1000,
            needs_file=True,
            can_stretch=True,
            can_unlabelled=True,
        ),
    )
}
