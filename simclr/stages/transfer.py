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
    x, tested = (
        features_of(encoder, image_store.open_split(data, split, device))["h"].double().cpu()
        for split in ("train", "test")
    )
    labels, wanted = (
        torch.from_numpy(np.array(found)) for found in (data.train_labels, data.test_labels)
    )
    classes = len(data.classes)
    held = torch.zeros(len(labels), dtype=torch.bool)
    held[class_balanced_share(labels, settings.validation, settings.seed)] = True
    best, start = (-1.0, 0.0, None), None
    # From strong to weak: each fit starts where the one before it ended.
    penalties = np.geomspace(settings.most, settings.least, settings.penalties)
    for place, l2 in enumerate(penalties):
        start = fit(x[~held], labels[~held], classes, l2, start)
        reached = accuracy(scores(start, x[held]), labels[held])
        if reached > best[0]:
            best = reached, float(l2), start
        report(0.1 + 0.8 * (place + 1) / len(penalties), f"l2 {l2:.3g}: {reached:.1f} %")
    _, l2, start = best
    found = scores(fit(x, labels, classes, l2, start), tested).argmax(1)
    right = (found == wanted).double()
    per_class = [right[wanted == label].mean() for label in wanted.unique()]
    files.write_metrics(
        out / "metrics.json",
        {
            "transfer_top1": 100 * right.mean().item(),
            "transfer_mean_class": 100 * torch.stack(per_class).mean().item(),
            "transfer_l2": l2,
        },
    )


def fit(x: Tensor, labels: Tensor, classes: int, l2: float, start: Tensor | None = None) -> Tensor:
    """The weights [d + 1, classes], the offset last, that minimise the objective; float64.

    x: [N, d]; labels: int64 [N].
    """
    if start is None:
        start = torch.zeros(x.shape[1] + 1, classes, dtype=torch.float64)

    def objective(flat):
        weights = torch.from_numpy(flat).view_as(start).requires_grad_()
        loss = F.cross_entropy(scores(weights, x), labels, reduction="sum")
        loss = loss + l2 / 2 * (weights[:-1] ** 2).sum()
        loss.backward()
        return loss.item(), weights.grad.flatten().numpy()

    done = scipy.optimize.minimize(
        objective,
        start.flatten().numpy(),
        jac=True,
        method="L-BFGS-B",
        # SciPy's own tolerance stops at the third digit of weights; more memory, fewer iterations.
        options={"maxiter": ITERATIONS, "ftol": 1e-12, "maxcor": 30},
    )
    return torch.from_numpy(done.x).view_as(start)


def scores(weights: Tensor, x: Tensor) -> Tensor:
    """Scores [N, classes] of features x [N, d]."""
    return x @ weights[:-1] + weights[-1]
