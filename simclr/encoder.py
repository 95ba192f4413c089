"""The encoder f: a ResNet v1.5 without its classifier, image -> h (paper 2.1, 4.1).

Parameters have torchvision's names, so `torchvision.models.resnet50` loads an encoder's file. As
in the authors' code, and unlike torchvision: the first block of every group has a projection
shortcut (also in group 1 of ResNet-18 and 34), the ImageNet stem's max-pool pads as TensorFlow's
'SAME', moving variances are biased, convolutions start from a truncated normal over the fan-in,
and the last scale of every residual branch starts at zero.
"""

import math
from contextlib import contextmanager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from simclr import ranks
from simclr.architecture import BLOCKS, STRIDES
from simclr.settings import Encoder


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
        if ranks.size() > 1:
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
        every = ranks.gather(torch.cat([count, own, around])[None], ranks.size())  # [ranks, 1 + 2C]
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


class Block(nn.Module):
    """A residual block: 3x3, 3x3; or the bottleneck 1x1, 3x3 (with the stride), 1x1 to 4x."""

    def __init__(self, inputs: int, channels: int, stride: int, bottleneck: bool, project: bool):
        super().__init__()
        outputs = channels * (4 if bottleneck else 1)
        if bottleneck:
            self.conv1, self.bn1 = convolution(inputs, channels, 1), BatchNorm(channels)
            self.conv2, self.bn2 = convolution(channels, channels, 3, stride), BatchNorm(channels)
            self.conv3, self.bn3 = convolution(channels, outputs, 1), BatchNorm(outputs)
        else:
            self.conv1, self.bn1 = convolution(inputs, channels, 3, stride), BatchNorm(channels)
            self.conv2, self.bn2 = convolution(channels, channels, 3), BatchNorm(channels)
        self.bottleneck = bottleneck
        self.downsample = None
        if project:
            self.downsample = nn.Sequential(
                convolution(inputs, outputs, 1, stride), BatchNorm(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.bottleneck:
            y = self.bn3(self.conv3(F.relu(y, inplace=True)))
        return F.relu(y.add_(shortcut), inplace=True)

    @property
    def last_bn(self) -> BatchNorm:
        return self.bn3 if self.bottleneck else self.bn2


class ResNet(nn.Module):
    """Images [N, 3, S, S] -> h [N, feature_dim], the mean over the last map (paper 2.1).

    With `recompute`, only the inputs of blocks are kept, and the rest is computed again for the
    gradient: a third more time, a fraction of the memory, the same values to the bit.
    """

    recompute = False

    def __init__(self, settings: Encoder):
        super().__init__()
        blocks, bottleneck = BLOCKS[settings.depth], settings.depth >= 50
        channels = settings.base_channels * settings.width
        self.imagenet_stem = settings.stem == "imagenet"
        side, stride = (7, 2) if self.imagenet_stem else (3, 1)
        self.conv1 = convolution(3, channels, side, stride)
        self.bn1 = BatchNorm(channels)
        inputs = channels
        self.groups = len(blocks)
        for group, (count, stride) in enumerate(zip(blocks, STRIDES[len(blocks)], strict=True)):
            made = []
            for index in range(count):
                first = index == 0
                made.append(Block(inputs, channels, stride if first else 1, bottleneck, first))
                inputs = channels * (4 if bottleneck else 1)
            self.add_module(f"layer{group + 1}", nn.Sequential(*made))
            channels *= 2
        self.feature_dim = inputs

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        if self.imagenet_stem:
            x = max_pool_same(x)
        for group in range(self.groups):
            blocks = getattr(self, f"layer{group + 1}")
            if self.recompute and self.training:
                for block in blocks:
                    x = computed_again(block, x)
            else:
                x = blocks(x)
        return x.mean((2, 3))


def computed_again(block: nn.Module, x: Tensor) -> Tensor:
    """block(x), but what lies within is not kept; moving statistics move the first time alone."""
    norms = [module for module in block.modules() if isinstance(module, BatchNorm)]

    @contextmanager
    def still():
        for norm in norms:
            norm.moving = False
        try:
            yield
        finally:
            for norm in norms:
                norm.moving = True

    return checkpoint(block, x, use_reentrant=False, context_fn=lambda: (nullcontext(), still()))


def build_encoder(settings: Encoder, generator: torch.Generator) -> ResNet:
    """Return a new encoder with weights drawn from `generator`, on the CPU.

    So its bits depend on the generator's state alone, whatever device it then moves to. It may be
    converted to channels_last, which is faster on CPUs.
    """
    encoder = ResNet(settings)
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            # TensorFlow's variance scaling: sqrt(1 / fan_in) after cutting at two deviations.
            fan_in = module.weight[0].numel()
            std = math.sqrt(1 / fan_in) / 0.87962566103423978
            nn.init.trunc_normal_(module.weight, 0, std, -2 * std, 2 * std, generator=generator)
        elif isinstance(module, Block):
            nn.init.zeros_(module.last_bn.weight)
    return encoder


class Pointwise(nn.Conv2d):
    """A 1x1 convolution with a stride: drops the pixels it skips, then has a stride of 1.

    The same values, but faster on CPUs; and with channels that are no multiple of 8, the gradient
    of oneDNN's strided one (torch 2.11) writes beyond its memory on processors with AVX2.
    """

    def forward(self, x: Tensor) -> Tensor:
        down, right = self.stride
        return F.conv2d(x[:, :, ::down, ::right], self.weight)


def convolution(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    if side == 1 and stride > 1:
        return Pointwise(inputs, outputs, 1, stride, bias=False)
    return nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)


def max_pool_same(x: Tensor) -> Tensor:
    """3x3 max-pool with stride 2, padded as TensorFlow's 'SAME': even sides at the end only."""
    return F.max_pool2d(x, 3, 2, (x.shape[2] % 2, x.shape[3] % 2), ceil_mode=True)
