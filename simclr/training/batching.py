"""Batches of views for one epoch of training.

An epoch's steps are grouped twice, because at 16x16 pixels calls cost more than arithmetic:

* one generator draws the parameters of up to DRAW_IMAGES images (at least one step's), so that a
  change of DRAW_IMAGES changes results;
* a `Chunk` is one or more such draws whose views are made in one go. Its size changes no bit.
"""

from dataclasses import dataclass

from torch import Tensor

from simclr.augment import pipeline
from simclr.data import image_store
from simclr.rng import generator
from simclr.training.order import epoch_order, steps_per_epoch

DRAW_IMAGES = 1024
VIEW_FLOATS = {"cpu": 2**22, "cuda": 2**27}  # of a chunk: 16 MiB of views, 512 MiB on a GPU


@dataclass(frozen=True)
class Chunk:
    """Steps `first` to `stop` - 1 of an epoch; index: their images, int64 [steps * batch_size]."""

    first: int
    stop: int
    index: Tensor


def epoch_batches(
    images,
    settings,
    *,
    seed: int,
    batch_size: int,
    epoch: int,
    branches: int,
    start: int = 0,
    part: slice | None = None,
):
    """Yield (step, views [branches, B, 3, S, S], indices [B] of their images) for one epoch.

    images: an ImageStore, or uint8 [N, 3, S, S] on the device where views are made; settings: a
    Views. Every epoch has a new order of images; those that do not fill a batch are left out.
    start: the first step to yield; part: the slice of each batch to make (None: all), which
    changes no bit of its views.
    """
    images = image_store.as_store(images)
    part = part or slice(0, batch_size)
    local_n = part.stop - part.start
    chunks = epoch_chunks(
        images, seed=seed, batch_size=batch_size, epoch=epoch, branches=branches, start=start
    )
    local_index = [chunk.index.view(-1, batch_size)[:, part].flatten() for chunk in chunks]
    for chunk, index, batch in zip(chunks, local_index, images.prefetch(local_index), strict=True):
        drawn = draw_chunk(
            images,
            settings,
            chunk,
            seed=seed,
            batch_size=batch_size,
            epoch=epoch,
            branches=branches,
        )
        if local_n < batch_size:  # every rank draws for the whole batch and keeps its part
            drawn = {
                name: value.unflatten(1, (-1, batch_size))[:, :, part].flatten(1, 2)
                for name, value in drawn.items()
            }
        views = pipeline.make(batch, drawn, settings, images.side).split(local_n, 1)
        indices = index.to(images.device, non_blocking=True).split(local_n)
        steps = range(chunk.first, chunk.stop)
        for step, x, image_index in zip(steps, views, indices, strict=True):
            if step >= start:
                yield step, x, image_index


def epoch_chunks(
    images, *, seed: int, batch_size: int, epoch: int, branches: int, start: int
) -> list[Chunk]:
    """Return the chunks of an epoch, from the draw that has step `start` on."""
    steps, order = steps_per_epoch(len(images), batch_size), epoch_order(seed, epoch, len(images))
    size, first = per_chunk(images, batch_size, branches), start - start % per_draw(batch_size)
    chunks = []
    for step in range(first, steps, size):
        stop = min(step + size, steps)
        chunks.append(Chunk(step, stop, order[step * batch_size : stop * batch_size]))
    return chunks


def draw_chunk(
    images, settings, chunk: Chunk, *, seed: int, batch_size: int, epoch: int, branches: int
) -> dict[str, Tensor]:
    """Draw the parameters of a chunk's views; each draw has the generator of its first step."""
    size = per_draw(batch_size)
    draws = []
    draw_index = chunk.index.split(size * batch_size)
    for step, index in zip(range(chunk.first, chunk.stop, size), draw_index, strict=True):
        draws.append(
            pipeline.draw(
                settings,
                n=len(index),
                side=images.side,
                generator=generator(seed, "views", epoch, step),
                branches=branches,
                batch_size=batch_size,
                stored=images.stored_side,
                aspects=images.aspects_of(index),
            )
        )
    return pipeline.join(draws)


def per_draw(batch_size: int) -> int:
    """Number of steps that one generator draws for."""
    return max(1, DRAW_IMAGES // batch_size)


def per_chunk(images: image_store.ImageStore, batch_size: int, branches: int) -> int:
    """Number of steps whose views are made in one go, a multiple of `per_draw`."""
    steps = per_draw(batch_size)
    floats = branches * steps * batch_size * 3 * images.side**2  # of one draw's views
    return max(1, VIEW_FLOATS[images.device.type] // floats) * steps
