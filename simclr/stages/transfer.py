"""Stage `transfer`: logistic regression on the features of another data set (paper B.8.1).

As in the paper: L-BFGS, no augmentation, the strength of the l2 penalty chosen on a part of the
training images among log-spaced values, then a fit to all of them. Writes metrics.json:
transfer_top1 and transfer_mean_class (percent of test images; the mean over classes), transfer_l2.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from simclr import devices, files
from simclr.data import image_store, packed
from simclr.data.label_share import class_balanced_share
from simclr.features import accuracy, features_of, load_networks
from simclr.logistic import fit, scores


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Fit features that inputs["encoder"] gives inputs["data"]; settings: settings.Transfer."""
    data = packed.load(inputs["data"])
    device = devices.find_device(settings.device)
    encoder = {"h": load_networks(inputs["encoder"], None, device)["h"]}
    x, test_x = (
        features_of(encoder, image_store.open_split(data, split, device))["h"].double().cpu()
        for split in ("train", "test")
    )
    labels = torch.from_numpy(np.array(data.train_labels))
    test_labels = torch.from_numpy(np.array(data.test_labels))
    l2, weights = choose_penalty(settings, x, labels, len(data.classes), report)
    weights = fit(x, labels, len(data.classes), l2, weights).weights
    correct = (scores(weights, test_x).argmax(1) == test_labels).double()
    per_class = [correct[test_labels == label].mean() for label in test_labels.unique()]
    metrics = {
        "transfer_top1": 100 * correct.mean().item(),
        "transfer_mean_class": 100 * torch.stack(per_class).mean().item(),
        "transfer_l2": l2,
    }
    files.write_metrics(out / "metrics.json", metrics)


def choose_penalty(
    settings, x: Tensor, labels: Tensor, classes: int, report
) -> tuple[float, Tensor]:
    """Return the penalty with the best accuracy on held-out images, and the weights of its fit.

    x: float64 [N, d]; labels: int64 [N]. Of equally good penalties, returns the strongest.
    """
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[class_balanced_share(labels, settings.validation, settings.seed)] = True
    best_accuracy, best_l2, best_weights, weights = -1.0, 0.0, None, None
    # From strong to weak: each fit starts from the weights of the one before.
    penalties = np.geomspace(settings.most, settings.least, settings.penalties)
    for position, l2 in enumerate(penalties):
        weights = fit(x[~held_out], labels[~held_out], classes, l2, weights).weights
        top1 = accuracy(scores(weights, x[held_out]), labels[held_out])
        if top1 > best_accuracy:
            best_accuracy, best_l2, best_weights = top1, float(l2), weights
        report(0.1 + 0.8 * (position + 1) / len(penalties), f"l2 {l2:.3g}: {top1:.1f} %")
    return best_l2, best_weights
