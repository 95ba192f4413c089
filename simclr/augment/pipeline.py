"""Views: random transformations of images, with parameters drawn for every image (paper 2.1, A).

Drawing and making are apart. `draw` takes every random number from an explicit generator on the
CPU, so that a view depends on nothing but the generator's seed; `make` computes, on the device of
the images. `join` puts the draws of several steps together, to be made in one go. How images are
grouped inside `make` changes no bit of the result.

Order of operators is the order in the settings. Only a crop leaves [0, 1] (bicubic overshoot); as
in the authors' code it does so through flip and colour, which clips after each of its operations,
and is clipped before any other operator and at the end.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from simclr.augment import functional
from simclr.augment.crop_boxes import center_boxes, draw_boxes
from simclr.settings import Views

ORDERS = torch.tensor(list(itertools.permutations(range(4))))  # of colour's operations
BROAD = 0.2  # probability of each operation of `broad`; the paper (B.2) gives none
CARRY_OVERSHOOT = ("flip", "color")
CHUNK = 2**19  # floats worked on at a time on a CPU: they stay in its cache


def draw(
    settings: Views,
    n: int,
    side: int,
    generator: torch.Generator,
    branches: int = 2,
    batch_size: int = 0,
    stored: int = 0,
    aspects: Tensor | None = None,
) -> dict[str, Tensor]:
    """Draw what makes views of n images of `side` pixels: tensors [branches, n, ...], on the CPU.

    In asymmetric mode (Fig. 5) the draws of the second branch exist but are not used. batch_size:
    images of a batch (0: all n), for what is drawn once a batch. stored: side of the images if it
    is another than the views'; aspects: float32 [n], width over height of what the images show, if
    they are squeezed into a square. What first cuts a view out of an image (the base crop, a crop,
    else the centre that evaluation shows) goes by these two.
    """
    shape = (branches, n)
    cut = {"side": stored or side, "aspects": aspects}  # what the next cut is made of
    squared = {"side": side, "aspects": None}

    def uniform(low, high):
        return torch.rand(shape, generator=generator) * (high - low) + low

    def happens(probability):
        return torch.rand(shape, generator=generator) < probability

    def integer(count, *more):
        return torch.randint(count, (*shape, *more), generator=generator)

    drawn = {"branch": torch.arange(branches)[:, None].expand(shape)}
    if settings.base_crop:
        boxes = draw_boxes(n, min_area=settings.min_area, generator=generator, **cut)
        drawn["base"], cut = boxes.expand(*shape, 4), squared
    elif cut != squared and (settings.asymmetric or settings.operators[:1] != ("crop",)):
        boxes = center_boxes(n, side, stored or side, aspects)
        drawn["base"], cut = boxes.expand(*shape, 4), squared
    for operator in settings.operators:
        if operator == "crop":
            if cut["aspects"] is not None:
                cut["aspects"] = aspects.repeat(branches)
            boxes = draw_boxes(branches * n, min_area=settings.min_area, generator=generator, **cut)
            drawn["crop"] = boxes.view(*shape, 4)
        elif operator == "flip":
            drawn["flip"] = happens(0.5)
        elif operator == "color":
            reach = 0.8 * settings.color_strength
            drawn["jitter"] = happens(0.8)
            drawn["order"] = integer(len(ORDERS))
            if settings.brightness == "additive":
                drawn["brightness"] = uniform(-reach, reach)
            else:
                drawn["brightness"] = uniform(max(0, 1 - reach), 1 + reach)
            drawn["contrast"] = uniform(max(0, 1 - reach), 1 + reach)
            drawn["saturation"] = uniform(max(0, 1 - reach), 1 + reach)
            drawn["hue"] = uniform(-reach / 4, reach / 4)
            drawn["gray"] = happens(0.2)
        elif operator == "blur":
            drawn["blur"] = happens(settings.blur_probability)
            if settings.blur_sigma == "batch":
                each = -(-n // (batch_size or n))
                sigma = torch.rand(branches, each, generator=generator) * 1.9 + 0.1
                drawn["blur_sigma"] = sigma.repeat_interleave(batch_size or n, 1)[:, :n]
            else:
                drawn["blur_sigma"] = uniform(0.1, 2.0)
        elif operator == "cutout":
            drawn["cutout"] = integer(side - side // 2 + 1, 2)
        elif operator == "sobel" and settings.gate < 1:
            drawn["sobel"] = happens(settings.gate)
        elif operator == "noise":
            drawn["noise"] = uniform(0.0, settings.noise_sigma)
            if settings.gate < 1:
                drawn["noise"] *= happens(settings.gate)
            drawn["noise_field"] = torch.randn(*shape, 3, side, side, generator=generator)
        elif operator == "rotate":
            drawn["rotate"] = 1 + integer(3)
        elif operator == "autoaugment":
            from simclr.augment import autoaugment  # imports torchvision, which takes a second

            drawn["policy"] = autoaugment.draw(settings.policy, shape, generator)
        elif operator == "broad":
            drawn["broad"] = torch.rand(*shape, 4, generator=generator) < BROAD
            drawn["direction"] = integer(4)
    return drawn


def join(draws: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Put the draws of several batches together: the views of their images, one after another."""
    return {name: torch.cat([drawn[name] for drawn in draws], 1) for name in draws[0]}


