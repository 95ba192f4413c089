"""Images of a split as training and evaluation read them: from the device, or from the disk.

A set that fits is copied to the device once. A larger one stays where it is, memory-mapped: the
images of the next steps are read by a thread while the device computes those before. No bit of a
view depends on which it is.

Stored images are square. Those of a set packed with `fit: stretch` show the whole of an image of
another shape; `aspects` (width over height) then say its shape, for crops and for evaluation. So
every image takes the same bytes, and a crop of the paper's sizes is still one rectangle.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from simclr.augment import crop_boxes, functional
from simclr.config import ConfigError

RESIDENT_MIB = "SIMCLR_RESIDENT_MIB"  # environment: images up to this are copied to the device
SHARE = {"cuda": 0.5, "cpu": 0.1}  # of free GPU memory, of all of the CPU's; where it is not set
READERS = 4  # threads that read one piece: copying from the page cache is limited by one core


class ImageStore:
    """Images uint8 [N, 3, S, S], made into views of `side` pixels.

    stored: a tensor on the device, or a memory-mapped array; rows: those of `stored` that count,
    int64 [N] (None: all); aspects: float32 [N] of these, on the CPU (None: 1).
    """

    def __init__(self, stored, device, side: int = 0, aspects=None, rows=None):
        self.stored, self.device, self.rows = stored, device, rows
        self.side, self.aspects = side or stored.shape[-1], aspects

    def __len__(self) -> int:
        return len(self.stored) if self.rows is None else len(self.rows)

    @property
    def stored_side(self) -> int:
        return self.stored.shape[-1]

    def aspects_of(self, index: Tensor) -> Tensor | None:
        """Width over height of images `index`; None where all are squares."""
        return None if self.aspects is None else self.aspects[index]

    def shown(self, index: Tensor, images: Tensor) -> Tensor:
        """What evaluation shows of `images`, those of `index`: floats [n, 3, side, side]."""
        x = images.float() / 255
        if self.side == self.stored_side and self.aspects is None:
            return x
        boxes = crop_boxes.center_boxes(len(x), self.side, self.stored_side, self.aspects_of(index))
        return functional.crop_resize(x, boxes.to(x.device), self.side).clamp_(0, 1)

    def take(self, index: Tensor) -> Tensor:
        """Images uint8 [n, 3, S, S] on the device; index: int64 [n], on the CPU."""
        if isinstance(self.stored, Tensor):
            return self.stored[index.to(self.device, non_blocking=True)]
        return self._read(index).to(self.device, non_blocking=True)

    def _read(self, index: Tensor) -> Tensor:
        """The same from the disk, on the CPU."""
        numbers = (index if self.rows is None else self.rows[index]).numpy()
        shape = (len(numbers), *self.stored.shape[1:])
        pinned = self.device.type == "cuda"  # or the copy to the device would wait
        made = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
        target = made.numpy()

        def read(part: slice) -> None:
            for place in range(part.start, part.stop):
                target[place] = self.stored[numbers[place]]

        step = -(-len(numbers) // READERS) or 1
        parts = [slice(k, min(k + step, len(numbers))) for k in range(0, len(numbers), step)]
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(read, parts))
        return made

    def ahead(self, indices):
        """Yield what `take` gives for each of `indices`; the next is read while one is in use."""
        if isinstance(self.stored, Tensor):
            yield from map(self.take, indices)
            return
        with ThreadPoolExecutor(1) as pool:
            coming = None
            for index in indices:
                following = pool.submit(self._read, index)
                if coming is not None:
                    yield coming.result().to(self.device, non_blocking=True)
                coming = following
            if coming is not None:
                yield coming.result().to(self.device, non_blocking=True)

    def plain(self, place: int) -> np.ndarray:
        """One image as evaluation shows it, uint8 [3, side, side]."""
        index = torch.tensor([int(place)])
        return (self.shown(index, self.take(index)) * 255).round().byte()[0].cpu().numpy()


def open_split(data, split: str, device: torch.device, rows: Tensor | None = None) -> ImageStore:
    """The images of a split of a packed set (packed.PackedSet), or some `rows` (int64 [N])."""
    stored, aspects = getattr(data, f"{split}_images"), getattr(data, f"{split}_aspects")
    if aspects is not None:
        aspects = torch.from_numpy(np.array(aspects))
        aspects = aspects if rows is None else aspects[rows]
    count = len(stored) if rows is None else len(rows)
    if count * stored[0].nbytes <= _most(device):
        chosen = stored if rows is None else stored[rows.numpy()]
        kept = torch.from_numpy(np.array(chosen)).to(device)
        return ImageStore(kept, device, data.view_size, aspects)
    return ImageStore(stored, device, data.view_size, aspects, rows)


def as_store(images) -> ImageStore:
    """Pixels as they are; a tensor uint8 [N, 3, S, S] as images that are there already."""
    return images if isinstance(images, ImageStore) else ImageStore(images, images.device)


def _most(device: torch.device) -> float:
    """Bytes of images that may be copied to the device. Raises ConfigError."""
    text = os.environ.get(RESIDENT_MIB)
    if text is not None:
        if not text.isdecimal():
            raise ConfigError(f"{RESIDENT_MIB}: expected a number of MiB, got {text!r}.")
        return int(text) * 2.0**20
    if device.type == "cuda":
        return SHARE["cuda"] * torch.cuda.mem_get_info(device)[0]
    return SHARE["cpu"] * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
