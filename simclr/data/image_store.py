"""Images of a split, as training and evaluation read them: from the device or from the disk.

A set that fits is copied to the device once. A larger one stays on the disk, memory-mapped: a
thread reads the images of the next steps while the device computes. No bit of a view depends on
which it is.

Stored images are square. In a set packed with `fit: stretch` they show whole images of other
shapes, squeezed; `aspects` (width over height) give the original shapes for crops and evaluation.
So every image takes the same number of bytes, and a crop of the paper's sizes is one rectangle.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from simclr.augment import crop_boxes, functional
from simclr.config import ConfigError
from simclr.splits import splits_of

RESIDENT_MIB = "SIMCLR_RESIDENT_MIB"  # environment: images up to this are copied to the device
# Without it: the fraction of a GPU's free memory, or of all of the CPU's, that images may take.
RESIDENT_FRACTION = {"cuda": 0.5, "cpu": 0.1}
READERS = 4  # threads that read one batch: copying from the page cache is limited by one core


class ImageStore:
    """Images uint8 [N, 3, S, S], from which views of `side` pixels are made.

    stored: a tensor on the device, a memory-mapped array, or Joined. rows: which rows of a
    memory-mapped array count, int64 [N] (None: all). aspects: float32 [N] of the images, on the CPU
    (None: all are squares).
    """

    def __init__(self, stored, device: torch.device, side: int = 0, aspects=None, rows=None):
        self.stored, self.device, self.rows = stored, device, rows
        self.side, self.aspects = side or stored.shape[-1], aspects

    def __len__(self) -> int:
        return len(self.stored) if self.rows is None else len(self.rows)

    @property
    def stored_side(self) -> int:
        """Pixels of a side of the stored images."""
        return self.stored.shape[-1]

    def aspects_of(self, index: Tensor) -> Tensor | None:
        """Return width over height of images `index`; None if all images are squares."""
        return None if self.aspects is None else self.aspects[index]

    def on_device(self, index: Tensor) -> Tensor:
        """Return images `index` (int64 [n], on the CPU) as uint8 [n, 3, S, S] on the device."""
        if isinstance(self.stored, Tensor):
            return self.stored[index.to(self.device, non_blocking=True)]
        return self._read(index).to(self.device, non_blocking=True)

    def prefetch(self, indices):
        """Yield `on_device(index)` for each of `indices`; reads the next while one is in use."""
        if isinstance(self.stored, Tensor):
            yield from map(self.on_device, indices)
            return
        with ThreadPoolExecutor(1) as pool:
            pending = None
            for index in indices:
                following = pool.submit(self._read, index)
                if pending is not None:
                    yield pending.result().to(self.device, non_blocking=True)
                pending = following
            if pending is not None:
                yield pending.result().to(self.device, non_blocking=True)

    def eval_views(self, index: Tensor, images: Tensor) -> Tensor:
        """Return what evaluation shows of the images `index`: floats [n, 3, side, side] in [0, 1].

        images: what `on_device` returns for them. The view is the central crop.
        """
        x = images.float() / 255
        if self.side == self.stored_side and self.aspects is None:
            return x
        boxes = crop_boxes.center_boxes(len(x), self.side, self.stored_side, self.aspects_of(index))
        return functional.crop_resize(x, boxes.to(x.device), self.side).clamp_(0, 1)

    def eval_image(self, index: int) -> np.ndarray:
        """Return one image as evaluation shows it, uint8 [3, side, side]."""
        number = torch.tensor([int(index)])
        view = self.eval_views(number, self.on_device(number))
        return (view * 255).round().byte()[0].cpu().numpy()

    def eval_images(self) -> Tensor:
        """Return all images as evaluation shows them, uint8 [N, 3, side, side], on the CPU."""
        return torch.from_numpy(np.stack([self.eval_image(k) for k in range(len(self))]))

    def _read(self, index: Tensor) -> Tensor:
        """Read images `index` from the disk: uint8 [n, 3, S, S] on the CPU."""
        rows = (index if self.rows is None else self.rows[index]).numpy()
        pinned = self.device.type == "cuda"  # or the copy to the device would wait
        batch = torch.empty(
            (len(rows), *self.stored.shape[1:]), dtype=torch.uint8, pin_memory=pinned
        )
        target = batch.numpy()

        def read(part: range) -> None:
            for k in part:
                target[k] = self.stored[rows[k]]

        step = -(-len(rows) // READERS) or 1
        parts = [range(k, min(k + step, len(rows))) for k in range(0, len(rows), step)]
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(read, parts))
        return batch


class Joined:
    """Images of two memory-mapped arrays, one after the other, read by row; nothing is copied."""

    def __init__(self, first: np.ndarray, second: np.ndarray):
        self.first, self.second = first, second
        self.shape = (len(first) + len(second), *first.shape[1:])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        count = len(self.first)
        return self.first[row] if row < count else self.second[row - count]


def open_split(data, split: str, device: torch.device, rows: Tensor | None = None) -> ImageStore:
    """Open the images of a split of a packed set (packed.PackedSet), or its `rows` (int64 [N]).

    split: `train`, `test`, `unlabelled`, or `both`: `train`, then `unlabelled` (without `rows`).
    Raises ConfigError if the set has no such images.
    """
    names = splits_of(split)
    arrays = [getattr(data, f"{name}_images") for name in names]
    aspects = [getattr(data, f"{name}_aspects") for name in names]
    if arrays[-1] is None:
        raise ConfigError(
            f"images: '{split}', but the data set has only images with labels; set "
            "`unlabelled: true` for stage prepare."
        )
    aspects = None if aspects[0] is None else torch.from_numpy(np.concatenate(aspects))
    if aspects is not None and rows is not None:
        aspects = aspects[rows]
    stored = Joined(*arrays) if len(arrays) == 2 else arrays[0]
    count = len(stored) if rows is None else len(rows)
    if count * stored[0].nbytes > _resident_bytes(device):
        return ImageStore(stored, device, data.view_size, aspects, rows)
    chosen = np.concatenate(arrays) if rows is None else stored[rows.numpy()]
    resident = torch.from_numpy(np.asarray(chosen)).to(device)
    return ImageStore(resident, device, data.view_size, aspects)


def as_store(images: ImageStore | Tensor) -> ImageStore:
    """Return a store as it is, and a tensor uint8 [N, 3, S, S] as a store on its device."""
    return images if isinstance(images, ImageStore) else ImageStore(images, images.device)


def _resident_bytes(device: torch.device) -> float:
    """Return how many bytes of images may be copied to the device. Raises ConfigError."""
    text = os.environ.get(RESIDENT_MIB)
    if text is not None:
        if not text.isdecimal():
            raise ConfigError(f"{RESIDENT_MIB}: expected a number of MiB, got {text!r}.")
        return int(text) * 2.0**20
    if device.type == "cuda":
        return RESIDENT_FRACTION["cuda"] * torch.cuda.mem_get_info(device)[0]
    return RESIDENT_FRACTION["cpu"] * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