def make(images: Tensor, drawn: dict[str, Tensor], settings: Views, side: int = 0) -> Tensor:
    """Make views float32 [branches, n, 3, S, S] in [0, 1] of images uint8 [n, 3, S, S].

    `drawn` is what `draw` returned for the same settings, n and S. Views are made where the images
    are. In asymmetric mode the second branch is the image itself, or its base crop. side: S of the
    views, if it is another than the images'.
    """
    branches, side = drawn["branch"].shape[0], side or images.shape[-1]
    out = torch.empty(branches, *images.shape[:2], side, side, device=images.device)
    if settings.asymmetric and branches == 2:
        augmented = {name: value[:1] for name, value in drawn.items()}
        plain = {name: drawn[name][1:] for name in ("branch", "base") if name in drawn}
        _make_branches(images, augmented, settings.operators, settings, out[:1])
        _make_branches(images, plain, (), settings, out[1:])
    else:
        _make_branches(images, drawn, settings.operators, settings, out)
    return out


def _make_branches(images, drawn, names, settings, out):
    """Write views of all branches to out [branches, n, 3, S, S], a chunk of images at a time."""
    branches, n, _, side, _ = out.shape
    out = out.flatten(0, 1)
    drawn = {name: value.flatten(0, 1) for name, value in drawn.items()}
    # Images with the same order of colour operations stand together, so that each operation
    # works on slices. The order is undone when the views are written.
    if "color" in names:
        rank = torch.where(drawn["jitter"], drawn["order"], len(ORDERS)).sort(stable=True).indices
    else:
        rank = torch.arange(branches * n)
    threads = torch.get_num_threads() if out.device.type == "cpu" else 1
    per_chunk = max(1, CHUNK // images[0].numel()) if out.device.type == "cpu" else len(rank)
    per_chunk = min(per_chunk, -(-len(rank) // threads))

    def make_chunk(chosen):
        values = {name: value[chosen] for name, value in drawn.items()}
        there = chosen.to(out.device, non_blocking=True)
        pixels = images.index_select(0, there % n)
        # Channel planes lie apart in memory, [3, m, S, S], as colour and crops want them.
        x = out.new_empty(3, len(pixels), *pixels.shape[2:]).transpose(0, 1)
        x.copy_(pixels).div_(255)
        out.index_copy_(0, there, transform(x, values, names, settings, side))

    chunks = rank.split(per_chunk)
    if threads == 1:
        for chosen in chunks:
            make_chunk(chosen)
        return
    # Tensors of a chunk are too small to be shared among threads with profit; chunks are not.
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(make_chunk, chunks))
    finally:
        torch.set_num_threads(threads)


def transform(
    x: Tensor, drawn: dict[str, Tensor], names: tuple, settings: Views, side: int = 0
) -> Tensor:
    """Apply operators `names` to float images [m, 3, S, S], which it may overwrite.

    drawn: the parameters of these images, tensors [m, ...] on the CPU; side: of the views made,
    if it is another than that of the images.
    """
    side, device = side or x.shape[3], x.device

    def there(name):
        return drawn[name].to(device, non_blocking=True)

    def which(mask):  # found on the CPU, so that no device has to wait
        return mask.nonzero()[:, 0].to(device, non_blocking=True)

    overshoots = False
    if "base" in drawn:
        x = functional.crop_resize(x, there("base"), side)
        overshoots = True
    for name in names:
        if overshoots and name not in CARRY_OVERSHOOT:
            x.clamp_(0, 1)
            overshoots = False
        if name == "crop":
            x = functional.crop_resize(x, there("crop"), side)
            overshoots = True
        elif name == "flip":
            functional.flip_(x, which(drawn["flip"]))
        elif name == "color":
            _jitter_(x, drawn, settings)
            functional.gray_(x, which(drawn["gray"]))
        elif name == "blur" and (radius := settings.blur_radius or functional.blur_radius(side)):
            chosen = which(drawn["blur"])
            sigma = drawn["blur_sigma"][drawn["blur"]].to(device, non_blocking=True)
            x[chosen] = functional.blur(x[chosen], sigma, radius)
        elif name == "cutout":
            x = functional.cutout(x, there("cutout"))
        elif name == "sobel" and "sobel" in drawn:
            chosen = which(drawn["sobel"])
            x[chosen] = functional.sobel(x[chosen])
        elif name == "sobel":
            x = functional.sobel(x)
        elif name == "noise":
            functional.add_noise_(x, there("noise"), there("noise_field")).clamp_(0, 1)
        elif name == "rotate":
            for turns in (1, 2, 3):
                functional.rotate_(x, which(drawn["rotate"] == turns), turns)
        elif name == "autoaugment":
            from simclr.augment import autoaugment

            x = autoaugment.apply(x, drawn["policy"], settings.policy)
        elif name == "broad":
            _broaden_(x, *(which(drawn["broad"][:, kind]) for kind in range(3)))
            for direction in range(4):
                chosen = which(drawn["broad"][:, 3] & (drawn["direction"] == direction))
                x[chosen] = functional.motion_blur(x[chosen], direction)
    return x.clamp_(0, 1)


def _broaden_(x, edges, equal, inverted):
    """Sobel, equalize and solarize the images of these indices."""
    from torchvision.transforms.v2.functional import equalize  # takes a second to import

    x[edges] = functional.sobel(x[edges])
    if len(equal):
        x[equal] = equalize((x[equal] * 255).round().to(torch.uint8)).float() / 255
    some = x[inverted]
    x[inverted] = torch.where(some < 0.5, some, 1 - some)


def _jitter_(x, drawn, settings):
    """Brightness, contrast, saturation, hue, in each image's own order, clipped after each."""
    if settings.brightness == "additive":
        brightness_ = functional.add_brightness_
    else:
        brightness_ = functional.scale_brightness_
    operations = (brightness_, functional.contrast_, functional.saturation_, functional.hue_)
    names = ("brightness", "contrast", "saturation", "hue")
    factors = [drawn[name].to(x.device, non_blocking=True) for name in names]
    orders = ORDERS[drawn["order"]]  # [m, 4]
    orders[~drawn["jitter"]] = -1
    for place in range(4):
        start = 0
        kinds, counts = torch.unique_consecutive(orders[:, place], return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            stop = start + count
            if kind >= 0:
                operations[kind](x[start:stop], factors[kind][start:stop]).clamp_(0, 1)
            start = stop
