"""What a run costs before it is run, in time and in memory, in pure Python.

From an encoder's parameters, its multiply-adds and the numbers that its convolutions put out.
Counts for the ResNets of simclr/models/resnet.py: v1.5 (the stride in the 3x3 convolution), a
projection shortcut in the first block of every group, no convolution bias. Depths 8, 14 and 20 have
three groups, the others four.
"""

import math

from simclr.data.catalog import SOURCES, Source
from simclr.models.resnet_shapes import BLOCKS, STRIDES
from simclr.store.runner import TRAINING


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


def elements(encoder: dict, image_size: int) -> int:
    """Return how many numbers all convolutions put out in one forward pass of one image."""
    return sum(cout * side * side for _, _, cout, side in convolutions(encoder, image_size))


# Seconds of what is no pass through an encoder, fitted to the runs of `tiny` and `small` on one
# core (`python -m workflow.docs.cost_page --check tiny` compares).
LINEAR_STEP = 4e-4  # a step of a linear classifier, or of a probe, on stored features
START = {"figures": 1.0, "examples": 0.01, "evaluate": 0.1, "supervise": 0.1}
PAIR = 8.5e-9  # a bin of two histograms
MAPPED = 4e-3  # t-SNE, an image, of h and of z
L_BFGS = 1.65e-7  # a penalty, an image, a feature, a class: a few hundred iterations


def seconds(
    stage: str,
    settings: dict,
    encoder_settings: dict,
    data: dict,
    scale,
    gpus: int = 1,
) -> float:
    """Estimate the duration of one run of `stage` on one core, or on `gpus` GPUs that share it.

    settings: the stage's, resolved; encoder_settings: those of the run that made the encoder, where
    there is one; data: those of the data set; scale: planning.scale.Scale, for its three rates.
    A pass of an image through a network takes the time of its multiply-adds at one rate and that of
    the numbers which its convolutions put out at the other (memory is what thin networks wait for),
    a backward pass as much as two forward passes. GPUs share images, not what a step costs besides.
    """
    fixed = START.get(stage, 0.0)
    if stage in ("figures", "examples"):
        return fixed
    train, test = images(data)
    if stage == "probe" and settings["images"]:
        train, test = min(train, settings["images"]), min(test, settings["images"])
    if stage == "prepare":
        source = SOURCES[data["source"]]
        if not source.needs_counts:  # all images are read, even for a subset
            train, test = _all_images(source)
        return (train + test) * source.seconds_per_image
    if stage == "histograms":
        return PAIR * (settings["images"] * settings["crops"]) ** 2 * settings["bins"]
    one = _pass(encoder_settings or settings, data, scale)
    if stage in TRAINING:
        used = round(train * settings.get("labels", 1.0))
        steps = used // settings["batch_size"] * settings["epochs"]
        views = steps * settings["batch_size"] * (2 if stage == "pretrain" else 1)
        passes = 4 if settings["recompute"] else 3
        tested = 0 if stage == "pretrain" else test
        each = scale.step_milliseconds / 1000
        return fixed + (passes * views + tested) * one / gpus + steps * each
    fixed += (train + test) * one  # the features of all images
    if stage == "maps":
        return fixed + MAPPED * settings["images"]
    if stage == "transfer":
        size = settings["penalties"] * train * feature_dim(encoder_settings["encoder"])
        return fixed + L_BFGS * size * SOURCES[data["source"]].classes
    if stage == "neighbours":
        return fixed
    steps = train // settings["batch_size"] * settings["epochs"]
    if stage == "probe":
        return fixed + 2 * steps * LINEAR_STEP * len(settings["tasks"])  # of h and of z
    fixed += steps * LINEAR_STEP * len(settings["protocols"])
    if "augmented" in settings["protocols"]:
        fixed += settings["epochs"] * train * one
    return fixed


def images_a_second(stage: str, settings: dict, encoder_settings: dict, data: dict, scale) -> float:
    """Return how many images of the data set one core or GPU takes in a second of a `stage`.

    What a step costs besides is left out, so it is the most. Arguments: as of `seconds`.
    """
    views = {"pretrain": 2, "evaluate": 1 / 3}.get(stage, 1)  # evaluation has forward passes alone
    passes = 4 if settings.get("recompute") else 3
    return 1 / (passes * views * _pass(encoder_settings or settings, data, scale))


def images(data: dict) -> tuple[int, int]:
    """Return (training, test) images of a data set, as many as CIFAR-10 has if only it can tell."""
    train, test = _all_images(SOURCES[data["source"]])
    return data["train_images"] or train, data["test_images"] or test


def _all_images(source: Source) -> tuple[int, int]:
    return source.train_images or 50_000, source.test_images or 10_000


def feature_dim(encoder: dict) -> int:
    """Return the dimension of h."""
    return convolutions(encoder)[-1][2]


def side_of(data: dict) -> int:
    """Return the side in pixels of views, and of the images that an encoder is evaluated on."""
    return data.get("view_size", 0) or data["image_size"]


def _pass(settings: dict, data: dict, scale) -> float:
    """Seconds of one forward pass of one image."""
    encoder, side = settings["encoder"], side_of(data)
    arithmetic = macs(encoder, side) / (scale.gmacs_per_second * 1e9)
    return arithmetic + elements(encoder, side) / (scale.gelements_per_second * 1e9)


# Bytes that a training step holds for each number that a forward pass puts out, in bfloat16: the
# output of the convolution and that of batch norm or ReLU, and what lives for a moment. Calibrated
# with `python -m benchmarks.memory`, which counts them (on a GPU none has been measured yet):
# 3.70 for ResNet-18, 3.75 for ResNet-50 of 64 and of 128 channels, 3.81 for 34, 3.83 for 101, and
# recomputed 1.74, 1.22, 1.22, 1.21 and 1.26.
KEPT, RECOMPUTED = 3.8, 1.25
STATE = 12  # bytes of a parameter: weight, gradient and momentum in float32


def memory(stage: str, settings: dict, data: dict) -> tuple[float, float]:
    """Return (bytes that every GPU holds, bytes that GPUs share) of a training step."""
    held = STATE * parameters(settings["encoder"])
    views = settings["batch_size"] * (2 if stage == "pretrain" else 1)
    each = RECOMPUTED if settings["recompute"] else KEPT
    if settings["precision"] == "float32":
        each *= 2
    return held, each * views * elements(settings["encoder"], side_of(data))


def fewest(stage: str, settings: dict, data: dict, gigabytes: float) -> int:
    """Return on how many GPUs of this memory a training step has room; 0: on no number."""
    held, shared = memory(stage, settings, data)
    room = gigabytes * 1e9 - held
    found = math.ceil(shared / room) if room > 0 else 0
    return found if found <= most(settings) else 0


def most(settings: dict) -> int:
    """Return on how many GPUs a network can be trained: an image on each, groups only on one."""
    return 1 if settings["norm_groups"] > 1 else settings["batch_size"]


def _halved(side: int) -> int:
    return (side + 1) // 2  # stride 2 with 'same' padding
