"""Stage `evaluate`: how good are the features of a frozen encoder? (paper 2.3, B.5, B.6)

Trains a linear classifier on h, and on z = g(h) if there is a head, and lets the nearest neighbors
vote. The encoder is in inference mode (running statistics); its file is not touched.

Writes metrics.json: linear_h, linear_top5_h, knn_h (and the same of z) in percent, and what
training recorded; of a second protocol linear_h_<protocol> and so on. Also curves.csv, a copy of
the training's, so that all that figures show can be shared without encoders.

Protocol `augmented` is the paper's: every epoch the encoder sees a new crop of every image, flipped
or not. `features` computes the features of the plain images once and standardizes them (mean 0,
deviation 1 over the training images). That is a linear map, which any linear classifier can
contain, but without it the few steps that a small data set affords do not train the classifier.
The features of the plain images are extracted once for all protocols.

With `solver: lbfgs` the classifier of `features` is the optimum itself. The features are whitened,
again a linear map, so that L-BFGS needs some tens of passes however they are correlated; it stops
where no entry of the mean loss's gradient exceeds TOLERANCE. metrics.json has the largest one,
linear_gradient_h. With sgd the distance from the optimum depends on the features: of two sets that
one linear map turns into each other, one may score lower.

With `labels` below 1, classifiers and neighbors see only this share of the training images, by
class, drawn by the seed.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr import devices, files, logistic
from simclr.augment import pipeline
from simclr.config import ConfigError
from simclr.data import image_store, packed
from simclr.data.label_share import class_balanced_share
from simclr.features import ROWS, accuracy, features_of, load_networks, project, standardize
from simclr.settings.training import Optimizer
from simclr.training.batching import epoch_batches
from simclr.training.optim import build_optimizer, learning_rate
from simclr.training.order import steps_per_epoch, stored_batches

TOLERANCE = 1e-5  # of lbfgs: entries of the gradient, in nats per image
ITERATIONS = 1000  # at most; with more than a few images of each class some tens do
CROP_AND_FLIP = replace(pipeline.STATED, operators=("crop", "flip"))


class Protocol(NamedTuple):
    """What a linear classifier is trained and tested on.

    batches(epoch) yields (indices [B], {name: features [B, d]}); test_features: {name: [M, d]}.
    """

    batches: Callable
    test_features: dict[str, Tensor]


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Evaluate inputs["encoder"] on inputs["data"]; settings: settings.Evaluate.

    Raises ConfigError if settings do not fit the data, and DataError if the encoder was trained on
    other data.
    """
    data = packed.load(inputs["data"])
    labels, rows = torch.from_numpy(data.train_labels.copy()), None
    if settings.labels < 1:
        rows = class_balanced_share(labels, settings.labels, settings.seed)
        labels = labels[rows]
    count, classes = len(labels), len(data.classes)
    if settings.solver == "sgd":
        steps_per_epoch(count, settings.batch_size)
    if settings.neighbours > count:
        raise ConfigError(f"neighbours: {settings.neighbours}, but only {count} training images.")
    device = devices.find_device(settings.device)
    networks = load_networks(inputs["encoder"], inputs["data"], device)
    images = image_store.open_split(data, "train", device, rows)
    test_images = image_store.open_split(data, "test", device)
    labels = labels.to(device)
    test_labels = devices.to_device(data.test_labels, device)
    reduced = settings.precision == "bfloat16"
    features = features_of(networks, images, reduced)
    test_features = features_of(networks, test_images, reduced)
    report(0.1, "features")
    metrics = files.read_json(inputs["encoder"] / "training.json")
    for name, x in features.items():
        some = slice(settings.knn_images or None)
        votes = knn_votes(
            x,
            labels,
            test_features[name][some],
            classes=classes,
            neighbors=settings.neighbours,
            temperature=settings.knn_temperature,
        )
        metrics[f"knn_{name}"] = accuracy(votes, test_labels[some])
    if settings.solver == "lbfgs":
        metrics |= solve_linear(settings, features, labels, test_features, test_labels, classes)
    sizes = {name: x.shape[1] for name, x in features.items()}
    protocols = {
        "features": on_stored_features(settings, features, test_features),
        "augmented": on_new_views(settings, networks, images, test_features),
    }
    for position, name in enumerate(settings.protocols if settings.solver == "sgd" else ()):
        protocol = protocols[name]
        classifiers = train_linear(settings, sizes, classes, labels, protocol.batches, report)
        suffix = "" if position == 0 else f"_{name}"
        tested = {name: classifiers[name](x) for name, x in protocol.test_features.items()}
        metrics |= linear_metrics(tested, test_labels, suffix)
    files.write_metrics(out / "metrics.json", metrics)
    files.copy_atomic(inputs["encoder"] / "curves.csv", out / "curves.csv")


