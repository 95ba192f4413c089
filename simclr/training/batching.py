"""Batches of views for one epoch of training.

An epoch's steps are grouped twice, because at 16x16 pixels calls cost more than arithmetic:

* a draw: one generator draws the parameters of up to DRAW_IMAGES images, at least one step's, so a
  change of DRAW_IMAGES changes results;
* a chunk: the views of one or more draws are made in one go. Its size changes no bit.
"""

from simclr.augment import pipeline
from simclr.data import image_store
from simclr.rng import generator
from simclr.training.order import epoch_order, steps_per_epoch

DRAW_IMAGES = 1024
VIEW_FLOATS = {"cpu": 2**22, "cuda": 2**27}  # of a chunk: 16 MiB of views, 512 MiB on a GPU


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
    steps = steps_per_epoch(len(images), batch_size)
    order = epoch_order(seed, epoch, len(images))[: steps * batch_size].view(steps, batch_size)

    # Steps of each chunk, from the first step of the draw that `start` belongs to.
    draw_steps, chunk_steps = per_draw(batch_size), per_chunk(images, batch_size, branches)
    first = start - start % draw_steps
    chunks = [range(k, min(k + chunk_steps, steps)) for k in range(first, steps, chunk_steps)]
    indices = [order[chunk.start : chunk.stop, part].flatten() for chunk in chunks]

    for chunk, index, stored in zip(chunks, indices, images.prefetch(indices), strict=True):
        draws = []
        for step in chunk[::draw_steps]:
            rows = order[step : min(step + draw_steps, chunk.stop)].flatten()
            drawn = pipeline.draw(
                settings,
                n=len(rows),
                side=images.side,
                generator=generator(seed, "views", epoch, step),
                branches=branches,
                batch_size=batch_size,
                stored=images.stored_side,
                aspects=images.aspects_of(rows),
            )
            if local_n < batch_size:  # draws are for whole batches, of which this is a part
                drawn = {
                    name: value.unflatten(1, (-1, batch_size))[:, :, part].flatten(1, 2)
                    for name, value in drawn.items()
                }
            draws.append(drawn)
        views = pipeline.make(stored, pipeline.join(draws), settings, images.side)
        on_device = index.to(images.device, non_blocking=True)
        batches = zip(chunk, views.split(local_n, 1), on_device.split(local_n), strict=True)
        for step, x, image_index in batches:
            if step >= start:
                yield step, x, image_index


def per_draw(batch_size: int) -> int:
    """Number of steps that one generator draws for."""
    return max(1, DRAW_IMAGES // batch_size)


def per_chunk(images: image_store.ImageStore, batch_size: int, branches: int) -> int:
    """Number of steps whose views are made in one go, a multiple of `per_draw`."""
    steps = per_draw(batch_size)
    floats = branches * steps * batch_size * 3 * images.side**2  # of one draw's views
    return max(1, VIEW_FLOATS[images.device.type] // floats) * steps
