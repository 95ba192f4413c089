"""Stage `probe`: which transformations can be told from h, and which from z = g(h)? (Table 3)

A classifier with one hidden layer learns on frozen features whether an image was turned gray (one
in five is, so guessing gives 80 %), how it was rotated (25 %), whether it has noise on it, or is
the response of a Sobel filter (50 %). Features are standardised. The paper does not give the size
of its classifier. Writes metrics.json: probe_<task>_h and probe_<task>_z, percent of test images.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr import devices, files, rng
from simclr.augment import functional
from simclr.data import image_store, packed
from simclr.features import accuracy, features_of, load_networks, standardize
from simclr.training.order import steps_per_epoch, stored_batches

KINDS = {"gray": 2, "rotation": 4, "noise": 2, "sobel": 2}  # classes of each task


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Probe inputs["encoder"] on images of inputs["data"]; settings: settings.Probe.

    Raises ConfigError for settings that do not fit the data.
    """
    data = packed.load(inputs["data"])
    images = {split: some_images(data, split, settings.images) for split in ("train", "test")}
    steps_per_epoch(len(images["train"]), settings.batch_size)
    device = devices.find_device(settings.device)
    networks = load_networks(inputs["encoder"], inputs["data"], device)
    metrics = {}
    for place, task in enumerate(settings.tasks):
        features, wanted = {}, {}
        for split in ("train", "test"):
            draws = rng.generator(settings.seed, f"probe {task} {split}")
            plain = images[split].to(device)
            changed, label = transformed(task, plain, settings.noise_sigma, draws)
            features[split], wanted[split] = features_of(networks, changed), label.to(device)
        for name, x in features["train"].items():
            tested = standardize(features["test"][name], x)
            classifier = trained(standardize(x, x), wanted["train"], KINDS[task], settings)
            metrics[f"probe_{task}_{name}"] = accuracy(classifier(tested), wanted["test"])
        report((place + 1) / len(settings.tasks), task)
    files.write_metrics(out / "metrics.json", metrics)


def some_images(data, split: str, most: int) -> Tensor:
    """The first images of a split, which are of all classes; `most` 0: all. uint8 [N, 3, S, S]."""
    count = len(getattr(data, f"{split}_images"))
    some = image_store.open_split(
        data, split, torch.device("cpu"), torch.arange(min(count, most or count))
    )
    return torch.from_numpy(np.stack([some.plain(k) for k in range(len(some))]))


def transformed(
    task: str, images: Tensor, noise_sigma: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return (images, labels): uint8 [N, 3, S, S], some transformed, and int64 [N], how."""
    n = len(images)
    x = (images.float() / 255).clone()
    if task == "rotation":
        label = torch.randint(4, (n,), generator=generator)
        for turns in (1, 2, 3):
            functional.rotate_(x, _which(label == turns, x), turns)
    else:
        probability = 0.2 if task == "gray" else 0.5
        label = (torch.rand(n, generator=generator) < probability).long()
        chosen = _which(label == 1, x)
        if task == "gray":
            functional.gray_(x, chosen)
        elif task == "sobel":
            x[chosen] = functional.sobel(x[chosen])
        else:
            sigma = torch.rand(n, generator=generator) * noise_sigma * label
            field = torch.randn(x.shape, generator=generator)
            functional.add_noise_(x, sigma.to(x.device), field.to(x.device)).clamp_(0, 1)
    return (x * 255).round_().to(torch.uint8), label


def _which(mask: Tensor, x: Tensor) -> Tensor:
    return mask.nonzero()[:, 0].to(x.device)


def trained(x: Tensor, labels: Tensor, classes: int, settings) -> nn.Module:
    """A classifier with one hidden layer, trained on features x [N, d] with Adam."""
    initial = rng.generator(settings.seed, "weights")
    network = nn.Sequential(
        nn.Linear(x.shape[1], settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, classes)
    )
    for layer in (network[0], network[2]):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=initial)
        nn.init.zeros_(layer.bias)
    network.to(x.device)
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate)
    for epoch in range(settings.epochs):
        for index, part in stored_batches({"x": x}, settings.seed, settings.batch_size, epoch):
            loss = F.cross_entropy(network(part["x"]), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network.requires_grad_(False)
