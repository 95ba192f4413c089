"""Batch normalization with the moving statistics of the authors' code."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr import distributed


class BatchNorm(nn.Module):
    """Batch normalisation whose moving variance is biased, as TensorFlow's; [N, C] or [N, C, H, W].

    Decay 0.9, epsilon 1e-5 (paper's code). With `scale_only` there is no offset. Not a subclass of
    torch's: that one's `num_batches_tracked` would be one more tensor in every file.
    """

    momentum, eps = 0.1, 1e-5  # torch's momentum is one minus the decay
    moving = True  # off while a block is computed again for its gradient
    groups = 1  # parts of the batch, one after another, with statistics of their own (see loop)

    def __init__(self, channels: int, scale_only: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = None if scale_only else nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0, self.eps
            )
        if self.groups > 1:
            return self._in_groups(x)
        if distributed.size() > 1:
            return self._over_all_ranks(x)
        # F.batch_norm moves a copy by n / (n - 1) times the biased variance; take that back.
        moved = self.running_var.clone()
        mean = self.running_mean if self.moving else self.running_mean.clone()
        out = F.batch_norm(x, mean, moved, self.weight, self.bias, True, self.momentum, self.eps)
        if self.moving:
            n = x.numel() / x.shape[1]
            self.running_var.mul_((1 - self.momentum) / n).add_(moved, alpha=(n - 1) / n)
        return out

    def _in_groups(self, x: Tensor) -> Tensor:
        """As devices do that do not share statistics; running ones move by the groups' mean."""
        each = x.unflatten(0, (self.groups, -1))
        if self.moving:
            with torch.no_grad():
                values = each.float() if x.dtype in (torch.bfloat16, torch.float16) else each
                variance, mean = torch.var_mean(values, [1, *range(3, x.ndim + 1)], correction=0)
                self.running_mean.lerp_(mean.mean(0), self.momentum)
                self.running_var.lerp_(variance.mean(0), self.momentum)
        parameters = self.weight, self.bias, True, 0.0, self.eps
        return torch.cat([F.batch_norm(one, None, None, *parameters) for one in each])

    def _over_all_ranks(self, x: Tensor) -> Tensor:
        """The same with the mean and variance of the whole batch: one message of 2 C + 1 numbers.

        Every rank's own mean and squares around it, put together: sums of squares would cancel.
        """
        values = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        over = [0, *range(2, x.ndim)]
        around, own = torch.var_mean(values, over, correction=0)  # [C]
        count = torch.full_like(own[:1], values.numel() / values.shape[1])
        every = distributed.gather(
            torch.cat([count, own, around])[None], distributed.size()
        )  # [ranks, 1 + 2C]
        counts, means, variances = every.split([1, len(own), len(own)], 1)
        weight = counts / counts.sum()
        mean = (weight * means).sum(0)
        variance = (weight * (variances + (means - mean) ** 2)).sum(0)
        if self.moving:
            with torch.no_grad():
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
                self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)
        shape = [1, -1] + [1] * (x.ndim - 2)
        scale = self.weight * (variance + self.eps).rsqrt()
        out = (values - mean.view(shape)) * scale.view(shape)
        if self.bias is not None:
            out = out + self.bias.view(shape)
        return out.to(x.dtype)
