"""Images of more than 8 bits a channel, reduced to 8: what is white is known, said, or not guessed.

A file may hold 12 bits as if they were 16. Read as 16 bits it would be almost black.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from simclr.config import DataError

DEEPEST = 65_535  # the largest value of 16 bits
UNCLEAR = 32_767  # values up to this one may be of fewer than 16 bits
BITS, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0  # tags of TIFF, and a value of the latter


class Depth(NamedTuple):
    """What a file says. white: the value that is white (0: unsaid); deep: colors of 16 bits."""

    white: int = 0
    deep: bool = False


def of(image: Image.Image) -> Depth:
    """Return what the file of an image says, before the image is loaded. Raises ValueError."""
    if image.format == "PPM":
        return Depth(DEEPEST)  # its header names the largest value, by which Pillow scales it
    if image.format not in ("PNG", "TIFF"):
        return Depth()
    deep, white = ";16" in str(image.tile), 0
    if image.format == "TIFF":
        bits = image.tag_v2.get(BITS, (1,))[0]
        white = 2**bits - 1 if 8 < bits < 16 else 0
        if bits > 8 and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
            raise ValueError("its white is 0, which is read up to 8 bits only")
    return Depth(white, deep)


def reduced(image: Image.Image, depth: Depth, white_level: int, name: str) -> Image.Image:
    """Return the loaded image with 8 bits a channel.

    white_level: what the user says is white (0: unsaid). Raises DataError where nobody knows.
    """
    if image.mode.startswith("I"):
        return _of_gray(image, depth.white or white_level, name)
    if depth.deep:
        _check_colors(image, white_level, name)
    return image


def _of_gray(image: Image.Image, white: int, name: str) -> Image.Image:
    values, transparent = np.asarray(image), image.info.get("transparency")
    low, high = int(values.min()), int(values.max())
    found = f"{name}: gray values {low} to {high} of more than 8 bits"
    if not white and low >= 0 and (high == 0 or UNCLEAR < high <= DEEPEST):
        white = DEEPEST
    if not white:
        raise DataError(
            f"{found}, and which one is white is unknown; set white_level to it (4095 for 12 bits; "
            f"{DEEPEST} where the image is only dark)."
        )
    if low < 0 or high > white:
        raise DataError(f"{found}, but white_level is {white}; correct it, or convert the image.")
    levels = values.astype(np.uint32)
    levels *= 256
    levels //= white + 1
    if isinstance(transparent, int):
        levels[values == transparent] = 255
    return Image.fromarray(levels.astype(np.uint8))


def _check_colors(image: Image.Image, white_level: int, name: str) -> None:
    """Raise DataError unless colors of 16 bits use them all: of each, Pillow reads the upper 8."""
    bands = zip(image.getbands(), np.atleast_2d(image.getextrema()), strict=True)
    high = max(int(most) for band, (_, most) in bands if band != "A")
    is_dark = 0 < high <= UNCLEAR >> 8
    if white_level not in (0, DEEPEST) or (is_dark and not white_level):
        raise DataError(
            f"{name}: colors of 16 bits, up to about {(high << 8) + 255}, of which the upper 8 are "
            f"read; convert it to 8 bits, or set white_level to {DEEPEST} where it is "
            "only dark."
        )
