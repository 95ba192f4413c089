"""Stage `histograms`: do colors suffice to tell which crops come from one image? (Fig. 6, measured)

The paper shows histograms of pixel intensities, all channels together, of random crops of two
images: alike within an image, and different once color is distorted. Here the nearest histogram of
every crop of many images is searched among all other crops; the metric is how often it belongs to
the same image. The crops are the same with and without distortion.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from simclr import files
from simclr.augment import pipeline
from simclr.config import ConfigError
from simclr.data import image_store, packed
from simclr.settings.measuring import Histograms

SHOWN_IMAGES, SHOWN_CROPS = 2, 4  # whose histograms are written, for drawing
HEADER = ("image", "crop", "distorted", "bin", "density")


def run(settings: Histograms, inputs: dict, out: Path, checkpoint: Path, report) -> None:
    """Write metrics.json (percent) and histograms.csv of the prepared set inputs["data"]."""
    data = packed.load(inputs["data"])
    count = len(data.train_images)
    if settings.images > count:
        raise ConfigError(
            f"images: {settings.images} are more than the training set's {count}: lower it."
        )
    # Not by rng.generator, whose streams are others: it would change the published numbers.
    generator = torch.Generator().manual_seed(settings.seed)
    rows = torch.randperm(count, generator=generator)[: settings.images]
    images = image_store.open_split(data, "train", torch.device("cpu"), rows).eval_images()
    crop = replace(pipeline.STATED, operators=("crop",), min_area=settings.min_area)
    crop_and_color = replace(
        crop, operators=("crop", "color"), color_strength=settings.color_strength
    )
    drawn = pipeline.draw(
        crop_and_color, len(images), images.shape[3], generator, branches=settings.crops
    )
    metrics = {"retrieval_chance": _chance(settings.images, settings.crops)}
    cells = []
    for distorted, name, views in ((0, "plain", crop), (1, "distorted", crop_and_color)):
        counts = histogram(pipeline.make(images, drawn, views), settings.bins)
        cells += density_rows(counts[:SHOWN_IMAGES, :SHOWN_CROPS], distorted)
        report((distorted + 0.5) / 2, f"histograms, {name}")
        for distance in (l1, chi2):
            metrics[f"retrieval_{name}_{distance.__name__}"] = retrieval(counts, distance)
    files.write_metrics(out / "metrics.json", metrics)
    files.write_csv(out / "histograms.csv", HEADER, cells)
    report(1.0, "done")


def histogram(views: torch.Tensor, bins: int) -> np.ndarray:
    """Count the values of each of the views [crops, n, 3, S, S]: int64 [n, crops, bins]."""
    crops, n = views.shape[:2]
    levels = (views.flatten(2) * bins).long().clamp_(max=bins - 1)  # [crops, n, 3 * S * S]
    view_number = torch.arange(crops * n).view(crops, n, 1)
    cells = (levels + view_number * bins).flatten()
    counts = torch.bincount(cells, minlength=crops * n * bins)
    return counts.view(crops, n, bins).transpose(0, 1).numpy()


def density_rows(counts: np.ndarray, distorted: int) -> list[tuple]:
    """Return (image, crop, distorted, bin, density) of histograms [n, crops, bins].

    The density of a view's values in [0, 1] integrates to 1.
    """
    rows = []
    for (image, crop, level), count in np.ndenumerate(counts):
        density = count / counts[image, crop].sum() * counts.shape[2]
        rows.append((image, crop, distorted, level, f"{density:.6g}"))
    return rows


def l1(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sum of absolute differences of histograms, over the last axis."""
    return np.abs(a - b).sum(-1)


def chi2(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sum of (a - b)^2 / (a + b), over the last axis; bins empty in both add nothing."""
    return ((a - b) ** 2 / np.maximum(a + b, 1)).sum(-1)


def retrieval(counts: np.ndarray, distance) -> float:
    """Return the percentage of crops whose nearest other crop is of the same image.

    counts: [n, crops, bins]. If several crops are equally near, counts the share of them that is of
    the same image.
    """
    n, crops, bins = counts.shape
    flat = counts.reshape(n * crops, bins)
    image = np.arange(n * crops) // crops
    hits = 0.0
    for index, query in enumerate(flat):
        distances = distance(flat, query).astype(np.float64)
        distances[index] = np.inf
        nearest = distances == distances.min()
        hits += (image[nearest] == image[index]).mean()
    return 100 * hits / len(flat)


def _chance(images: int, crops: int) -> float:
    """Return the percentage of a crop's possible neighbors that are of its image."""
    return 100 * (crops - 1) / (images * crops - 1)
