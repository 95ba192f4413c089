"""Stage `probe`: which transformations can be told from h, and which from z = g(h)? (Table 3)

A classifier with one hidden layer learns on frozen features whether an image was turned gray (one
in five is, so guessing gives 80 %), how it was rotated (25 %), whether noise was added to it, or
whether it is the response of a Sobel filter (50 %). Features are standardized. The paper does not
give the size of its classifier. Writes metrics.json: probe_<task>_h and probe_<task>_z, percent of
test images.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr import devices, files, rng
from simclr.augment import functional
from simclr.data import image_store, packed
from simclr.features import accuracy, features_of, load_networks, standardize
from simclr.training.order import steps_per_epoch, stored_batches

CLASSES = {"gray": 2, "rotation": 4, "noise": 2, "sobel": 2}  # of each task


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Probe inputs["encoder"] on images of inputs["data"]; settings: settings.Probe.

    Raises ConfigError if settings do not fit the data.
    """
    data = packed.load(inputs["data"])
    images = {split: first_images(data, split, settings.images) for split in ("train", "test")}
    steps_per_epoch(len(images["train"]), settings.batch_size)
    device = devices.find_device(settings.device)
    networks = load_networks(inputs["encoder"], inputs["data"], device)
    metrics = {}
    for position, task in enumerate(settings.tasks):
        metrics |= probe_task(settings, task, images, networks, device)
        report((position + 1) / len(settings.tasks), task)
    files.write_metrics(out / "metrics.json", metrics)


def probe_task(settings, task: str, images: dict, networks: dict, device) -> dict[str, float]:
    """Return probe_<task>_<name> in percent, for each kind of features `name`.

    images: split -> uint8 [N, 3, S, S].
    """
    features, labels = {}, {}
    for split in ("train", "test"):
        generator = rng.generator(settings.seed, f"probe {task} {split}")
        plain = images[split].to(device)
        changed, changes = transform(task, plain, settings.noise_sigma, generator)
        features[split], labels[split] = features_of(networks, changed), changes.to(device)
    metrics = {}
    for name, x in features["train"].items():
        test_x = standardize(features["test"][name], x)
        classifier = train_classifier(standardize(x, x), labels["train"], CLASSES[task], settings)
        metrics[f"probe_{task}_{name}"] = accuracy(classifier(test_x), labels["test"])
    return metrics


def first_images(data, split: str, limit: int) -> Tensor:
    """Return at most `limit` images of a split, its first, or all if 0: uint8 [N, 3, S, S].

    Classes take turns in a prepared set, so the first images are of all classes.
    """
    count = len(getattr(data, f"{split}_images"))
    rows = torch.arange(min(count, limit or count))
    return image_store.open_split(data, split, torch.device("cpu"), rows).eval_images()


def transform(
    task: str, images: Tensor, noise_sigma: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Transform some of the images uint8 [N, 3, S, S].

    Returns the images, uint8 [N, 3, S, S], and their labels, int64 [N]: 1 for a transformed image
    and 0 for a plain one, or the number of quarter turns.
    """
    n = len(images)
    x = (images.float() / 255).clone()
    if task == "rotation":
        label = torch.randint(4, (n,), generator=generator)
        for turns in (1, 2, 3):
            functional.rotate_(x, _rows(label == turns, x), turns)
    else:
        probability = 0.2 if task == "gray" else 0.5
        label = (torch.rand(n, generator=generator) < probability).long()
        rows = _rows(label == 1, x)
        if task == "gray":
            functional.gray_(x, rows)
        elif task == "sobel":
            x[rows] = functional.sobel(x[rows])
        else:
            sigma = torch.rand(n, generator=generator) * noise_sigma * label
            field = torch.randn(x.shape, generator=generator)
            functional.add_noise_(x, sigma.to(x.device), field.to(x.device)).clamp_(0, 1)
    return (x * 255).round_().to(torch.uint8), label


def _rows(mask: Tensor, x: Tensor) -> Tensor:
    """Return the indices where `mask` is true, on the device of x."""
    return mask.nonzero()[:, 0].to(x.device)


def train_classifier(x: Tensor, labels: Tensor, classes: int, settings) -> nn.Module:
    """Train a classifier with one hidden layer on features x [N, d] with Adam."""
    generator = rng.generator(settings.seed, "weights")
    network = nn.Sequential(
        nn.Linear(x.shape[1], settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, classes)
    )
    for layer in (network[0], network[2]):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(layer.bias)
    network.to(x.device)
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate)
    for epoch in range(settings.epochs):
        for index, batch in stored_batches({"x": x}, settings.seed, settings.batch_size, epoch):
            loss = F.cross_entropy(network(batch["x"]), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.requires_grad_(False)
