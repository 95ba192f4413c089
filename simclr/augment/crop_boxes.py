"""Which rectangle of an image a view shows: random crops, and evaluation's center crop."""

import torch
from torch import Tensor

ASPECT = (3 / 4, 4 / 3)  # width over height of a crop (paper A)
COVERED = 0.1  # least area of a crop: `min_object_covered` of the authors' sampler
TRIES = 100  # after which the whole image is taken


def draw_boxes(
    n: int, side: int, min_area: float, generator: torch.Generator, aspects: Tensor | None = None
) -> Tensor:
    """Draw n crops (y, x, h, w) of a square image, int64 [n, 4], as the authors' sampler does.

    TensorFlow's `sample_distorted_bounding_box`: the aspect ratio is uniform in ASPECT, then the
    height is a uniform integer between those that give `min_area` and 1 at that ratio (so area is
    not uniform, unlike the paper's wording); a box of less than COVERED is drawn again; a box
    smaller than the image never touches its lower or right border. aspects: float32 [n], width
    over height of what was squeezed into the square. A crop's aspect ratio is then that of what it
    shows, not that of its box.
    """
    boxes = torch.tensor([0, 0, side, side]).repeat(n, 1)
    pending = torch.arange(n)
    for _ in range(TRIES):
        if not len(pending):
            break
        chance = torch.rand(4, len(pending), generator=generator, dtype=torch.float64)
        aspect = ASPECT[0] + chance[0] * (ASPECT[1] - ASPECT[0])
        if aspects is not None:
            aspect = aspect / aspects[pending]
        height = side * aspect.rsqrt()  # of a box with the whole area; sqrt() would start threads
        tallest = height.round().minimum(((side + 0.5 - 1e-7) / aspect).floor())
        tallest = tallest.clamp(max=side)
        shortest = (min_area**0.5 * height).round().minimum(tallest)
        h = shortest + (chance[1] * (tallest - shortest + 1)).floor()
        w = (h * aspect).round()
        h = torch.where(w * h < min_area * side**2, h + 1, h)  # as rounding can make it too small
        w = (h * aspect).round()
        area = w * h / side**2
        good = (h <= side) & (w <= side) & (area >= max(min_area, COVERED)) & (area <= 1)
        y, x = ((chance[k] * (side - size)).floor() for k, size in ((2, h), (3, w)))
        boxes[pending[good]] = torch.stack([y, x, h, w], 1)[good].long()
        pending = pending[~good]
    return boxes


def center_boxes(n: int, side: int, stored: int, aspects: Tensor | None = None) -> Tensor:
    """Return evaluation's boxes: the central `side` pixels of an image with short side `stored`.

    int64 [n, 4] (y, x, h, w), within the stored square; aspects as in `draw_boxes`. 224 of 256
    pixels give the paper's central crop (B.6).
    """
    aspects = torch.ones(n) if aspects is None else aspects
    h = (side * aspects.clamp(max=1)).round().clamp(min=1)
    w = (side / aspects.clamp(min=1)).round().clamp(min=1)
    return torch.stack([((stored - h) / 2).floor(), ((stored - w) / 2).floor(), h, w], 1).long()
