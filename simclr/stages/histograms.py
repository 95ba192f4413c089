"""Stage `histograms`: can crops of one image be told by their colours alone? (Fig. 6, quantified)

The paper shows histograms of pixel intensities, all channels together, of random crops of two
images: alike within an image, and different once colour is distorted. Here every crop of many
images looks for the nearest histogram among all other crops; the metric is how often that belongs
to the same image. The crops are the same with and without distortion.
"""

import csv
import json
from pathlib import Path

import numpy as np
import torch

from simclr.augment import pipeline
from simclr.config import ConfigError
from simclr.data import image_store, packed
from simclr.settings import Histograms, Views

SHOWN = (2, 4)  # images, and crops of each, whose histograms are kept for drawing


def run(settings: Histograms, inputs: dict, out: Path, checkpoint: Path, report) -> None:
    """Write metrics.json (percent) and histograms.csv of the prepared set inputs["data"]."""
    data = packed.load(inputs["data"])
    count = len(data.train_images)
    if settings.images > count:
        raise ConfigError(
            f"images: {settings.images} are more than the training set's {count}: lower it."
        )
    generator = torch.Generator().manual_seed(settings.seed)
    chosen = torch.randperm(count, generator=generator)[: settings.images]
    some = image_store.open_split(data, "train", torch.device("cpu"), chosen)
    images = torch.from_numpy(np.stack([some.plain(k) for k in range(len(some))]))

    distorted = Views(
        operators=("crop", "color"),
        min_area=settings.min_area,
        color_strength=settings.color_strength,
    )
    plain = Views(operators=("crop",), min_area=settings.min_area)
    drawn = pipeline.draw(
        distorted, len(images), images.shape[3], generator, branches=settings.crops
    )
    metrics = {"retrieval_chance": _chance(settings.images, settings.crops)}
    shown = {}
    for step, (name, kind) in enumerate((("plain", plain), ("distorted", distorted))):
        counts = histogram(pipeline.make(images, drawn, kind), settings.bins)
        shown[name] = counts
        report((step + 0.5) / 2, f"histograms, {name}")
        for distance in (l1, chi2):
            key = f"retrieval_{name}_{distance.__name__}"
            metrics[key] = retrieval(counts, distance)
    (out / "metrics.json").write_text(json.dumps(metrics, indent=1, sort_keys=True) + "\n")
    _write_shown(out / "histograms.csv", shown)
    report(1.0, "done")


def histogram(made: torch.Tensor, bins: int) -> np.ndarray:
    """Count the values of each of the views [crops, n, 3, S, S]: int64 [n, crops, bins]."""
    crops, n = made.shape[:2]
    levels = (made.flatten(2) * bins).long().clamp_(max=bins - 1)  # [crops, n, 3 * S * S]
    owner = torch.arange(crops * n).view(crops, n, 1)
    counts = torch.bincount((levels + owner * bins).flatten(), minlength=crops * n * bins)
    return counts.view(crops, n, bins).transpose(0, 1).numpy()


def l1(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of absolute differences of histograms, over the last axis."""
    return np.abs(a - b).sum(-1)


def chi2(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Sum of (a - b)^2 / (a + b), over the last axis; bins empty in both add nothing."""
    return ((a - b) ** 2 / np.maximum(a + b, 1)).sum(-1)


def retrieval(counts: np.ndarray, distance) -> float:
    """Percent of crops whose nearest other crop is of the same image; counts [n, crops, bins].

    Where several are equally near, the share of them that is of the same image counts.
    """
    n, crops, bins = counts.shape
    flat = counts.reshape(n * crops, bins)
    image = np.arange(n * crops) // crops
    hits = 0.0
    for index, own in enumerate(flat):
        distances = distance(flat, own).astype(np.float64)
        distances[index] = np.inf
        nearest = distances == distances.min()
        hits += (image[nearest] == image[index]).mean()
    return 100 * hits / len(flat)


def _chance(images: int, crops: int) -> float:
    """Percent of a crop's possible neighbours that are of its image."""
    return 100 * (crops - 1) / (images * crops - 1)


def _write_shown(path: Path, shown: dict) -> None:
    """Write the first images' histograms as rows: image, crop, distorted, bin, density."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("image", "crop", "distorted", "bin", "density"))
        for name, counts in shown.items():
            few = counts[: SHOWN[0], : SHOWN[1]]
            for (image, crop, level), count in np.ndenumerate(few):
                density = count / counts[image, crop].sum() * counts.shape[2]  # integrates to 1
                writer.writerow((image, crop, int(name == "distorted"), level, f"{density:.6g}"))
