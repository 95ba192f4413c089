"""Stage `evaluate`: how good are the features of a frozen encoder? (paper 2.3, B.5, B.6)

A linear classifier trained on h, and on z = g(h) where there is a head, and the vote of the
nearest neighbours. The encoder is in inference mode (running statistics); its file is not touched.
Writes metrics.json: linear_h, linear_top5_h, knn_h (and the same of z) in percent, and what
training recorded; of a second protocol linear_h_<protocol> and so on. And curves.csv, a copy of the
training's, so that all that figures show can be shared without encoders.

Protocol `augmented` is the paper's: every epoch the encoder sees a new crop of every image, flipped
or not. `features` computes the features of the plain images once, and standardises them (mean 0,
deviation 1 over the training images): a linear map, which any linear classifier can contain, but
without which the few steps that a small data set affords do not train it. Whatever protocols are
asked for, the features of the plain images are extracted once.
"""

import json
import shutil
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr import devices, files
from simclr.config import ConfigError
from simclr.data import image_store, packed
from simclr.features import ROWS, accuracy, features_of, load_networks, project, standardize
from simclr.settings import Optimizer, Views
from simclr.training.batching import epoch_batches
from simclr.training.optim import build_optimizer, learning_rate
from simclr.training.order import steps_per_epoch, stored_batches

CROP_AND_FLIP = Views(operators=("crop", "flip"))


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Evaluate inputs["encoder"] on inputs["data"]; settings: settings.Evaluate.

    Raises ConfigError for settings that do not fit the data, DataError where the encoder was
    trained on other data.
    """
    data = packed.load(inputs["data"])
    count, classes = len(data.train_images), len(data.classes)
    steps_per_epoch(count, settings.batch_size)
    if settings.neighbours > count:
        raise ConfigError(f"neighbours: {settings.neighbours}, but only {count} training images.")
    device = devices.find_device(settings.device)
    networks = load_networks(inputs["encoder"], inputs["data"], device)
    images, test_images = (
        image_store.open_split(data, split, device) for split in ("train", "test")
    )
    labels, test_labels = (
        devices.to_device(array, device) for array in (data.train_labels, data.test_labels)
    )
    reduced = settings.precision == "bfloat16"
    features, test_features = (features_of(networks, x, reduced) for x in (images, test_images))
    report(0.1, "features")
    metrics = json.loads((inputs["encoder"] / "training.json").read_text())
    for name, x in features.items():
        votes = neighbours_vote(
            x, labels, test_features[name], classes, settings.neighbours, settings.knn_temperature
        )
        metrics[f"knn_{name}"] = accuracy(votes, test_labels)
    sizes = {name: x.shape[1] for name, x in features.items()}
    standard = {name: standardize(x, x) for name, x in features.items()}
    standard_test = {name: standardize(x, features[name]) for name, x in test_features.items()}
    how = settings.seed, settings.batch_size
    sources = {  # protocol -> (batches of an epoch, test features)
        "features": (lambda epoch: stored_batches(standard, *how, epoch), standard_test),
        "augmented": (
            lambda epoch: augmented_batches(networks, images, *how, epoch, reduced),
            test_features,
        ),
    }
    for protocol in settings.protocols:
        batches, tested = sources[protocol]
        suffix = "" if protocol == settings.protocols[0] else f"_{protocol}"
        classifiers = train_linear(settings, sizes, classes, labels, batches, report)
        for name, classifier in classifiers.items():
            scores = classifier(tested[name])
            metrics[f"linear_{name}{suffix}"] = accuracy(scores, test_labels)
            metrics[f"linear_top5_{name}{suffix}"] = accuracy(scores, test_labels, 5)
    files.write_metrics(out / "metrics.json", metrics)
    shutil.copyfile(inputs["encoder"] / "curves.csv", out / "curves.csv")


def augmented_batches(networks, images, seed: int, batch_size: int, epoch: int, reduced=False):
    """The same for new views of the images, crop and flip (paper B.6)."""
    for _, x, index in epoch_batches(
        images, CROP_AND_FLIP, seed=seed, batch_size=batch_size, epoch=epoch, branches=1
    ):
        yield index, project(networks, x[0], reduced)


def train_linear(settings, sizes: dict[str, int], classes: int, labels: Tensor, batches, report):
    """Train a linear classifier on each kind of features, all on the same batches.

    sizes: {name: d}; labels: int64 [N] on the device; batches(epoch) yields (indices [B], {name:
    features [B, d]}). Weights start at zero; SGD with Nesterov momentum and cosine decay. Returns
    {name: nn.Linear}.
    """
    rule = Optimizer(
        kind="sgd",
        base_lr=settings.base_lr,
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
            wanted = labels[index]
            # The classifiers share no weight: the gradient of the sum is each one's own.
            loss = sum(F.cross_entropy(linear[name](x[name]), wanted) for name in sizes)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        report(0.1 + 0.9 * (epoch + 1) / settings.epochs, f"epoch {epoch + 1}")
    return {name: linear[name].requires_grad_(False) for name in sizes}


def neighbours_vote(
    train: Tensor, labels: Tensor, test: Tensor, classes: int, neighbours: int, temperature: float
) -> Tensor:
    """Return the votes [M, classes] of the most similar training features for test [M, d].

    The `neighbours` training features [N, d] of greatest cosine similarity s vote for their labels
    [N] with weight exp(s / temperature) (Wu et al. 2018, "Unsupervised feature learning via
    non-parametric instance discrimination", 3.4). The paper reports none; it is a cheap check.
    """
    train, test = F.normalize(train, dim=1), F.normalize(test, dim=1)
    votes = []
    for some in test.split(ROWS):
        similarity, nearest = (some @ train.T).topk(neighbours, dim=1)  # [rows, k]
        weight = (similarity / temperature).exp()
        each = F.one_hot(labels[nearest], classes) * weight[:, :, None]  # [rows, k, classes]
        votes.append(each.sum(1))
    return torch.cat(votes)
