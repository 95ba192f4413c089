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

from simclr.config import DataError
from simclr.data import images, packed
from simclr.data.card import card, contact_sheet, describe
from simclr.data.sources import cifar10, folder, imagenet, patterns

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
