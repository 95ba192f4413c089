"""The augmentation operators: each is one class, with what it draws and how it is applied.

To add an operator, write its class here and its name in OPERATORS (settings/training.py). Order
matters: the order of an operator's calls of `Draws` decides which random numbers it gets, so a
change of that order changes every result with this operator.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from simclr.augment import functional
from simclr.augment.crop_boxes import draw_boxes
from simclr.settings.training import Views

COLOR_ORDERS = torch.tensor(list(itertools.permutations(range(4))))  # [24, 4], of color jitter
BROAD_PROBABILITY = 0.2  # of each operation of `broad`; the paper (B.2) gives none
OPERATORS = {}  # name -> class


@dataclass(frozen=True)
class Draws:
    """Random numbers for n images in every branch: tensors [branches, n, ...], on the CPU."""

    generator: torch.Generator
    branches: int
    n: int
    batch_size: int  # images for which something is drawn once a batch
    source_side: int  # of the square that a crop is cut from, in pixels
    aspects: Tensor | None  # float32 [n], width over height of what was squeezed into that square

    @property
    def shape(self) -> tuple[int, int]:
        return self.branches, self.n

    def uniform(self, low: float, high: float) -> Tensor:
        """Draw float32 uniformly from [low, high)."""
        return torch.rand(self.shape, generator=self.generator) * (high - low) + low

    def happens(self, probability: float, *more: int) -> Tensor:
        """Draw bool [branches, n, *more], true with this probability."""
        return torch.rand(*self.shape, *more, generator=self.generator) < probability

    def integers(self, count: int, *more: int) -> Tensor:
        """Draw int64 [branches, n, *more] from 0 .. count - 1."""
        return torch.randint(count, (*self.shape, *more), generator=self.generator)


class Operator:
    """An augmentation, with the settings and the side (in pixels) of the views it is part of."""

    overshoots = False  # Can it leave [0, 1]?
    accepts_overshoot = False  # If not, its input is clipped to [0, 1] first.

    def __init__(self, settings: Views, side: int):
        self.settings, self.side = settings, side

    def draw(self, draws: Draws) -> dict[str, Tensor]:
        """Draw its parameters, by names that no other operator uses."""
        raise NotImplementedError

    def apply(self, x: Tensor, drawn: dict[str, Tensor]) -> Tensor:
        """Return x, float32 [m, 3, S, S] on any device, changed; it may be overwritten.

        drawn: the parameters of these m images, tensors [m, ...] on the CPU.
        """
        raise NotImplementedError


def operator(name: str):
    """Register a class as the operator that settings call `name`."""

    def register(cls):
        OPERATORS[name] = cls
        return cls

    return register


def indices(mask: Tensor, device: torch.device) -> Tensor:
    """Return where a mask on the CPU is true; there, no other device has to wait for the count."""
    return mask.nonzero()[:, 0].to(device, non_blocking=True)


@operator("crop")
class Crop(Operator):
    """Cut a random rectangle and resize it to a square (paper A)."""

    overshoots = True  # as bicubic interpolation does

    def draw(self, draws):
        boxes = draw_boxes(
            draws.branches * draws.n,
            side=draws.source_side,
            min_area=self.settings.min_area,
            generator=draws.generator,
            aspects=None if draws.aspects is None else draws.aspects.repeat(draws.branches),
        )
        return {"crop": boxes.view(*draws.shape, 4)}

    def apply(self, x, drawn):
        boxes = drawn["crop"].to(x.device, non_blocking=True)
        return functional.crop_resize(x, boxes, self.side)


@operator("flip")
class Flip(Operator):
    """Mirror left-right, p = 0.5."""

    accepts_overshoot = True

    def draw(self, draws):
        return {"flip": draws.happens(0.5)}

    def apply(self, x, drawn):
        return functional.flip_(x, indices(drawn["flip"], x.device))


@operator("color")
class Color(Operator):
    """Jitter brightness, contrast, saturation and hue, p = 0.8; then drop color, p = 0.2 (paper A).

    Each image has its own order of the four operations, and is clipped after each.
    """

    accepts_overshoot = True  # as the authors' code does

    def draw(self, draws):
        reach = 0.8 * self.settings.color_strength
        factor = max(0, 1 - reach), 1 + reach
        brightness = (-reach, reach) if self.settings.brightness == "additive" else factor
        return {
            "jitter": draws.happens(0.8),
            "order": draws.integers(len(COLOR_ORDERS)),
            "brightness": draws.uniform(*brightness),
            "contrast": draws.uniform(*factor),
            "saturation": draws.uniform(*factor),
            "hue": draws.uniform(-reach / 4, reach / 4),
            "gray": draws.happens(0.2),
        }

    def apply(self, x, drawn):
        """Fastest if images of the same order stand together: each operation works on slices."""
        additive = self.settings.brightness == "additive"
        operations = {
            "brightness": functional.add_brightness_ if additive else functional.scale_brightness_,
            "contrast": functional.contrast_,
            "saturation": functional.saturation_,
            "hue": functional.hue_,
        }
        steps = [
            (operation_, drawn[name].to(x.device, non_blocking=True))
            for name, operation_ in operations.items()
        ]
        orders = COLOR_ORDERS[drawn["order"]]  # [m, 4]
        orders[~drawn["jitter"]] = -1
        for column in orders.unbind(1):
            start = 0
            runs = torch.unique_consecutive(column, return_counts=True)
            for kind, count in zip(*(values.tolist() for values in runs), strict=True):
                if kind >= 0:
                    operation_, values = steps[kind]
                    chosen = slice(start, start + count)
                    operation_(x[chosen], values[chosen]).clamp_(0, 1)
                start += count
        return functional.gray_(x, indices(drawn["gray"], x.device))


@operator("blur")
class Blur(Operator):
    """Blur by a Gaussian (paper A), whose sigma is drawn for each image or once a batch."""

    def draw(self, draws):
        drawn = {"blur": draws.happens(self.settings.blur_probability)}
        if self.settings.blur_sigma == "batch":
            batches = -(-draws.n // draws.batch_size)
            sigma = torch.rand(draws.branches, batches, generator=draws.generator) * 1.9 + 0.1
            drawn["blur_sigma"] = sigma.repeat_interleave(draws.batch_size, 1)[:, : draws.n]
        else:
            drawn["blur_sigma"] = draws.uniform(0.1, 2.0)
        return drawn

    def apply(self, x, drawn):
        if radius := self.settings.blur_radius or functional.blur_radius(self.side):
            chosen = indices(drawn["blur"], x.device)
            sigma = drawn["blur_sigma"][drawn["blur"]].to(x.device, non_blocking=True)
            x[chosen] = functional.blur(x[chosen], sigma, radius)
        return x


@operator("cutout")
class Cutout(Operator):
    """Fill a square of half the side with the image's mean (Fig. 4g)."""

    def draw(self, draws):
        return {"cutout": draws.integers(self.side - self.side // 2 + 1, 2)}

    def apply(self, x, drawn):
        return functional.cutout(x, drawn["cutout"].to(x.device, non_blocking=True))


@operator("sobel")
class Sobel(Operator):
    """Show the edges only (Fig. 4j), with probability `gate`; at 1 nothing is drawn."""

    def draw(self, draws):
        return {"sobel": draws.happens(self.settings.gate)} if self.settings.gate < 1 else {}

    def apply(self, x, drawn):
        if "sobel" not in drawn:
            return functional.sobel(x)
        chosen = indices(drawn["sobel"], x.device)
        x[chosen] = functional.sobel(x[chosen])
        return x


@operator("noise")
class Noise(Operator):
    """Add Gaussian noise (Fig. 4h), with probability `gate`: where it is not drawn, sigma is 0."""

    def draw(self, draws):
        sigma = draws.uniform(0.0, self.settings.noise_sigma)
        if self.settings.gate < 1:
            sigma *= draws.happens(self.settings.gate)
        shape = *draws.shape, 3, self.side, self.side
        return {"noise": sigma, "noise_field": torch.randn(shape, generator=draws.generator)}

    def apply(self, x, drawn):
        sigma, field = (drawn[k].to(x.device, non_blocking=True) for k in ("noise", "noise_field"))
        return functional.add_noise_(x, sigma, field).clamp_(0, 1)


@operator("rotate")
class Rotate(Operator):
    """Rotate by 90, 180 or 270 degrees."""

    def draw(self, draws):
        return {"rotate": 1 + draws.integers(3)}

    def apply(self, x, drawn):
        for turns in (1, 2, 3):
            functional.rotate_(x, indices(drawn["rotate"] == turns, x.device), turns)
        return x


@operator("autoaugment")
class AutoAugment(Operator):
    """Apply the policy that was learned with labels (Table 1)."""

    def draw(self, draws):
        from simclr.augment import autoaugment  # imports torchvision, which takes a second

        policy = self.settings.policy
        return {"policy": autoaugment.draw(policy, draws.shape, draws.generator)}

    def apply(self, x, drawn):
        from simclr.augment import autoaugment

        return autoaugment.apply(x, drawn["policy"], self.settings.policy)


@operator("broad")
class Broad(Operator):
    """Sobel, equalize, solarize and motion blur, in this order, each sometimes (paper B.2)."""

    def draw(self, draws):
        happens = draws.happens(BROAD_PROBABILITY, 4)
        return {"broad": happens, "direction": draws.integers(4)}

    def apply(self, x, drawn):
        from torchvision.transforms.v2.functional import equalize  # takes a second to import

        edges, equal, solarized = (indices(drawn["broad"][:, k], x.device) for k in range(3))
        x[edges] = functional.sobel(x[edges])
        if len(equal):
            x[equal] = equalize((x[equal] * 255).round().to(torch.uint8)).float() / 255
        pixels = x[solarized]
        x[solarized] = torch.where(pixels < 0.5, pixels, 1 - pixels)
        for direction in range(4):
            chosen = drawn["broad"][:, 3] & (drawn["direction"] == direction)
            chosen = indices(chosen, x.device)
            x[chosen] = functional.motion_blur(x[chosen], direction)
        return x
