"""Views: random transformations of images, with parameters drawn for every image (paper 2.1, A).

Views are drawn and made in two steps. `draw` takes every random number from an explicit generator
on the CPU, so that a view depends only on the generator's seed; `make` computes, on the device of
the images. `join` concatenates the draws of several steps, to make their views in one go. How
`make` groups images changes no bit of the result.

Operators are applied in the order of the settings. Only a crop leaves [0, 1] (bicubic overshoot).
As in the authors' code, flip and color take such values, and color clips after each of its
operations; before any other operator and at the end, images are clipped.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch import Tensor

from simclr.augment import functional
from simclr.augment.crop_boxes import center_boxes, draw_boxes
from simclr.augment.operators import COLOR_ORDERS, OPERATORS, Draws
from simclr.settings.training import Views

CACHE_FLOATS = 2**19  # of images worked on at a time on a CPU, so that they stay in its cache
# For stages whose own settings say only some of these: a default is no part of a key.
STATED = Views(
    operators=(),
    asymmetric=False,
    base_crop=False,
    min_area=0.08,
    color_strength=1.0,
    brightness="additive",
    blur_probability=0.5,
    blur_radius=0,
    blur_sigma="image",
    noise_sigma=0.2,
    gate=1.0,
    policy="cifar10",
)


def draw(
    settings: Views,
    n: int,
    side: int,
    generator: torch.Generator,
    *,
    branches: int = 2,
    batch_size: int = 0,
    stored: int = 0,
    aspects: Tensor | None = None,
) -> dict[str, Tensor]:
    """Draw what makes views of n images of `side` pixels: tensors [branches, n, ...], on the CPU.

    In asymmetric mode (Fig. 5) the second branch is drawn too, but not used. batch_size: images
    of a batch, for what is drawn once a batch (0: all n are one). stored: side of the images, if
    it is not the views'. aspects: float32 [n], width over height of what the images show, if they
    were squeezed into a square. The first cut (the base crop, a crop, or else the center that
    evaluation shows) depends on these two; what follows sees a square of `side`.
    """
    stored = stored or side
    draws = Draws(
        generator=generator,
        branches=branches,
        n=n,
        batch_size=batch_size or n,
        source_side=stored,
        aspects=aspects,
    )
    # Carries the shape too, where nothing else is drawn.
    drawn = {"branch": torch.arange(branches)[:, None].expand(draws.shape)}
    needs_cut = stored != side or aspects is not None
    base = None  # boxes [n, 4] of a cut that all branches share
    if settings.base_crop:
        base = draw_boxes(
            n, side=stored, min_area=settings.min_area, generator=generator, aspects=aspects
        )
    elif needs_cut and (settings.asymmetric or settings.operators[:1] != ("crop",)):
        base = center_boxes(n, side, stored, aspects)
    if base is not None:
        drawn["base"] = base.expand(*draws.shape, 4)
        draws = replace(draws, source_side=side, aspects=None)
    for name in settings.operators:
        drawn |= OPERATORS[name](settings, side).draw(draws)
    return drawn


def join(draws: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Concatenate the draws of several batches, along their images."""
    return {name: torch.cat([drawn[name] for drawn in draws], 1) for name in draws[0]}


def make(images: Tensor, drawn: dict[str, Tensor], settings: Views, side: int = 0) -> Tensor:
    """Make views float32 [branches, n, 3, S, S] in [0, 1] of images uint8 [n, 3, S, S].

    `drawn` is what `draw` returned for the same settings, n and S. Views are made where the images
    are. In asymmetric mode the second branch is the image itself, or its base crop. side: S of the
    views, if it is not the images'.
    """
    branches, side = drawn["branch"].shape[0], side or images.shape[-1]
    out = torch.empty(branches, *images.shape[:2], side, side, device=images.device)
    if settings.asymmetric and branches == 2:
        augmented = {name: value[:1] for name, value in drawn.items()}
        plain = {name: drawn[name][1:] for name in ("branch", "base") if name in drawn}
        _make_branches(images, augmented, settings, out[:1])
        _make_branches(images, plain, replace(settings, operators=()), out[1:])
    else:
        _make_branches(images, drawn, settings, out)
    return out


def _make_branches(images, drawn, settings, out):
    """Write views of all branches to out [branches, n, 3, S, S], a chunk of images at a time."""
    branches, n, _, side, _ = out.shape
    out = out.flatten(0, 1)
    drawn = {name: value.flatten(0, 1) for name, value in drawn.items()}
    # Images with the same order of color operations stand together, so that each operation
    # works on slices. The order is undone when the views are written.
    if "color" in settings.operators:
        group = torch.where(drawn["jitter"], drawn["order"], len(COLOR_ORDERS))
        rank = group.sort(stable=True).indices
    else:
        rank = torch.arange(branches * n)
    threads = torch.get_num_threads() if out.device.type == "cpu" else 1
    per_chunk = max(1, CACHE_FLOATS // images[0].numel()) if out.device.type == "cpu" else len(rank)
    per_chunk = min(per_chunk, -(-len(rank) // threads))

    def make_chunk(chosen):
        values = {name: value[chosen] for name, value in drawn.items()}
        index = chosen.to(out.device, non_blocking=True)
        pixels = images.index_select(0, index % n)
        # Channel planes lie apart in memory, [3, m, S, S], as color and crops want them.
        x = out.new_empty(3, len(pixels), *pixels.shape[2:]).transpose(0, 1)
        x.copy_(pixels).div_(255)
        out.index_copy_(0, index, transform(x, values, settings, side))

    chunks = rank.split(per_chunk)
    if threads == 1:
        for chosen in chunks:
            make_chunk(chosen)
        return
    # The tensors of a chunk are too small to be worth several threads; so each has its own chunks.
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(make_chunk, chunks))
    finally:
        torch.set_num_threads(threads)


def transform(x: Tensor, drawn: dict[str, Tensor], settings: Views, side: int = 0) -> Tensor:
    """Apply the operators of the settings to float images [m, 3, S, S], which it may overwrite.

    drawn: the parameters of these images, tensors [m, ...] on the CPU. side: of the views made,
    if it is not that of the images.
    """
    side = side or x.shape[3]
    overshoots = False
    if "base" in drawn:
        x = functional.crop_resize(x, drawn["base"].to(x.device, non_blocking=True), side)
        overshoots = True
    for name in settings.operators:
        operator = OPERATORS[name](settings, side)
        if overshoots and not operator.accepts_overshoot:
            x.clamp_(0, 1)
            overshoots = False
        x = operator.apply(x, drawn)
        overshoots |= operator.overshoots
    return x.clamp_(0, 1)
