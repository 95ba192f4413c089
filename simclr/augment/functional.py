"""Operations on batches of images, with parameters of its own for every image.

Images are float32 [n, 3, S, S] in [0, 1], any strides, any device; parameters are tensors [n] (or
as stated) on the same device. Functions named with a trailing underscore work in place; all return
the result. None clips: the caller does, where the authors' code does. The formulas are those of
the TensorFlow operations that the authors' first public code calls; the tests compare with them.
"""

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

GRAY = (0.2989, 0.587, 0.114)  # TensorFlow's luma weights
FLAT = 1e-4  # a range of pixel values below this is rounding, not an edge (uint8 step: 4e-3)


def crop_resize(x: Tensor, boxes: Tensor, side: int) -> Tensor:
    """Cut boxes int64 [n, 4] (y, x, h, w; inside the image) and resize them to [n, 3, side, side].

    Bicubic as TensorFlow 1's `resize_bicubic` (paper A): see `_bicubic_windows`. Resizing each
    axis is linear, so an image takes two small matrix products, whatever its box. May overshoot
    [0, 1]. Planes of one channel are read and written together, hence the layout of the result.
    """
    n, channels, height, width = x.shape
    y, left, h, w = boxes.unbind(1)
    # [n, side, height] and [n, width, side]; row `height - y` of the windows starts y pixels late.
    rows = _bicubic_windows(height, side, x.device)[h - 1, height - y]
    columns = _bicubic_windows(width, side, x.device)[w - 1, width - left].transpose(1, 2)
    out = x.new_empty(channels, n, side, side).transpose(0, 1)
    for c in range(channels):
        torch.bmm(torch.bmm(rows, x[:, c]), columns, out=out[:, c])
    return out


@functools.lru_cache(maxsize=8)
def _bicubic_windows(length: int, side: int, device: torch.device) -> Tensor:
    """Resampling matrices: [size - 1, length - start] is [side, length], for a box of one axis.

    Output pixel i lies at source coordinate i * size / side from the box's start (no half-pixel
    centers), takes four taps of the cubic kernel with a = -0.75, no antialiasing, repeats the
    box's last pixels beyond its ends, and rounds its offset to 1/1024 as TensorFlow's table does.
    """
    size = torch.arange(1, length + 1)[:, None]
    source = torch.arange(side, dtype=torch.float32) * (size.float() / side)  # [length, side]
    whole = source.floor()
    t = (((source - whole) * 1024).round() / 1024).double()
    distance = torch.stack([1 + t, t, 1 - t, 2 - t])  # of the four taps
    a = -0.75
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    weight = torch.where(distance <= 1, near, far).float()
    table = torch.zeros(length, side, 2 * length)
    for tap in range(4):
        index = (whole.long() + tap - 1).clamp(min=0).minimum(size - 1)
        table.scatter_add_(2, (length + index)[..., None], weight[tap][..., None])
    # Any window of `length` columns is the same matrix for a box that starts elsewhere.
    return table.to(device).unfold(2, length, 1).transpose(1, 2)


def flip_(x: Tensor, chosen: Tensor) -> Tensor:
    """Mirror images `chosen` (int64 indices) left-right, in place."""
    x[chosen] = x[chosen].flip(3)
    return x


def rotate_(x: Tensor, chosen: Tensor, turns: int) -> Tensor:
    """Rotate images `chosen` (int64 indices) by `turns` times 90 degrees to the left, in place."""
    x[chosen] = torch.rot90(x[chosen], turns, (2, 3))
    return x


def add_brightness_(x: Tensor, delta: Tensor) -> Tensor:
    """Add delta [n] (paper A, authors' first code), in place."""
    return x.add_(_per_image(delta))


def scale_brightness_(x: Tensor, factor: Tensor) -> Tensor:
    """Multiply by factor [n] (the authors' later code), in place."""
    return x.mul_(_per_image(factor))


