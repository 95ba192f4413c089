"""Decode image files to square RGB arrays: which formats, which picture of several, which white.

docs/images.md says all of it in words.
"""

import io
import itertools
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from simclr.config import DataError, one_line
from simclr.data import bit_depth, metadata

# No others: Pillow would start other programs for some (Ghostscript for EPS).
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MEGAPIXEL = 10**6
UPRIGHT = {  # EXIF orientation -> what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TRANSPOSED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
REDUCED, MASK = 1, 4  # in a TIFF file's tag 254: a smaller copy of another picture, or a mask
CHUNK = 64  # images that a thread decodes at once
SMALL = 8192  # bytes of an image file: if the mean is below, no threads are used
MAX_NAMED = 10  # bad images that an error names
REMOVE = "; replace, convert or remove it."

Image.MAX_IMAGE_PIXELS = None  # the limit is Reading.max_megapixels, and it is no warning
warnings.filterwarnings("ignore", module=r"PIL\.")  # of damaged metadata, which do not matter


class Reading(NamedTuple):
    """What a user may say about the images.

    white_level: the value that is white in gray images of more than 8 bits (0: not said).
    max_megapixels: the most that is decoded of one image.
    """

    white_level: int = 0
    max_megapixels: int = 100


PLAIN = Reading()  # nothing is said


def decode(encoded: bytes, side: int, name: str, reading: Reading = PLAIN) -> np.ndarray:
    """Decode the content of an image file: uint8 [3, side, side], RGB.

    Takes the largest centered square and resizes it with an antialiased bicubic filter. Applies the
    EXIF orientation and shows transparent pixels on white. Raises DataError, which names the image.
    """
    return _decode(encoded, side, name, square, reading)[0]


def decode_whole(
    encoded: bytes, side: int, name: str, reading: Reading = PLAIN
) -> tuple[np.ndarray, float]:
    """Decode as `decode`, but squeeze the whole image into the square.

    Returns the array and the image's aspect: width over height.
    """
    return _decode(encoded, side, name, squeeze, reading)


def is_image(path: Path) -> bool:
    """Tell whether a file is of one of FORMATS by its first bytes."""
    try:
        Image.open(path, formats=FORMATS).close()
    except UnidentifiedImageError:
        return False
    except Exception:  # damaged, but the format is known
        return True
    return True


def suffixes() -> tuple[str, ...]:
    """Return the endings of the names of image files, in lower case."""
    known = Image.registered_extensions()
    return tuple(sorted(suffix for suffix in known if known[suffix] in (*FORMATS, "MPO")))


def _decode(encoded: bytes, side: int, name: str, resize, reading) -> tuple[np.ndarray, float]:
    """Return resize(image, side) of the upright RGB image, and the image's aspect."""
    problem = None
    for content in metadata.versions(encoded):
        try:
            image, aspect = _upright(content, side, name, reading)
            return resize(image, side), aspect
        except DataError:
            raise
        except Exception as error:  # Pillow raises a dozen kinds, from SyntaxError to struct.error
            problem = problem or error
    reason = one_line(problem)
    if isinstance(problem, UnidentifiedImageError):
        reason = f"none of {', '.join(FORMATS)}, or damaged"
    raise DataError(f"{name}: cannot be decoded as an image ({reason}){REMOVE}")


def _upright(encoded: bytes, side: int, name: str, reading) -> tuple[Image.Image, float]:
    """Return the RGB image as it is to be seen, not much smaller than `side`, and its aspect."""
    image = Image.open(io.BytesIO(encoded), formats=FORMATS)
    if image.format == "TIFF":
        _go_to_largest(image)
    whole = image.size
    image.draft(None, (2 * side, 2 * side))  # decode large JPEGs at a fraction of their size
    _check_size(image, whole, name, reading)
    depth = bit_depth.of(image)
    image.load()
    orientation = _orientation(image)  # of a TIFF file none is left: Pillow has applied it
    aspect = whole[0] / whole[1] if orientation not in TRANSPOSED else whole[1] / whole[0]
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    return to_rgb(bit_depth.reduced(image, depth, reading.white_level, name)), aspect


def _go_to_largest(image: Image.Image) -> None:
    """Go to the picture of a TIFF file that counts: the largest one, of equals the first.

    Raises ValueError if the file says that all are reduced copies, as in raw files of cameras.
    """
    pages = []
    try:
        for number in itertools.count():
            image.seek(number)
            kind = image.tag_v2.get(254, 0)
            if not kind & MASK:
                pages.append((not kind & REDUCED, image.width * image.height, -number))
    except Exception:
        pass  # no more pages, or damaged ones, that are not needed
    is_full, _, number = max(pages, default=(True, 0, 0))
    if not is_full:
        raise ValueError("it holds a reduced copy of its picture only")
    image.seek(-number)


def _check_size(image: Image.Image, whole: tuple[int, int], name: str, reading) -> None:
    """Raise DataError if decoding takes too much memory; a progressive JPEG is held whole."""
    pixels = image.width * image.height
    if image.info.get("progressive"):
        pixels = max(pixels, whole[0] * whole[1] // 2)
    if pixels > reading.max_megapixels * MEGAPIXEL:
        raise DataError(
            f"{name}: {whole[0]} x {whole[1]} pixels are too many; raise max_megapixels above "
            f"{reading.max_megapixels}, or reduce or remove it."
        )


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1  # damaged EXIF data say nothing


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of 8 bits to RGB; transparency becomes white."""
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


def decode_all(encoded, total: int, side: int, report, reading: Reading = PLAIN) -> None:
    """Decode `total` triples (target array [3, side, side], name, bytes) into their targets.

    Large images are decoded in threads, because Pillow releases Python's lock while it decodes. At
    32x32 the lock costs more than the threads gain (60,000 images: 4.6 s in one thread, 5.2 s in
    two). Only a few chunks are in flight, so a set larger than the memory can be read. Raises
    DataError, which names all that cannot be decoded, after the last image.
    """
    workers, problems = min(8, cores()), []

    def decode_chunk(chunk) -> int:
        for target, name, content in chunk:
            try:
                target[:] = decode(content, side, name, reading)
            except DataError as error:
                problems.append(str(error))
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
    if problems:
        raise DataError(f"{bad_images(problems, total)}; fix or remove them, and run it again.")
    report(1.0, f"{done:,} of {total:,} images")


def bad_images(problems: list[str], total: int) -> str:
    """Return how many of `total` images cannot be used, and what the first ones' problems are."""
    shown = [one.removesuffix(REMOVE).rstrip(".") for one in sorted(problems)[:MAX_NAMED]]
    rest = len(problems) - len(shown)
    more = f"; and {rest:,} more" if rest else ""
    return f"{len(problems):,} of {total:,} images cannot be used: {'; '.join(shown)}{more}"


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
