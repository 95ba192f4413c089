"""What the sources of real images share: decoding to square RGB, choosing a balanced subset."""

import io
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from simclr.config import DataError, one_line

MAX_PIXELS = 100_000_000  # of one image: beyond, a small file is meant to fill the memory
TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange width and height
CHUNK = 64  # images that a thread decodes at once
SMALL = 8192  # bytes of an image file: below, on average, no threads are used
STREAMS = {"train": 0, "test": 1}  # of the random numbers of a seed


class Source(NamedTuple):
    """A data set about to be packed.

    classes: names by label.  labels: split -> int64 [N].  fill(arrays, report): writes all images
    into arrays[SPLIT_images], uint8 [N, 3, S, S]; report(done, text) tells how far it is; may
    return what else data.json shall say.  names: split -> the images' names, of a set so large that
    its packing can be interrupted and go on; see imagenet.pack for what else is in arrays then.
    """

    classes: tuple[str, ...]
    labels: dict[str, np.ndarray]
    fill: object
    names: dict[str, list[str]] | None = None


def decode(encoded: bytes, side: int, name: str) -> np.ndarray:
    """Decode an image file's content: uint8 [3, side, side], RGB.

    The largest centred square, resized with an antialiased bicubic filter. The EXIF orientation is
    applied; what is transparent becomes white. Raises DataError, which names the image.
    """
    return _decoded(encoded, side, name, square)[0]


def decode_whole(encoded: bytes, side: int, name: str) -> tuple[np.ndarray, float]:
    """The same of the whole image, squeezed into the square, and its width over its height."""
    return _decoded(encoded, side, name, squeeze)


def _decoded(encoded: bytes, side: int, name: str, fit):
    """What `fit` makes of the image, and its width over its height."""
    try:
        image = Image.open(io.BytesIO(encoded))
        if image.width * image.height > MAX_PIXELS:
            raise DataError(
                f"{name}: {image.width} x {image.height} pixels are too many; remove it."
            )
        aspect = image.width / image.height
        if image.getexif().get(ExifTags.Base.Orientation, 1) in TURNED:
            aspect = image.height / image.width
        image.draft(None, (2 * side, 2 * side))  # large JPEG: decode at a fraction of the size
        return fit(to_rgb(ImageOps.exif_transpose(image)), side), aspect
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
    """Resize the largest centred square of an RGB image: uint8 [3, side, side]."""
    short = min(image.size)
    left, top = (image.width - short) / 2, (image.height - short) / 2
    if image.size != (side, side):
        box = (left, top, left + short, top + short)
        image = image.resize((side, side), Image.Resampling.BICUBIC, box)
    return np.asarray(image).transpose(2, 0, 1)


def squeeze(image: Image.Image, side: int) -> np.ndarray:
    """Resize an RGB image, whatever its shape: uint8 [3, side, side]."""
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)).transpose(2, 0, 1)


def decode_all(encoded, total: int, side: int, report) -> None:
    """Decode (target array [3, side, side], name, bytes) triples into their targets.

    In threads where images are large: Pillow releases Python's lock while it decodes, but at 32x32
    the lock costs more than that wins (60,000 images: 4.6 s in one thread, 5.2 s in two). Few
    chunks are in flight, so that a set larger than the memory can be read.
    """
    workers = min(8, cores())

    def work(chunk):
        for target, name, content in chunk:
            target[:] = decode(content, side, name)
        return len(chunk)

    done, running, encoded = 0, [], iter(encoded)
    with ThreadPoolExecutor(workers) as pool:
        while chunk := list(itertools.islice(encoded, CHUNK)):
            if sum(len(content) for _, _, content in chunk) < SMALL * CHUNK:
                done += work(chunk)
            else:
                running.append(pool.submit(work, chunk))
            if len(running) > 2 * workers:
                done += running.pop(0).result()
            report(done / total, f"{done:,} of {total:,} images")
        for future in running:
            done += future.result()
    report(1.0, f"{done:,} of {total:,} images")


def balanced(labels: np.ndarray, classes, count: int, seed: int, split: str) -> np.ndarray:
    """Choose `count` images at random, as many of each class: sorted indices into `labels`.

    count 0 takes all. Where it is no multiple of the number of classes, some have one image more.
    Raises DataError where a class has too few.
    """
    if count == 0:
        return np.arange(len(labels))
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAMS[split]])))
    quota = np.full(len(classes), count // len(classes))
    quota[rng.permutation(len(classes))[: count % len(classes)]] += 1
    chosen = []
    for label, wanted in enumerate(quota):
        members = np.flatnonzero(labels == label)
        if len(members) < wanted:
            raise DataError(
                f"{split}_images: {count} need {wanted} of class '{classes[label]}', which has "
                f"{len(members)}; lower it, or 0 for all images."
            )
        chosen.append(rng.permutation(members)[:wanted])
    return np.sort(np.concatenate(chosen))


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
