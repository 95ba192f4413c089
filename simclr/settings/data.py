"""Settings of stage `prepare`: where images come from, and how they are packed."""

from dataclasses import dataclass

from simclr import sources
from simclr.config import option

SOURCES = tuple(sources.SOURCES)


@dataclass(frozen=True)
class Prepare:
    """Stage `prepare`: a data set, packed. Images are square, uint8, RGB."""

    source: str = option("patterns", choices=SOURCES)
    family: str = option("textures", choices=("textures", "figures"))  # of `patterns`
    file: str = option("", keyed=False)  # archive or directory, relative to data/raw
    sha256: str = option("")  # of its content, as `simclr fingerprint` prints it
    image_size: int = option(32, low=8, high=1024)  # side in pixels after resizing
    view_size: int = option(0, low=0, high=1024)  # of views and test crops; 0: image_size
    fit: str = option("crop", choices=("crop", "stretch"))  # the central square, or all of it
    train_images: int = option(0, low=0)  # 0: all; else a class-balanced subset
    test_images: int = option(0, low=0)
    held_out: int = option(0, low=0)  # test on so many training images, which are then left out
    unlabelled: bool = option(False)  # also the images in unlabelled/, for `images` of Pretrain
    unlabelled_images: int = option(0, low=0)  # 0: all; else some, drawn at random
    seed: int = option(0, low=0)  # of the patterns, or of the choice of the subset
    white_level: int = option(0, low=0, high=65535)  # of gray of 16 bits; 0: see docs/images.md
    max_megapixels: int = option(100, low=1, keyed=False)  # decoded of one image; more: refused

    def check(self):
        if self.view_size and not 8 <= self.view_size <= self.image_size:
            sides = f"8 to image_size ({self.image_size})"
            return f"view_size: must be 0, or from {sides}, got {self.view_size}."
        return sources.SOURCES[self.source].problem(self)
