"""Batch normalization over parts of a batch, as devices do that share no statistics."""

import torch
from torch import Tensor

from simclr import distributed
from simclr.config import ConfigError
from simclr.models.batch_norm import BatchNorm


def set_norm_groups(modules, groups: int) -> None:
    """Let batch norm know its own part of a batch alone. Raises ConfigError with several ranks."""
    if groups > 1 and distributed.size() > 1:
        raise ConfigError("norm_groups: must be 1 with several ranks; start one process.")
    for module in modules:
        for norm in module.modules():
            if isinstance(norm, BatchNorm):
                norm.groups = groups


def by_group(x: Tensor, groups: int) -> Tensor:
    """Views [branches, B, ...] in one line; with groups, all views of a group's images together."""
    if groups == 1:
        return x.flatten(0, 1)
    return x.unflatten(1, (groups, -1)).transpose(0, 1).flatten(0, 2)


def by_branch(output, branches: int, groups: int):
    """Float32 output of views that stand as `by_group` has them, in the order of branches."""
    if isinstance(output, tuple):
        return tuple(by_branch(one, branches, groups) for one in output)
    output = output.float() if output.dtype == torch.bfloat16 else output
    if groups == 1:
        return output
    return output.unflatten(0, (groups, branches, -1)).transpose(0, 1).flatten(0, 2)
