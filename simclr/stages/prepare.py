"""Stage `prepare`: a data set, packed into four arrays, with a card and a contact sheet.

Writes train_images.npy, train_labels.npy, test_images.npy, test_labels.npy (see packed.PackedSet),
data.json, data_card.md and contact_sheet.png, the same bytes on every run. With `unlabelled: true`
also unlabelled_images.npy, with `fit: stretch` a SPLIT_aspects.npy of each split. If the source
names its images, also train_names.txt; an interrupted packing of such a set resumes.
"""

import contextlib
import hashlib
import importlib
import json
import os
import shutil
from pathlib import Path

import numpy as np

from simclr import files
from simclr.config import DataError
from simclr.data import card, location, packed
from simclr.data.raw_dataset import chosen_rows

DESCRIBED = 50_000  # of the training images, the first ones: data.json describes their pixels


def source_module(name: str):
    """Return the module of a data source (see simclr/sources.py)."""
    return importlib.import_module(f"simclr.data.sources.{name}")


def check(settings) -> None:
    """Refuse what can be seen to fail before any compute; reads no images. Raises ConfigError."""
    source_module(settings.source).check(settings)


def count(settings) -> dict[str, tuple[int, ...]] | None:
    """Return split -> images of each class that will be packed, from names; reads no images.

    None where the source has no listing. Raises DataError for what names can show, and where a
    class has too few images for the subset that is asked for.
    """
    module = source_module(settings.source)
    if not hasattr(module, "listing"):
        return None
    classes, listed = module.listing(location.locate(settings.file))
    labels = module.labels_of(classes, listed)
    return {
        split: tuple(np.bincount(labels[origin][rows], minlength=len(classes)).tolist())
        for split, (origin, rows) in chosen_rows(labels, classes, settings).items()
    }


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Prepare the data set of `settings` (settings.Prepare) into the folder `out`."""
    check(settings)
    raw = location.locate(settings.file) if settings.file else None
    stamps = raw and files.stamps(raw)
    dataset = source_module(settings.source).open_source(settings, report)
    staging = Staging(out)
    if dataset.names:
        staging = ResumableStaging(out, checkpoint, dataset)
    _check_space(staging, dataset.counts, settings.image_size)
    for split, labels in dataset.labels.items():
        np.save(out / f"{split}_labels.npy", labels)
    arrays = _allocate_arrays(staging, dataset, settings)
    description = dataset.fill(arrays, report) or {}
    for array in arrays.values():
        array.flush()
    if raw and files.stamps(raw) != stamps:
        staging.finish(arrays)  # the next attempt must not go on from what was read
        raise DataError(f"{raw}: was changed while it was read; run again.")
    if dataset.names:
        packed.write_names(out / packed.NAMES, dataset.names["train"])
    images = arrays["train_images"]
    description |= card.describe(dataset, images[:DESCRIBED], settings)
    files.write_json(out / "data.json", description)
    card.contact_sheet(images, dataset.labels["train"]).save(out / "contact_sheet.png")
    files.write_atomic(out / "data_card.md", card.data_card(description))
    staging.finish(arrays)  # last: what fails before this goes on from here
    packed.load(out)  # what is written can be read
    report(1.0, " + ".join(f"{count:,}" for count in dataset.counts.values()) + " images")


class Staging:
    """Where arrays are written while a set is packed: in the folder of the result."""

    def __init__(self, out: Path):
        self.out = out

    def path(self, name: str) -> Path:
        """Return where the array `name` is written."""
        return self.out / f"{name}.npy"

    def finish(self, arrays) -> None:
        """Move complete arrays into the folder of the result."""


class ResumableStaging(Staging):
    """Arrays beside the checkpoint, where the next attempt finds them after an interruption.

    Arrays of an earlier attempt are removed if its images, by name and label, were others.
    """

    def __init__(self, out: Path, checkpoint: Path, dataset):
        super().__init__(out)
        self.checkpoint = checkpoint
        labels = {split: values.tolist() for split, values in dataset.labels.items()}
        text = json.dumps([dataset.names, labels])
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        self.listing = checkpoint.with_name(f"{checkpoint.stem}.listing")
        if self.listing.is_file() and files.read_text(self.listing) == digest:
            return
        for file in checkpoint.parent.glob(f"{checkpoint.stem}.*"):
            file.unlink()
        files.write_atomic(self.listing, digest)

    def path(self, name: str) -> Path:
        return self.checkpoint.with_name(f"{self.checkpoint.stem}.{name}.npy")

    def finish(self, arrays) -> None:
        for name in arrays:
            if not name.endswith("_digests"):
                shutil.move(self.path(name), self.out / f"{name}.npy")  # maybe to another disk
        for file in self.checkpoint.parent.glob(f"{self.checkpoint.stem}.*"):
            file.unlink()


def _allocate_arrays(staging: Staging, dataset, settings) -> dict[str, np.ndarray]:
    """Return memory-mapped arrays, zero or as an interrupted packing left them.

    Of each split: images uint8 [N, 3, S, S]; aspects float32 [N] with `fit: stretch`; digests uint8
    [N, 32] of a packing that resumes.
    """
    shapes = {"images": (np.uint8, (3, settings.image_size, settings.image_size))}
    if settings.fit == "stretch":
        shapes["aspects"] = (np.float32, ())
    if dataset.names:
        shapes["digests"] = (np.uint8, (32,))
    arrays = {}
    for split, count in dataset.counts.items():
        new = False
        for kind, (dtype, shape) in shapes.items():
            name = f"{split}_{kind}"
            arrays[name] = _open(staging.path(name), dtype, (count, *shape))
            if arrays[name] is None:
                new = True
                arrays[name] = _allocate(staging.path(name), dtype, (count, *shape))
        if new and dataset.names:
            arrays[f"{split}_digests"][:] = 0  # they tell of images that are not there
    return arrays


def _check_space(staging: Staging, counts: dict[str, int], side: int) -> None:
    """Refuse to begin if the disk has no room for the images that are not allocated yet."""
    new = [split for split in counts if not staging.path(f"{split}_images").exists()]
    needed = sum(3 * side * side * counts[split] for split in new)
    free = shutil.disk_usage(staging.out).free
    if needed > free:
        raise DataError(
            f"{staging.out.parent}: the images take {needed / 1e6:,.0f} MB, but "
            f"{free / 1e6:,.0f} MB are free; make room, or lower image_size or train_images."
        )


def _open(path: Path, dtype, shape: tuple[int, ...]) -> np.ndarray | None:
    """Open an array of this kind that an interrupted packing left; None if there is none."""
    with contextlib.suppress(ValueError, OSError):
        array = np.lib.format.open_memmap(path, "r+")
        if (array.dtype, array.shape) == (dtype, shape):
            return array
    return None


def _allocate(path: Path, dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Return a new memory-mapped array, zero, so that sets larger than the memory can be packed."""
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
