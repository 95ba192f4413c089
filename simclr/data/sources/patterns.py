"""Source `patterns`: embedded procedural images in which the class is the pattern.

On photographs, minutes of training on a laptop do not show the paper's effects; on these they do.
An image is two colors laid out by a repeating pattern. The class is the kind of pattern, together
with a range of hues that overlaps those of neighboring classes. Everything else is drawn for each
image: hues within the class's range, contrast, which of the colors is the ink, scale and phase of
the pattern, width of its strokes, shading, specks, noise.

What makes them a test bed for the paper (section 3):
* Every image has its own palette, so color is enough to tell which crops come from one image:
  without color distortion the contrastive task is solved without the pattern.
* Shading and phase are as distinctive, so without crops it is solved by comparing positions.
* Patterns repeat, so any crop shows the class: it survives crop and color distortion together.
* Hues tell part of the class. They survive color distortion in part, but no Sobel filter; and much
  of what such a filter leaves is specks.

That is the family `textures`. An image of the family `figures`, to which features are transferred,
shows one figure with the same kind of colors, shading and specks; the class is the kind of figure.

What they lack: the pattern consists of edges, so Sobel filtering harms less than in photographs;
and hues are so good a clue to the class that features which keep them have an advantage.

Whole arrays are only added, multiplied, rounded and square-rooted, without sines or normal
deviates. IEEE arithmetic does this exactly, so every machine draws the same bytes.
"""

import numpy as np

from simclr.config import DataError
from simclr.data.raw_dataset import SPLITS, RawDataset, random_generator

# Ranges [low, high) of the nuisances, uniform.
PERIODS = (1.7, 3.4)  # of the pattern, across the image's side
ANGLE = (-1 / 64, 1 / 64)  # of the pattern, in turns
STROKE = (0.8, 1.2)  # factor on the width of what is drawn
MEAN = (0.4, 0.6)  # luminance halfway between the two colors
CONTRAST = (0.34, 0.52)  # luminance difference of the two colors
HUES = 0.31  # width of a class's range of hues, in turns; the ranges begin 0.1 apart
CHROMA = (0.3, 0.55)  # length of a color's chroma vector: how far it is from gray
SHADING = (0.07, 0.26)  # amplitude, relative, of each of three waves of brightness
SPECKS = (0.0, 0.06)  # share of pixels with a color of their own, like dust and glints
RADIUS = (0.3, 0.46)  # of a figure, in sides of the image
OFFSET = (-0.12, 0.12)  # of a figure's center, in sides of the image
NOISE = (0.0, 0.06)  # half-width of the uniform noise of a pixel


def check(settings) -> None:
    """Refuse splits without an image of each class. Raises DataError."""
    classes = CLASSES[settings.family]
    for split in SPLITS:
        if getattr(settings, f"{split}_images") < len(classes):
            raise DataError(
                f"{split}_images: patterns need one of each class, so {len(classes)} or more."
            )


def open_source(settings, report) -> RawDataset:
    """Draw the images that `settings` (settings.Prepare) describe."""
    images, labels = {}, {}
    for split in SPLITS:
        count = getattr(settings, f"{split}_images")
        images[split], labels[split] = generate(
            count, settings.image_size, settings.seed, split, settings.family
        )

    def fill(arrays, report):
        for split in SPLITS:
            arrays[f"{split}_images"][:] = images[split]

    return RawDataset(CLASSES[settings.family], labels, fill)


