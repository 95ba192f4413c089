"""Stage `transfer`: logistic regression on the features of another data set (paper B.8.1).

As in the paper: L-BFGS, no augmentation, the strength of the l2 penalty chosen on a part of the
training images among log-spaced values, then a fit to all of them. The objective is the sum of the
cross entropies plus l2 / 2 times the squared weights; offsets are free. Writes metrics.json:
transfer_top1 and transfer_mean_class (percent of test images; the mean over classes), transfer_l2.
"""

from pathlib import Path

import numpy as np
import scipy.optimize
import torch
import torch.nn.functional as F
from torch import Tensor

from simclr import devices, files
from simclr.data import image_store, packed
from simclr.data.label_share import class_balanced_share
from simclr.features import accuracy, features_of, load_networks

ITERATIONS = 300  # of L-BFGS, at most, for each penalty


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
    weights = fit(x, labels, len(data.classes), l2, weights)
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
        weights = fit(x[~held_out], labels[~held_out], classes, l2, weights)
        top1 = accuracy(scores(weights, x[held_out]), labels[held_out])
        if top1 > best_accuracy:
            best_accuracy, best_l2, best_weights = top1, float(l2), weights
        report(0.1 + 0.8 * (position + 1) / len(penalties), f"l2 {l2:.3g}: {top1:.1f} %")
    return best_l2, best_weights


def fit(x: Tensor, labels: Tensor, classes: int, l2: float, start: Tensor | None = None) -> Tensor:
    """Return the weights [d + 1, classes], float64, that minimize the objective; offsets are last.

    x: float64 [N, d]; labels: int64 [N]; start: weights to begin with, by default zeros.
    scikit-learn's LogisticRegression(C=1 / l2) has the same optimum, but stops at other digits.
    """
    if start is None:
        start = torch.zeros(x.shape[1] + 1, classes, dtype=torch.float64)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.from_numpy(flat).view_as(start).requires_grad_()
        loss = F.cross_entropy(scores(weights, x), labels, reduction="sum")
        loss = loss + l2 / 2 * (weights[:-1] ** 2).sum()
        loss.backward()
        return loss.item(), weights.grad.flatten().numpy()

    result = scipy.optimize.minimize(
        objective,
        start.flatten().numpy(),
        jac=True,
        method="L-BFGS-B",
        # SciPy's own tolerance stops at the third digit of weights; more memory, fewer iterations.
        options={"maxiter": ITERATIONS, "ftol": 1e-12, "maxcor": 30},
    )
    return torch.from_numpy(result.x).view_as(start)


def scores(weights: Tensor, x: Tensor) -> Tensor:
    """Return the logits [N, classes] of features x [N, d]."""
    return x @ weights[:-1] + weights[-1]
