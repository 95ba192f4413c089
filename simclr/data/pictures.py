"""Images as text in cells of CSV files, so that what a figure shows is published with metrics."""

import numpy as np
from PIL import Image

MAX_SIDE = 64  # pixels: larger images are reduced, because a page holds dozens


def to_text(image: np.ndarray) -> str:
    """Return an image, uint8 [3, S, S], as hexadecimal digits; at most MAX_SIDE pixels a side."""
    if image.shape[-1] > MAX_SIDE:
        large = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        small = large.resize((MAX_SIDE, MAX_SIDE), Image.Resampling.BOX)
        image = np.asarray(small).transpose(2, 0, 1)
    return np.ascontiguousarray(image).tobytes().hex()


def from_text(text: str) -> np.ndarray:
    """Return the image, uint8 [S, S, 3], that `to_text` wrote."""
    values = np.frombuffer(bytes.fromhex(text), np.uint8)
    side = round((len(values) / 3) ** 0.5)
    return values.reshape(3, side, side).transpose(1, 2, 0)
