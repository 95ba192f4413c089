"""Batches of an epoch: the order of images, and the views drawn for them."""

import torch
from torch import Tensor

from simclr.augment import pipeline
from simclr.config import ConfigError
from simclr.data import image_store
from simclr.rng import generator


def stored_batches(features: dict[str, Tensor], seed: int, batch_size: int, epoch: int):
    """Yield (indices [B], {name: features [B, d]}) for one epoch, in a new order."""
    some = next(iter(features.values()))
    order = epoch_order(seed, epoch, len(some)).to(some.device)
    for index in order[: len(order) // batch_size * batch_size].split(batch_size):
        yield index, {name: x[index] for name, x in features.items()}


DRAW_IMAGES = 1024  # drawn for in one go, if they are several steps' (part of what a seed means)
VIEW_FLOATS = {"cpu": 2**22, "cuda": 2**27}  # made in one go: 16 MiB of views, 512 MiB on a GPU


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Number of whole batches. Raises ConfigError where there is not one."""
    if batch_size > images:
        raise ConfigError(f"batch_size: {batch_size}, but there are only {images} training images.")
    return images // batch_size


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """Return the order of `count` images in an epoch, int64 [count], on the CPU."""
    return torch.randperm(count, generator=generator(seed, "order", epoch))


def epoch_batches(
    images,
    settings,
    seed: int,
    batch_size: int,
    epoch: int,
    branches: int,
    start: int = 0,
    part: slice | None = None,
):
    """Yield (step, views [branches, B, 3, S, S], indices [B] of their images) for one epoch.

    images: pixels.Pixels, or uint8 [N, 3, S, S] on the device where views are made; settings: how
    they are made. Every epoch has another order of the images; those that fill no batch are left
    out. Begins with step `start`. Views of several steps are made at once; see `per_chunk`. With a
    slice `part` of the batch, only those of its images; no bit of a view depends on that.
    """
    images = image_store.as_store(images)
    steps = steps_per_epoch(len(images), batch_size)
    everything = epoch_order(seed, epoch, len(images))
    block, chunk = per_draw(batch_size), per_chunk(images, batch_size, branches)
    firsts = range(start // block * block, steps, chunk)
    whole = [everything[k * batch_size : min(k + chunk, steps) * batch_size] for k in firsts]
    part = part or slice(0, batch_size)
    count = part.stop - part.start
    mine = torch.arange(chunk * batch_size).view(-1, batch_size)[:, part].flatten()
    chosen = [every[mine[: len(every) // batch_size * count]] for every in whole]
    for first, every, some, there in zip(
        firsts, whole, chosen, images.prefetch(chosen), strict=True
    ):
        end = first + len(every) // batch_size
        drawn = pipeline.join(
            [
                pipeline.draw(
                    settings,
                    (min(step + block, steps) - step) * batch_size,
                    images.side,
                    generator(seed, "views", epoch, step),
                    branches,
                    batch_size,
                    images.stored_side,
                    images.aspects_of(every[(step - first) * batch_size :][: block * batch_size]),
                )
                for step in range(first, end, block)
            ]
        )
        if count < batch_size:
            drawn = {name: value[:, mine[: len(some)]] for name, value in drawn.items()}
        made = pipeline.make(there, drawn, settings, images.side)
        index = some.to(images.device, non_blocking=True)
        several = zip(range(first, end), made.split(count, 1), index.split(count), strict=True)
        yield from (one for one in several if one[0] >= start)


def per_draw(batch_size: int) -> int:
    """For how many steps one generator draws: small batches would spend their time in calls."""
    return max(1, DRAW_IMAGES // batch_size)


def per_chunk(images: image_store.ImageStore, batch_size: int, branches: int) -> int:
    """How many steps' views are made at once, in whole draws. No bit of a view depends on it."""
    floats, block = branches * batch_size * 3 * images.side**2, per_draw(batch_size)
    return max(1, VIEW_FLOATS[images.device.type] // (floats * block)) * block