def generate(
    count: int, image_size: int, seed: int, split: str, family: str = "textures"
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a split: images uint8 [count, 3, image_size, image_size] and labels int64 [count].

    split is "train" or "test": different streams of the same distribution. Labels cycle through
    the classes, so their counts differ by at most one.
    """
    rng = random_generator(seed, split)
    labels = np.arange(count, dtype=np.int64) % len(CLASSES[family])
    ink = np.empty((count, image_size, image_size), np.float32)
    draw = _texture if family == "textures" else _figure
    for label, pattern in enumerate(FAMILIES[family]):
        members = labels == label
        ink[members] = draw(pattern, int(members.sum()), image_size, rng)
    return _paint(ink, labels, rng), labels


def _texture(pattern, count: int, side: int, rng) -> np.ndarray:
    """Return how much of each pixel is ink: float32 [count, side, side] in [0, 1]."""
    period = side / _uniform(rng, PERIODS, count)  # pixels
    east, south = _direction(_uniform(rng, ANGLE, count))
    x, y = _pixels(side)  # pixels from the center
    # Coordinates along and across the pattern, in periods: [count, side, side].
    u = (east * x + south * y) / period + _uniform(rng, (0, 1), count)
    v = (east * y - south * x) / period + _uniform(rng, (0, 1), count)
    depth = pattern(u, v, _uniform(rng, STROKE, count), rng)  # periods inside the ink's border
    return np.clip(depth * period + 0.5, 0, 1)  # the border crosses a pixel: part of it is ink


def _figure(pattern, count: int, side: int, rng) -> np.ndarray:
    """Return the same for one figure somewhere in the image."""
    radius = side * _uniform(rng, RADIUS, count)  # pixels
    east, south = _direction(_uniform(rng, ANGLE, count))
    x, y = _pixels(side)
    x, y = (line + side * _uniform(rng, OFFSET, count) for line in (x, y))
    u, v = (east * x + south * y) / radius, (east * y - south * x) / radius
    depth = pattern(u, v, _uniform(rng, STROKE, count), rng)  # radii inside the ink's border
    return np.clip(depth * radius + 0.5, 0, 1)


def _paint(ink: np.ndarray, labels: np.ndarray, rng) -> np.ndarray:
    """Give every image two colors, shading, noise and specks: uint8 [count, 3, side, side]."""
    count, side, _ = ink.shape
    ink = ink[:, None]
    mean, contrast = _uniform(rng, MEAN, count), _uniform(rng, CONTRAST, count)
    sign = np.where(rng.random((count, 1, 1)) < 0.5, np.float32(0.5), np.float32(-0.5))
    ground = _color(mean - sign * contrast, labels, rng)
    drawn = _color(mean + sign * contrast, labels, rng)
    images = ground + ink * (drawn - ground)
    x, y = _pixels(side)
    shading = 1 + _uniform(rng, SHADING, count) * _waves(rng, x / side, y / side, count, 3)
    images *= shading[:, None]
    noise = rng.random(images.shape, dtype=np.float32) * 2 - 1
    images += noise * _uniform(rng, NOISE, count)[:, None]
    speck = rng.random((count, 1, side, side), dtype=np.float32)
    speck = speck < _uniform(rng, SPECKS, count)[:, None]
    images = np.where(speck, rng.random(images.shape, dtype=np.float32), images)
    return (np.clip(images, 0, 1) * 255 + 0.5).astype(np.uint8)


def _color(luminance, labels, rng) -> np.ndarray:
    """Draw a color of each luminance, of random hue and saturation: float32 [count, 3, 1, 1]."""
    first = labels.astype(np.float32)[:, None, None] / np.float32(10)  # classes of each family
    hue = first + _uniform(rng, (0, HUES), len(luminance))  # in turns
    blue, red = _direction(hue)  # chroma axes of ITU-R BT.601
    chroma = _uniform(rng, CHROMA, len(luminance))
    blue, red = blue * chroma, red * chroma
    rgb = (1.402 * red, -0.344 * blue - 0.714 * red, 1.772 * blue)
    return np.stack([luminance + c for c in rgb], 1).astype(np.float32)


# Each pattern maps coordinates u, v in periods, [count, side, side], and a stroke factor
# [count, 1, 1] to the distance from the nearest border of ink, positive inside.


def stripes(u, v, stroke, rng):
    return 0.25 * stroke - _near(u)


def rows(u, v, stroke, rng):
    return stripes(v, u, stroke, rng)


def checks(u, v, stroke, rng):
    a, b = 0.25 - _near(u), 0.25 - _near(v)
    return np.where(a * b > 0, 1, -1) * np.minimum(abs(a), abs(b)) + 0.05 * (stroke - 1)


def dots(u, v, stroke, rng):
    return 0.34 * stroke - _length(_near(u), _near(v))


def rings(u, v, stroke, rng):
    return 0.11 * stroke - abs(_length(_near(u), _near(v)) - 0.33)


def waves(u, v, stroke, rng):
    return 0.2 * stroke - 0.8 * _near(u + 0.3 * _sine(v))


def grid(u, v, stroke, rng):
    return 0.13 * stroke - np.minimum(_near(u), _near(v))


def bricks(u, v, stroke, rng):
    joint = _near(u * 0.7 + 0.5 * (np.floor(v * 1.4) % 2)) / 0.7
    return 0.11 * stroke - np.minimum(_near(v * 1.4) / 1.4, joint)


def ripples(u, v, stroke, rng):
    return waves(v, u, stroke, rng)


def crosses(u, v, stroke, rng):
    a, b = _near(u), _near(v)
    thin = 0.12 * stroke
    return np.maximum(np.minimum(thin - a, 0.38 - b), np.minimum(0.38 - a, thin - b))


# Figures map coordinates in radii from their center to the distance from their border, in radii.


def disc(u, v, stroke, rng):
    return 0.9 * stroke - _length(u, v)


def ring(u, v, stroke, rng):
    return 0.24 * stroke - abs(_length(u, v) - 0.7)


def square(u, v, stroke, rng):
    return 0.8 * stroke - np.maximum(abs(u), abs(v))


def frame(u, v, stroke, rng):
    return 0.22 * stroke - abs(np.maximum(abs(u), abs(v)) - 0.7)


def diamond(u, v, stroke, rng):
    return 0.75 * stroke - (abs(u) + abs(v)) * 0.7


def plus(u, v, stroke, rng):
    a, b = abs(u), abs(v)
    thin = 0.26 * stroke
    return np.maximum(np.minimum(thin - a, 0.95 - b), np.minimum(0.95 - a, thin - b))


def saltire(u, v, stroke, rng):
    return plus((u + v) * 0.7, (u - v) * 0.7, stroke, rng)


def triangle(u, v, stroke, rng):
    return np.minimum(0.7 * stroke - v, (v + 0.95 - 1.8 * abs(u)) * 0.5)


def bowl(u, v, stroke, rng):
    return np.minimum(0.95 * stroke - _length(u, v), v + 0.15)


def bars(u, v, stroke, rng):
    return np.minimum(0.2 * stroke - abs(abs(v) - 0.5), 0.9 - abs(u))


PATTERNS = (stripes, rows, checks, dots, rings, waves, ripples, grid, bricks, crosses)
FIGURES = (disc, ring, square, frame, diamond, plus, saltire, triangle, bowl, bars)
FAMILIES = {"textures": PATTERNS, "figures": FIGURES}
CLASSES = {name: tuple(pattern.__name__ for pattern in family) for name, family in FAMILIES.items()}


def _uniform(rng, limits, count: int) -> np.ndarray:
    """Draw uniform numbers in [low, high): float32 [count, 1, 1]."""
    low, high = map(np.float32, limits)
    return low + (high - low) * rng.random((count, 1, 1), dtype=np.float32)


def _waves(rng, x, y, count: int, number: int) -> np.ndarray:
    """Return the sum of `number` plane waves of period 1, with random directions and phases."""
    field = np.float32(0)
    for _ in range(number):
        east, south = _direction(_uniform(rng, (0, 1), count))
        field = field + _sine(east * x + south * y + _uniform(rng, (0, 1), count))
    return field


def _pixels(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows of an image, in pixels from its center: [1, side] and [side, 1]."""
    line = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
    return line[None, :], line[:, None]


def _near(t):
    """Return the distance to the nearest integer, in [0, 0.5]."""
    return abs(t - np.rint(t))


def _sine(t):
    """Return about sin(2 pi t), of two parabolas, at most 0.06 off: exact on every machine."""
    t = t - np.floor(t) - np.float32(0.5)
    return t * (abs(t) - np.float32(0.5)) * np.float32(16)


def _direction(turns) -> tuple[np.ndarray, np.ndarray]:
    """Return the unit vector at an angle in turns, up to 1 degree off: see _sine."""
    east, south = _sine(turns + np.float32(0.25)), _sine(turns)
    length = _length(east, south)
    return east / length, south / length


def _length(a, b):
    return np.sqrt(a * a + b * b)
