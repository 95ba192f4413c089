"""The order of an epoch: whole batches of the images, in an order that is new every epoch."""

import torch
from torch import Tensor

from simclr.config import ConfigError
from simclr.rng import generator


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Number of whole batches. Raises ConfigError if there are too few images for one."""
    if batch_size > images:
        raise ConfigError(f"batch_size: {batch_size}, but there are only {images} training images.")
    return images // batch_size


def epoch_order(seed: int, epoch: int, count: int) -> Tensor:
    """Return the order of `count` images in an epoch, int64 [count], on the CPU."""
    return torch.randperm(count, generator=generator(seed, "order", epoch))


def stored_batches(features: dict[str, Tensor], seed: int, batch_size: int, epoch: int):
    """Yield (indices [B], {name: features [B, d]}) for one epoch; features: {name: [N, d]}."""
    device, count = next((x.device, len(x)) for x in features.values())
    order = epoch_order(seed, epoch, count).to(device)
    for index in order[: count // batch_size * batch_size].split(batch_size):
        yield index, {name: x[index] for name, x in features.items()}