def on_stored_features(settings, features: dict, test_features: dict) -> Protocol:
    """Protocol `features`: the stored features of plain images, standardized."""
    standard = {name: standardize(x, x) for name, x in features.items()}
    batches = functools.partial(stored_batches, standard, settings.seed, settings.batch_size)
    test = {name: standardize(x, features[name]) for name, x in test_features.items()}
    return Protocol(batches, test)


def on_new_views(settings, networks, images, test_features: dict) -> Protocol:
    """Protocol `augmented`: features of new views in every epoch; test images are plain."""
    batches = functools.partial(
        augmented_batches,
        networks,
        images,
        seed=settings.seed,
        batch_size=settings.batch_size,
        reduced=settings.precision == "bfloat16",
    )
    return Protocol(batches, test_features)


def augmented_batches(networks, images, epoch: int, *, seed: int, batch_size: int, reduced=False):
    """Yield (indices [B], {name: features [B, d]}) of new crops, flipped or not (paper B.6).

    reduced: the networks compute in bfloat16.
    """
    for _, views, index in epoch_batches(
        images, CROP_AND_FLIP, seed=seed, batch_size=batch_size, epoch=epoch, branches=1
    ):
        yield index, project(networks, views[0], reduced)


def train_linear(
    settings, sizes: dict[str, int], classes: int, labels: Tensor, batches, report
) -> dict[str, nn.Linear]:
    """Train a linear classifier on each kind of features, all on the same batches.

    sizes: {name: d}; labels: int64 [N] on the device; batches: see Protocol. Weights start at zero;
    SGD with Nesterov momentum and cosine decay.
    """
    rule = Optimizer(
        kind="sgd",
        base_lr=settings.base_lr,
        lr_scaling="linear",
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        warmup_epochs=0.0,
    )
    linear = nn.ModuleDict({name: nn.Linear(size, classes) for name, size in sizes.items()})
    linear.to(labels.device)
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    optimizer = build_optimizer(rule, [linear])
    step = 0
    for epoch in range(settings.epochs):
        for index, x in batches(epoch):
            rate = learning_rate(rule, settings.batch_size, len(labels), settings.epochs, step)
            for group in optimizer.param_groups:
                group["lr"] = rate
            targets = labels[index]
            # The classifiers share no weight: each gets the gradient of its own loss.
            loss = sum(F.cross_entropy(linear[name](x[name]), targets) for name in sizes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        report(0.1 + 0.9 * (epoch + 1) / settings.epochs, f"epoch {epoch + 1}")
    return {name: linear[name].requires_grad_(False) for name in sizes}


def solve_linear(
    settings,
    features: dict[str, Tensor],
    labels: Tensor,
    test_features: dict[str, Tensor],
    test_labels: Tensor,
    classes: int,
) -> dict:
    """Return the metrics of the best linear classifier on each kind of features [N, d]."""
    metrics, labels, test_labels = {}, labels.cpu(), test_labels.cpu()
    for name, x in features.items():
        mean, whiten = logistic.whitening(x)
        x, test_x = (((y.double() - mean) @ whiten).cpu() for y in (x, test_features[name]))
        found = logistic.fit(
            x,
            labels,
            classes,
            settings.weight_decay * len(labels),
            maxiter=ITERATIONS,
            gtol=TOLERANCE * len(labels),
            ftol=0,
        )
        metrics |= linear_metrics({name: logistic.scores(found.weights, test_x)}, test_labels)
        metrics[f"linear_gradient_{name}"] = found.gradient / len(labels)
    return metrics


def linear_metrics(scores: dict[str, Tensor], labels: Tensor, suffix: str = "") -> dict:
    """Return top-1 and top-5 accuracy in percent of each classifier's scores [M, classes]."""
    metrics = {}
    for name, each in scores.items():
        metrics[f"linear_{name}{suffix}"] = accuracy(each, labels)
        metrics[f"linear_top5_{name}{suffix}"] = accuracy(each, labels, 5)
    return metrics


def knn_votes(
    train: Tensor,
    labels: Tensor,
    test: Tensor,
    *,
    classes: int,
    neighbors: int,
    temperature: float,
) -> Tensor:
    """Return the votes [M, classes] of the most similar training features for test [M, d].

    The `neighbors` training features [N, d] of greatest cosine similarity s vote for their labels
    [N] with weight exp(s / temperature) (Wu et al. 2018, "Unsupervised feature learning via
    non-parametric instance discrimination", 3.4). The paper reports none; it is a cheap check.
    """
    train, test = F.normalize(train, dim=1), F.normalize(test, dim=1)
    votes = []
    for rows in test.split(ROWS):
        similarity, nearest = (rows @ train.T).topk(neighbors, dim=1)  # [rows, k]
        weights = (similarity / temperature).exp()
        weighted = F.one_hot(labels[nearest], classes) * weights[:, :, None]  # [rows, k, classes]
        votes.append(weighted.sum(1))
    return torch.cat(votes)
