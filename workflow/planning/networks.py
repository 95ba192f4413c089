"""The size of a network: its convolutions, parameters, multiply-adds and outputs, without torch.

Counts for the ResNets of simclr/models/resnet.py: v1.5 (the stride in the 3x3 convolution), a
projection shortcut in the first block of every layer, no bias in convolutions.
"""

import functools

from simclr.resnet_shapes import BLOCKS, STRIDES
from simclr.settings.training import Encoder


@functools.cache
def convolutions(encoder: Encoder, image_size: int = 224) -> tuple[tuple[int, int, int, int], ...]:
    """Return (kernel side, channels in, channels out, output side) of each convolution.

    Sides in pixels, for images of `image_size`.
    """
    channels = encoder.base_channels * encoder.width
    bottleneck = encoder.depth >= 50
    if encoder.stem == "cifar":
        side = image_size
        layers = [(3, 3, channels, side)]
    else:  # 7x7 stride 2, then a pool of stride 2
        side = _halved(image_size)
        layers = [(7, 3, channels, side)]
        side = _halved(side)
    inputs = channels
    blocks = BLOCKS[encoder.depth]
    for layer, (count, stride) in enumerate(zip(blocks, STRIDES[len(blocks)], strict=True)):
        inner = channels * 2**layer
        outputs = 4 * inner if bottleneck else inner
        for block in range(count):
            before = side
            if block == 0:
                side = _halved(side) if stride == 2 else side
                layers.append((1, inputs, outputs, side))  # the shortcut
            if bottleneck:
                layers.append((1, inputs, inner, before))
                layers.append((3, inner, inner, side))
                layers.append((1, inner, outputs, side))
            else:
                layers.append((3, inputs, inner, side))
                layers.append((3, inner, outputs, side))
            inputs = outputs
    return tuple(layers)


def parameters(encoder: Encoder) -> int:
    """Return the number of trained parameters: kernels, and two per channel for each batch norm."""
    return sum(k * k * cin * cout + 2 * cout for k, cin, cout, _ in convolutions(encoder))


def macs(encoder: Encoder, image_size: int) -> int:
    """Return the multiply-adds of the convolutions in one forward pass of one image."""
    return sum(
        k * k * cin * cout * side * side for k, cin, cout, side in convolutions(encoder, image_size)
    )


def elements(encoder: Encoder, image_size: int) -> int:
    """Return how many numbers all convolutions put out in one forward pass of one image."""
    return sum(cout * side * side for _, _, cout, side in convolutions(encoder, image_size))


def feature_dim(encoder: Encoder) -> int:
    """Return the dimension of h."""
    return convolutions(encoder)[-1][2]


# Labels of a figure's table that follow from the settings of a training.
LABELS = {
    "parameters": lambda training: parameters(training.encoder),
    "encoder": lambda training: f"ResNet-{training.encoder.depth}",
    "dim_h": lambda training: feature_dim(training.encoder),
    "dim_z": lambda training: training.head.out_dim or feature_dim(training.encoder),
    "operators": lambda training: ", ".join(training.views.operators),
    "loss": lambda training: training.loss.kind,
    "temperature": lambda training: training.loss.temperature,
}


def _halved(side: int) -> int:
    return (side + 1) // 2  # stride 2 with 'same' padding
