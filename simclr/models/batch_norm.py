"""Batch normalization with the moving statistics of the authors' code."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr import distributed


class BatchNorm(nn.Module):
    """Batch normalization of [N, C] or [N, C, H, W], with a biased moving variance as TensorFlow's.

    Decay 0.9, epsilon 1e-5 (the authors' code). With `scale_only` there is no offset. This is not a
    subclass of torch's, whose `num_batches_tracked` would be one more tensor in every file.
    """

    momentum, eps = 0.1, 1e-5  # torch's momentum is one minus the decay
    moving = True  # False while a block is recomputed for its gradient
    groups = 1  # equal parts of the batch with statistics of their own (training/norm_groups.py)

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
        """Normalize each group by its own statistics; moving ones take the mean over groups."""
        grouped = x.unflatten(0, (self.groups, -1))  # [groups, N / groups, C, ...]
        if self.moving:
            with torch.no_grad():
                half = x.dtype in (torch.bfloat16, torch.float16)
                values = grouped.float() if half else grouped
                variance, mean = torch.var_mean(values, [1, *range(3, x.ndim + 1)], correction=0)
                self.running_mean.lerp_(mean.mean(0), self.momentum)
                self.running_var.lerp_(variance.mean(0), self.momentum)
        outputs = [
            F.batch_norm(part, None, None, self.weight, self.bias, True, 0.0, self.eps)
            for part in grouped
        ]
        return torch.cat(outputs)

    def _over_all_ranks(self, x: Tensor) -> Tensor:
        """Normalize by the statistics of the whole batch; ranks exchange 2 C + 1 numbers each.

        Combines the ranks' means and variances, because a difference of sums of squares would lose
        digits.
        """
        values = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        dims = [0, *range(2, x.ndim)]
        local_variance, local_mean = torch.var_mean(values, dims, correction=0)  # [C]
        channels = len(local_mean)
        count = torch.full_like(local_mean[:1], values.numel() / channels)
        local = torch.cat([count, local_mean, local_variance])
        statistics = distributed.gather(local[None], distributed.size())  # [ranks, 1 + 2C]
        counts, means, variances = statistics.split([1, channels, channels], 1)
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
