"""Decode image files of any kind to square RGB arrays."""

import io
import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from simclr.config import DataError, one_line

MAX_PIXELS = 100_000_000  # of one image: larger ones are refused as decompression bombs
TRANSPOSED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
CHUNK = 64  # images that a thread decodes at once
SMALL = 8192  # bytes of an image file: if the mean is below, no threads are used


def decode(encoded: bytes, side: int, name: str) -> np.ndarray:
    """Decode the content of an image file: uint8 [3, side, side], RGB.

    Takes the largest centered square and resizes it with an antialiased bicubic filter. Applies the
    EXIF orientation and shows transparent pixels on white. Raises DataError, which names the image.
    """
    return _decode(encoded, side, name, square)[0]


def decode_whole(encoded: bytes, side: int, name: str) -> tuple[np.ndarray, float]:
    """Decode as `decode`, but squeeze the whole image into the square.

    Returns the array and the image's aspect: width over height.
    """
    return _decode(encoded, side, name, squeeze)


def _decode(encoded: bytes, side: int, name: str, resize) -> tuple[np.ndarray, float]:
    """Return resize(image, side) of the upright RGB image, and the image's aspect."""
    try:
        image = Image.open(io.BytesIO(encoded))
        if image.width * image.height > MAX_PIXELS:
            raise DataError(
                f"{name}: {image.width} x {image.height} pixels are too many; remove it."
            )
        aspect = image.width / image.height
        if image.getexif().get(ExifTags.Base.Orientation, 1) in TRANSPOSED:
            aspect = image.height / image.width
        image.draft(None, (2 * side, 2 * side))  # decode large JPEGs at a fraction of their size
        return resize(to_rgb(ImageOps.exif_transpose(image)), side), aspect
    except DataError:
        raise
    except Exception as error:  # Pillow raises a dozen kinds, from SyntaxError to struct.error
        reason = "unknown format" if isinstance(error, UnidentifiedImageError) else one_line(error)
        raise DataError(f"{name}: cannot be decoded as an image ({reason}); remove it.") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any mode to RGB; 16 bits become 8, transparency becomes white."""
    if image.mode.startswith("I"):
        high = (np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)
        return Image.fromarray(high).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def square(image: Image.Image, side: int) -> np.ndarray:
    """Resize the largest centered square of an RGB image: uint8 [3, side, side]."""
    short = min(image.size)
    left, top = (image.width - short) / 2, (image.height - short) / 2
    if image.size != (side, side):
        box = (left, top, left + short, top + short)
        image = image.resize((side, side), Image.Resampling.BICUBIC, box)
    return np.asarray(image).transpose(2, 0, 1)


def squeeze(image: Image.Image, side: int) -> np.ndarray:
    """Resize an RGB image of any shape to a square: uint8 [3, side, side]."""
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)).transpose(2, 0, 1)


def decode_all(encoded, total: int, side: int, report) -> None:
    """Decode `total` triples (target array [3, side, side], name, bytes) into their targets.

    Large images are decoded in threads, because Pillow releases Python's lock while it decodes. At
    32x32 the lock costs more than the threads gain (60,000 images: 4.6 s in one thread, 5.2 s in
    two). Only a few chunks are in flight, so a set larger than the memory can be read.
    """
    workers = min(8, cores())

    def decode_chunk(chunk) -> int:
        for target, name, content in chunk:
            target[:] = decode(content, side, name)
        return len(chunk)

    done, running, encoded = 0, [], iter(encoded)
    with ThreadPoolExecutor(workers) as pool:
        while chunk := list(itertools.islice(encoded, CHUNK)):
            if sum(len(content) for _, _, content in chunk) < SMALL * CHUNK:
                done += decode_chunk(chunk)
            else:
                running.append(pool.submit(decode_chunk, chunk))
            if len(running) > 2 * workers:
                done += running.pop(0).result()
            report(done / total, f"{done:,} of {total:,} images")
        for future in running:
            done += future.result()
    report(1.0, f"{done:,} of {total:,} images")


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
