"""What a result costs before it is computed, in time and in memory, in pure Python.

A stage declares its duration (simclr/registry.py) by the quantities of `Work`: passes of images
through a network, training steps, steps of linear classifiers.
"""

import math
from dataclasses import dataclass

from simclr.settings.data import Prepare
from simclr.settings.training import Encoder, Training
from simclr.sources import SOURCES, Source
from simclr.splits import splits_of
from workflow.planning.networks import elements, feature_dim, macs, parameters

# Seconds of what is no pass through an encoder, fitted to the runs of `tiny` and `small` on one
# core (`python -m workflow.docs.cost_page --check tiny` compares).
LINEAR_STEP = 4e-4  # a step of a linear classifier, or of a probe, on stored features
L_BFGS = 1.65e-7  # an image, a feature, a class: a few hundred iterations
NEWTON = 1.5e-10  # an image, a squared weight: five iterations
# Bytes that a training step holds for each number that a forward pass puts out, in bfloat16: the
# output of the convolution and that of batch norm or ReLU, and what lives for a moment. Calibrated
# with `python -m benchmarks.memory`, which counts them (on a GPU none has been measured yet):
# 3.70 for ResNet-18, 3.75 for ResNet-50 of 64 and of 128 channels, 3.81 for 34, 3.83 for 101, and
# recomputed 1.74, 1.22, 1.22, 1.21 and 1.26.
KEPT, RECOMPUTED = 3.8, 1.25
UNKNOWN = 50_000  # training images, where only the data can tell: as many as CIFAR-10 has
STATE = 12  # bytes of a parameter: weight, gradient and momentum in float32


@dataclass(frozen=True)
class Work:
    """The quantities that durations are made of, for one result.

    data: settings of the data set; encoder: of the network, if any; scale: for its three rates;
    gpus: that share the work (1: one core). Durations are seconds. A pass of an image through a
    network takes the time of its multiply-adds at one rate and that of the numbers which its
    convolutions put out at the other (memory is what thin networks wait for), a backward pass as
    much as two forward passes. GPUs share images, not what a step costs besides.
    """

    data: Prepare
    encoder: Encoder | None
    scale: object
    gpus: int = 1

    @property
    def forward(self) -> float:
        """Seconds of one forward pass of one image."""
        side = side_of(self.data)
        arithmetic = macs(self.encoder, side) / (self.scale.gmacs_per_second * 1e9)
        outputs = elements(self.encoder, side) / (self.scale.gelements_per_second * 1e9)
        return arithmetic + outputs

    def reading(self) -> float:
        """All images of the source, read or made: also where only a part of them is used."""
        source = SOURCES[self.data.source]
        drawn = source.needs_counts  # only as many as are asked for
        count = sum(images(self.data) if drawn else _all_images(source))
        if self.data.unlabelled:
            count += self.data.unlabelled_images or UNKNOWN
        return count * source.seconds_per_image

    def training(self, settings: Training, views: int = 1, share: float = 1.0) -> float:
        """Training steps on a share of the training images, `views` of each in a batch."""
        used = round(trained_on(settings, self.data) * share)
        steps = used // settings.batch_size * settings.epochs
        passes = (4 if settings.recompute else 3) * views * steps * settings.batch_size
        return passes * self.forward / self.gpus + steps * self.scale.step_milliseconds / 1000

    def testing(self) -> float:
        """A forward pass of every test image."""
        return images(self.data)[1] * self.forward / self.gpus

    def features(self, most: int = 0) -> float:
        """A forward pass of every image of both splits, or of `most` of each."""
        return sum(min(count, most or count) for count in images(self.data)) * self.forward

    def forward_passes(self, epochs: int) -> float:
        """Forward passes of all training images, `epochs` times."""
        return epochs * images(self.data)[0] * self.forward

    def linear_steps(self, settings, classifiers: int, most: int = 0) -> float:
        """Steps of so many linear classifiers on stored features, of `most` images or all."""
        train = images(self.data)[0]
        steps = min(train, most or train) // settings.batch_size * settings.epochs
        return classifiers * steps * LINEAR_STEP

    def logistic_regression(self) -> float:
        """A fit by L-BFGS to the features of the training images."""
        return L_BFGS * images(self.data)[0] * self.weights

    def regression_to_the_optimum(self) -> float:
        """By Newton's method or, where there are too many weights, a thousand steps of L-BFGS."""
        newton = NEWTON * images(self.data)[0] * self.weights**2
        return min(newton, 3 * self.logistic_regression())

    @property
    def weights(self) -> int:
        """Of a linear classifier on the encoder's features."""
        return feature_dim(self.encoder) * SOURCES[self.data.source].classes


def images_a_second(settings, work: Work, views: float) -> float:
    """Return how many images of the data set one core or GPU takes in a second.

    views: training passes per image; 2 in pre-training, a third where there are only forward
    passes. What a step costs besides is left out, so it is the most.
    """
    passes = 4 if getattr(settings, "recompute", False) else 3
    return 1 / (passes * views * work.forward)


def images(data: Prepare) -> tuple[int, int]:
    """Return (training, test) images of a data set; as many as CIFAR-10 if only it can tell."""
    train, test = _all_images(SOURCES[data.source])
    return data.train_images or train - data.held_out, data.held_out or data.test_images or test


def trained_on(settings: Training, data: Prepare) -> int:
    """Return how many images are trained on; as many as in CIFAR-10 of a split of unknown size."""
    train = data.train_images or max(0, SOURCES[data.source].train_images - data.held_out)
    known = {"train": train, "unlabelled": data.unlabelled_images}
    return sum(known[split] or UNKNOWN for split in splits_of(getattr(settings, "images", "train")))


def _all_images(source: Source) -> tuple[int, int]:
    return source.train_images or UNKNOWN, source.test_images or 10_000


def side_of(data: Prepare) -> int:
    """Return the side in pixels of views, and of the images that an encoder is evaluated on."""
    return data.view_size or data.image_size


def memory(settings: Training, data: Prepare, views: int) -> tuple[float, float]:
    """Return (bytes that every GPU holds, bytes that GPUs share) of a training step.

    views: of each image of a batch.
    """
    held = STATE * parameters(settings.encoder)
    each = RECOMPUTED if settings.recompute else KEPT
    if settings.precision == "float32":
        each *= 2
    shared = each * views * settings.batch_size * elements(settings.encoder, side_of(data))
    return held, shared


def fewest(settings: Training, data: Prepare, views: int, gigabytes: float) -> int:
    """Return on how many GPUs of this memory a training step has room; 0: on no number."""
    held, shared = memory(settings, data, views)
    room = gigabytes * 1e9 - held
    count = math.ceil(shared / room) if room > 0 else 0
    return count if count <= most_gpus(settings) else 0


def most_gpus(settings: Training) -> int:
    """Return on how many GPUs a network can be trained: an image on each, groups only on one."""
    return 1 if settings.norm_groups > 1 else settings.batch_size
