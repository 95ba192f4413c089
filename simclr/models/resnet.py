"""The encoder f: a ResNet v1.5 without its classifier, image -> h (paper 2.1, 4.1).

Parameters have torchvision's names, so `torchvision.models.resnet50` loads an encoder's file. As
in the authors' code, and unlike torchvision: the first block of every layer has a projection
shortcut (also in layer 1 of ResNet-18 and 34), the ImageNet stem's max-pool pads as TensorFlow's
'SAME', moving variances are biased, convolutions start from a truncated normal over the fan-in,
and the last scale of every residual branch starts at zero.
"""

import math
from contextlib import contextmanager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from simclr.models.batch_norm import BatchNorm
from simclr.resnet_shapes import BLOCKS, STRIDES
from simclr.settings.training import Encoder


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

    With `recompute`, training keeps only the inputs of blocks and computes the rest again for the
    gradient: a third more time, a fraction of the memory, the same bits.
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
        self.layers = len(blocks)
        for number, (count, stride) in enumerate(zip(blocks, STRIDES[self.layers], strict=True), 1):
            layer = []
            for index in range(count):
                first = index == 0
                layer.append(Block(inputs, channels, stride if first else 1, bottleneck, first))
                inputs = channels * (4 if bottleneck else 1)
            self.add_module(f"layer{number}", nn.Sequential(*layer))
            channels *= 2
        self.feature_dim = inputs

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        if self.imagenet_stem:
            x = max_pool_same(x)
        for number in range(1, self.layers + 1):
            layer = getattr(self, f"layer{number}")
            if self.recompute and self.training:
                for block in layer:
                    x = recomputed(block, x)
            else:
                x = layer(x)
        return x.mean((2, 3))


def recomputed(block: nn.Module, x: Tensor) -> Tensor:
    """block(x) without keeping what lies within; moving statistics move only the first time."""
    norms = [module for module in block.modules() if isinstance(module, BatchNorm)]

    @contextmanager
    def without_moving():
        for norm in norms:
            norm.moving = False
        try:
            yield
        finally:
            for norm in norms:
                norm.moving = True

    def contexts():  # of the first computation, of the second
        return nullcontext(), without_moving()

    return checkpoint(block, x, use_reentrant=False, context_fn=contexts)


def build_encoder(settings: Encoder, generator: torch.Generator) -> ResNet:
    """Return a new encoder with weights drawn from `generator`, on the CPU.

    So its bits depend only on the generator's state, whatever device it then moves to.
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
    """A 1x1 convolution with a stride: drops the pixels that it skips, then has a stride of 1.

    It gives the same values but is faster on CPUs. Also, oneDNN's gradient of a strided one (torch
    2.11) writes beyond its memory on processors with AVX2 if channels are no multiple of 8.
    """

    def forward(self, x: Tensor) -> Tensor:
        down, right = self.stride
        return F.conv2d(x[:, :, ::down, ::right], self.weight)


def convolution(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution without bias, padded so that only the stride shrinks the map."""
    if side == 1 and stride > 1:
        return Pointwise(inputs, outputs, 1, stride, bias=False)
    return nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)


def max_pool_same(x: Tensor) -> Tensor:
    """3x3 max-pool with stride 2, padded as TensorFlow's 'SAME': even sides only at the end."""
    return F.max_pool2d(x, 3, 2, (x.shape[2] % 2, x.shape[3] % 2), ceil_mode=True)
