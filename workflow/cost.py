"""What a run costs before it is run: an encoder's parameters and multiply-adds, in pure Python.

Counts for the ResNets of simclr/encoder.py: v1.5 (the stride in the 3x3 convolution), a projection
shortcut in the first block of every group, no convolution bias. Depths 8, 14 and 20 have three
groups, the others four.
"""

from simclr.architecture import BLOCKS, STRIDES


def convolutions(encoder: dict, image_size: int = 224) -> list[tuple[int, int, int, int]]:
    """Return (kernel side, channels in, channels out, output side in pixels) of each convolution.

    encoder: the settings depth, width, base_channels and stem, as in simclr.settings.Encoder.
    """
    channels = encoder["base_channels"] * encoder["width"]
    bottleneck = encoder["depth"] >= 50
    found = []
    if encoder["stem"] == "cifar":
        side = image_size
        found.append((3, 3, channels, side))
    else:  # 7x7 stride 2, then a pool of stride 2
        side = _halved(image_size)
        found.append((7, 3, channels, side))
        side = _halved(side)
    inputs = channels
    groups = BLOCKS[encoder["depth"]]
    for group, (blocks, stride) in enumerate(zip(groups, STRIDES[len(groups)], strict=True)):
        inner = channels * 2**group
        outputs = 4 * inner if bottleneck else inner
        for block in range(blocks):
            before = side
            if block == 0:
                side = _halved(side) if stride == 2 else side
                found.append((1, inputs, outputs, side))  # the shortcut
            if bottleneck:
                found.append((1, inputs, inner, before))
                found.append((3, inner, inner, side))
                found.append((1, inner, outputs, side))
            else:
                found.append((3, inputs, inner, side))
                found.append((3, inner, outputs, side))
            inputs = outputs
    return found


def parameters(encoder: dict) -> int:
    """Return the number of trained parameters: kernels, and two per channel for each batch norm."""
    return sum(k * k * cin * cout + 2 * cout for k, cin, cout, _ in convolutions(encoder))


def macs(encoder: dict, image_size: int) -> int:
    """Return the multiply-adds of the convolutions in one forward pass of one image."""
    return sum(
        k * k * cin * cout * side * side for k, cin, cout, side in convolutions(encoder, image_size)
    )


def seconds(
    stage: str,
    settings: dict,
    encoder_settings: dict,
    *,
    images: int,
    image_size: int,
    gmacs_per_second: float,
) -> float:
    """Estimate the duration of one run of `stage` on one core or GPU, without its start-up.

    settings: the stage's, resolved; encoder_settings: those of the run that made the encoder, where
    there is one; images: training images; gmacs_per_second: a measured rate, in 1e9 multiply-adds.
    A backward pass counts as two forward passes. Small constants stand for what is not convolution.
    """
    if stage == "prepare":
        return 1.0 + images * image_size**2 * 5e-7
    if stage in ("histograms", "figures", "examples", "neighbours"):
        return 3.0
    source = encoder_settings or settings
    per_image = macs(source["encoder"], image_size) / (gmacs_per_second * 1e9)
    if stage == "pretrain":
        return 3 * 2 * per_image * images * settings["epochs"]
    if stage in ("supervise", "finetune"):
        return 3 * per_image * images * settings.get("labels", 1.0) * settings["epochs"]
    if stage in ("probe", "transfer", "maps"):
        return 5.0 + 2 * len(settings.get("tasks", "x")) * per_image * images
    times = 1.5  # training and test images once
    if "augmented" in settings["protocols"]:
        times += settings["epochs"]
    return 1.0 + times * per_image * images


def _halved(side: int) -> int:
    return (side + 1) // 2  # stride 2 with 'same' padding