def contrast_(x: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance from each channel's own mean by factor [n], in place."""
    mean = x.flatten(2).mean(2).unflatten(1, (-1, 1, 1))  # [n, 3, 1, 1]
    factor = _per_image(factor)
    return x.mul_(factor).add_(mean * (1 - factor))


def saturation_(x: Tensor, factor: Tensor) -> Tensor:
    """Multiply the saturation of HSV by factor [n] >= 0, at most to 1, in place.

    Value and hue stay, so each channel's distance from the largest one scales by the same ratio:
    the factor, or 1 / saturation where that is smaller.
    """
    value = x.amax(1)
    saturation_inverse = (value - x.amin(1)).clamp_(min=1e-12).reciprocal_().mul_(value)
    ratio = saturation_inverse.minimum(factor.view(-1, 1, 1)).unsqueeze(1)
    value = value.unsqueeze(1)
    return x.sub_(value).mul_(ratio).add_(value)


def hue_(x: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of HSV by turn [n], a fraction of the circle in [-1, 1], in place."""
    red, green, blue = x.unbind(1)
    value, least = x.amax(1), x.amin(1)
    chroma = value - least
    # Hue in sixths of the circle (red 0, green 2, blue 4) times chroma, from the largest channel.
    # lerp with a weight of exactly 0 or 1 selects, several times faster than torch.where.
    sixths = (red - green).add_(chroma, alpha=4)
    sixths = sixths.lerp_((blue - red).add_(chroma, alpha=2), green.clone().eq_(value))
    sixths = sixths.lerp_(green - blue, red.clone().eq_(value))
    sixths.div_(chroma.clamp(min=1e-12)).add_(turn.view(-1, 1, 1), alpha=6)
    sixths.sub_((sixths / 6).floor_().mul_(6))  # into [0, 6)
    # Each channel is least + chroma * a ramp of the distance from a hue: red |s - 3| - 1, green
    # 2 - |s - 2|, blue 2 - |s - 4|, within [0, 1].
    center, sign, offset = _hue_ramps(x.device)
    torch.sub(sixths.unsqueeze(1), center, out=x)
    x.abs_().mul_(sign).add_(offset).clamp_(0, 1)
    return x.mul_(chroma.unsqueeze(1)).add_(least.unsqueeze(1))


@functools.lru_cache(maxsize=8)
def _hue_ramps(device: torch.device) -> tuple[Tensor, ...]:
    """Center, sign and offset of the ramps of hue_, for red, green and blue: [3, 1, 1] each."""
    ramps = torch.tensor([[3.0, 2.0, 4.0], [1.0, -1.0, -1.0], [-1.0, 2.0, 2.0]], device=device)
    return ramps.view(3, 3, 1, 1).unbind(0)


def gray_(x: Tensor, chosen: Tensor) -> Tensor:
    """Replace all channels of images `chosen` (int64 indices) by their luma, in place."""
    red, green, blue = (x[chosen, c] for c in range(3))
    luma = red.mul_(GRAY[0]).add_(green.mul_(GRAY[1])).add_(blue.mul_(GRAY[2]))
    for c in range(3):
        x[chosen, c] = luma
    return x


def blur_radius(side: int) -> int:
    """Taps on each side of the center: a kernel of 10 % of the side (paper A), made odd.

    0 below 20 pixels: there, as in the authors' code, blurring does nothing.
    """
    return (side // 10) // 2


def blur(x: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Gaussian blur with sigma [n] in pixels and 2 * radius + 1 taps, zeros beyond the borders."""
    side = x.shape[3]
    offsets = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    taps = torch.exp(-(offsets**2) / (2 * sigma[:, None] ** 2))  # [n, 2 * radius + 1]
    taps = taps / taps.sum(1, keepdim=True)
    pixel = torch.arange(side, device=x.device)
    distance = (pixel[:, None] - pixel).abs()
    reach = F.pad(taps[:, radius:], (0, max(0, side - radius - 1)))  # weight at each distance
    band = reach[:, distance]  # [n, side, side], symmetric: serves rows and columns
    out = x.new_empty(x.shape[1], x.shape[0], side, side).transpose(0, 1)
    for c in range(x.shape[1]):
        torch.bmm(torch.bmm(band, x[:, c]), band, out=out[:, c])
    return out


def motion_blur(x: Tensor, direction: int) -> Tensor:
    """The mean along a line of about a tenth of the side, three pixels at least (paper B.2).

    direction: 0 along rows, 1 and 3 along the diagonals, 2 along columns. Borders are repeated.
    """
    side = x.shape[3]
    radius = max(1, side // 20)
    down, right = ((0, 1), (1, 1), (1, 0), (1, -1))[direction]
    padded = F.pad(x, (radius,) * 4, mode="replicate")
    total = torch.zeros_like(x)
    for step in range(-radius, radius + 1):
        top, left = radius + step * down, radius + step * right
        total += padded[..., top : top + side, left : left + side]
    return total / (2 * radius + 1)


def cutout(x: Tensor, corners: Tensor) -> Tensor:
    """Fill a square of half the side with the image's mean over pixels and channels (Fig. 4g).

    corners: int64 [n, 2], the square's first row and column, in 0 .. side - side // 2.
    """
    side = x.shape[3]
    pixel = torch.arange(side, device=x.device)
    start = corners[..., None]
    inside = (pixel >= start) & (pixel < start + side // 2)  # [n, 2, side]
    square = inside[:, 0, :, None] & inside[:, 1, None, :]
    # One plane at a time: a sum over several dimensions takes an order that depends on n.
    red, green, blue = x.flatten(2).mean(2).unbind(1)
    mean = (red + green + blue) / 3
    return torch.where(square[:, None], _per_image(mean), x)


def sobel(x: Tensor) -> Tensor:
    """Signed horizontal plus vertical Sobel response of each channel, rescaled to [0, 1] (Fig. 4j).

    The rescaling maps each image's own least and greatest response to 0 and 1; an image without
    edges becomes mid-gray. Borders are reflected.
    """
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    down, right = padded[:, :, 2:], padded[..., 2:]
    up, left = padded[:, :, :-2], padded[..., :-2]
    vertical, horizontal = down - up, right - left
    response = (
        vertical[..., :-2]
        + 2 * vertical[..., 1:-1]
        + vertical[..., 2:]
        + horizontal[:, :, :-2]
        + 2 * horizontal[:, :, 1:-1]
        + horizontal[:, :, 2:]
    )
    least, greatest = response.amin((1, 2, 3)), response.amax((1, 2, 3))
    span = greatest - least
    scaled = (response - _per_image(least)) / _per_image(span.clamp(min=FLAT))
    return torch.where(_per_image(span < FLAT), 0.5, scaled)


def add_noise_(x: Tensor, sigma: Tensor, field: Tensor) -> Tensor:
    """Add sigma [n] times the standard normal field [n, 3, S, S], in place."""
    return x.add_(field * _per_image(sigma))


def _per_image(parameter: Tensor) -> Tensor:
    """Return [n] as [n, 1, 1, 1], to combine each value with all pixels of its image."""
    return parameter.view(-1, 1, 1, 1)
