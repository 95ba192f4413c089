"""Batch normalization in parts of a batch, as on devices that do not share statistics.

A group is `B / groups` images with all their views. BatchNorm splits its input into equal parts, so
the views of a group must stand together: `by_group` orders them so, and `by_branch` undoes it.
"""

import torch
from torch import Tensor, nn

from simclr import distributed
from simclr.config import ConfigError
from simclr.models.batch_norm import BatchNorm


def set_norm_groups(model: nn.Module, groups: int) -> None:
    """Split the batch statistics of every BatchNorm into `groups` parts of the batch.

    Raises ConfigError with several ranks and more than one group.
    """
    if groups > 1 and distributed.size() > 1:
        raise ConfigError("norm_groups: must be 1 with several ranks; start one process.")
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.groups = groups


def by_group(x: Tensor, groups: int) -> Tensor:
    """Flatten views [branches, B, ...] to [branches * B, ...], group by group."""
    if groups == 1:
        return x.flatten(0, 1)
    return x.unflatten(1, (groups, -1)).transpose(0, 1).flatten(0, 2)


def by_branch(output, branches: int, groups: int):
    """Return the output (a tensor or a tuple) of views in the order of `by_group` branch by branch.

    bfloat16 becomes float32.
    """
    if isinstance(output, tuple):
        return tuple(by_branch(tensor, branches, groups) for tensor in output)
    output = output.float() if output.dtype == torch.bfloat16 else output
    if groups == 1:
        return output
    return output.unflatten(0, (groups, branches, -1)).transpose(0, 1).flatten(0, 2)
