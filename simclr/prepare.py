"""Stage `prepare`: a data set, packed into four arrays, with a card and a contact sheet.

Writes train_images.npy, train_labels.npy, test_images.npy, test_labels.npy (see packed.PackedSet),
data.json, data_card.md and contact_sheet.png, the same bytes on every run. Of ImageNet also
train_aspects.npy, test_aspects.npy and train_names.txt; an interrupted packing of it goes on.
"""

import contextlib
import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from simclr import cifar10, folder, imagenet, images, packed, patterns
from simclr.config import DataError

SHEET = (10, 12)  # of the contact sheet: classes, images of each
SHEET_SIDE = 64  # pixels of an image on it, at least
DESCRIBED = 50_000  # training images, the first, whose pixels data.json describes


def check(settings) -> None:
    """Refuse what can be seen to fail before any compute; reads no data. Raises ConfigError."""
    if settings.source == "folder":
        folder.check(settings.file, settings.sha256)
    elif settings.source == "cifar10":
        cifar10.check(settings)
    elif settings.source == "imagenet":
        imagenet.check(settings)
    else:
        for split in images.STREAMS:
            if getattr(settings, f"{split}_images") < len(patterns.CLASSES[settings.family]):
                raise DataError(f"{split}_images: patterns need one of each class, so 10 or more.")


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Prepare the data set of `settings` (settings.Prepare) into the folder `out`."""
    check(settings)
    source = SOURCES[settings.source](settings, report)
    arrays, at = {}, _places(source, settings, out, checkpoint)
    sizes = {"images": (np.uint8, (3, settings.image_size, settings.image_size))}
    if settings.fit == "stretch":
        sizes["aspects"] = np.float32, ()
    if source.names:
        sizes["digests"] = np.uint8, (32,)
    _check_space(out, source.labels, settings.image_size, at)
    for split, labels in source.labels.items():
        np.save(out / f"{split}_labels.npy", labels)
        for kind, (dtype, shape) in sizes.items():
            place = at(f"{split}_{kind}.npy")
            arrays[f"{split}_{kind}"] = _allocate(place, dtype, (len(labels), *shape))
    more = source.fill(arrays, report) or {}
    for name, array in arrays.items():
        array.flush()
        if name.endswith("digests"):
            at(f"{name}.npy").unlink()
        elif source.names:
            at(f"{name}.npy").rename(out / f"{name}.npy")
    if source.names:
        (out / packed.NAMES).write_text("".join(f"{name}\n" for name in source.names["train"]))
        at("listing").unlink()
    pixels = arrays["train_images"]
    description = describe(source.classes, source.labels, pixels[:DESCRIBED], settings) | more
    text = json.dumps(description, indent=1, sort_keys=True)
    (out / "data.json").write_text(text + "\n")
    contact_sheet(pixels, source.labels["train"]).save(out / "contact_sheet.png")
    (out / "data_card.md").write_text(card(description))
    packed.load(out)  # what is written can be read
    report(1.0, f"{len(pixels):,} + {len(arrays['test_images']):,} images")


def _patterns(settings, report) -> images.Source:
    drawn = {
        split: patterns.generate(count, settings.image_size, settings.seed, split, settings.family)
        for split, count in (("train", settings.train_images), ("test", settings.test_images))
    }

    def fill(arrays, report):
        for split in drawn:
            arrays[f"{split}_images"][:] = drawn[split][0]

    labels = {split: labels for split, (_, labels) in drawn.items()}
    return images.Source(patterns.CLASSES[settings.family], labels, fill)


SOURCES = {
    "patterns": _patterns,
    "cifar10": cifar10.source,
    "folder": folder.source,
    "imagenet": imagenet.source,
}


def _places(source, settings, out: Path, checkpoint: Path):
    """A function from a file's name to where it is made: in `out`, or where a packing is resumed.

    It is resumed if the images, by their names, are those of the time when it was begun.
    """
    if not source.names:
        return lambda name: out / name
    names = json.dumps([source.names, {s: x.tolist() for s, x in source.labels.items()}])
    listed = hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()

    def at(name):
        return checkpoint.with_name(f"{checkpoint.stem}.{name}")

    if not at("listing").is_file() or at("listing").read_text() != listed:
        for old in checkpoint.parent.glob(f"{checkpoint.stem}.*"):
            old.unlink()
        at("listing").write_text(listed)
    return at


def _check_space(out: Path, labels: dict, side: int, at) -> None:
    """Refuse to begin on a disk that is too small; a part that is there already needs no more."""
    new = [split for split in labels if not at(f"{split}_images.npy").exists()]
    needed = sum(3 * side * side * len(labels[split]) for split in new)
    free = shutil.disk_usage(out).free
    if needed > free:
        raise DataError(
            f"{out.parent}: the images take {needed / 1e6:,.0f} MB, but {free / 1e6:,.0f} MB are "
            "free; make room, or lower image_size or train_images."
        )


def _allocate(path: Path, dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Open an array on disk, memory-mapped: larger sets than the memory can be packed.

    One that is there is gone on with; a new one is zero.
    """
    if path.exists():
        with contextlib.suppress(ValueError, OSError):
            found = np.lib.format.open_memmap(path, "r+")
            if (found.dtype, found.shape) == (dtype, shape):
                return found
    array = np.lib.format.open_memmap(path, "w+", dtype, shape)
    if hasattr(os, "posix_fallocate"):  # a full disk must fail here: in a mapping it is a crash
        try:
            with open(path, "r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            path.unlink()
            raise DataError(
                f"{path}: {error.strerror}; make room and run the same again."
            ) from None
    return array


def describe(classes, labels, train_images: np.ndarray, settings) -> dict:
    """What data.json says: where the set is from, its size, counts, channel statistics."""
    total = squares = 0  # integers: exact, so the same on every machine
    for some in np.array_split(train_images, len(train_images) // 1000 + 1):
        values = some.astype(np.int64)
        total = total + values.sum(axis=(0, 2, 3))
        squares = squares + (values * values).sum(axis=(0, 2, 3))
    number = train_images[:, 0].size  # pixels of a channel
    mean = total / number / 255
    deviation = np.sqrt(squares / number / 255**2 - mean * mean)
    counts = {s: np.bincount(labels[s], minlength=len(classes)).tolist() for s in labels}
    return {
        "source": settings.source,
        "sha256": settings.sha256,
        "seed": settings.seed,
        "image_size": settings.image_size,
        "view_size": settings.view_size,
        "classes": list(classes),
        "train_counts": counts["train"],
        "test_counts": counts["test"],
        "channel_means": mean.round(6).tolist(),
        "channel_deviations": deviation.round(6).tolist(),
    }


def contact_sheet(train_images: np.ndarray, train_labels: np.ndarray) -> Image.Image:
    """The first images of the first classes, a row a class, enlarged pixel by pixel."""
    side = train_images.shape[-1]
    zoom, gap = max(1, SHEET_SIDE // side), 4
    step = side * zoom + gap
    rows = min(SHEET[0], int(train_labels.max()) + 1)
    sheet = Image.new("RGB", (SHEET[1] * step + gap, rows * step + gap), "white")
    for row in range(rows):
        for column, index in enumerate(np.flatnonzero(train_labels == row)[: SHEET[1]]):
            pixels = np.ascontiguousarray(train_images[index].transpose(1, 2, 0))
            image = Image.fromarray(pixels)
            image = image.resize((side * zoom, side * zoom), Image.Resampling.NEAREST)
            sheet.paste(image, (gap + column * step, gap + row * step))
    return sheet


def card(description: dict) -> str:
    """The data card: a page of Markdown about the set, for people."""
    train, test = description["train_counts"], description["test_counts"]
    rows = zip(description["classes"], train, test, strict=True)
    side = description["image_size"]
    lines = [
        f"# Data: {description['source']}",
        "",
        f"{sum(train):,} training and {sum(test):,} test images of {side} x {side} pixels, "
        f"{len(train)} classes, seed {description['seed']}.",
        *([f"Content SHA-256: `{description['sha256']}`."] if description["sha256"] else []),
        "",
        "![contact sheet](contact_sheet.png)",
        "",
        "| class | train | test |",
        "| --- | ---: | ---: |",
        *(f"| {name} | {a} | {b} |" for name, a, b in rows),
        "",
        "| training pixels in [0, 1] | red | green | blue |",
        "| --- | ---: | ---: | ---: |",
        "| mean | " + " | ".join(f"{x:.4f}" for x in description["channel_means"]) + " |",
        "| deviation | " + " | ".join(f"{x:.4f}" for x in description["channel_deviations"]) + " |",
    ]
    return "\n".join(lines) + "\n"
