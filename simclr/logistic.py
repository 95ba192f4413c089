"""Multinomial logistic regression by L-BFGS, in float64."""

from typing import NamedTuple

import numpy as np
import scipy.optimize
import torch
import torch.nn.functional as F
from torch import Tensor

# SciPy's own tolerance stops at the third digit of weights; more memory, fewer iterations.
STOPPING = {"maxiter": 300, "ftol": 1e-12, "maxcor": 30}


class Fit(NamedTuple):
    """weights: float64 [d + 1, classes], offsets last; gradient: its largest entry, by size."""

    weights: Tensor
    gradient: float


def fit(
    x: Tensor, labels: Tensor, classes: int, l2: float, start: Tensor | None = None, **stopping
) -> Fit:
    """Minimize the sum of the cross entropies plus l2 / 2 times the squared weights.

    Offsets are not penalized. x: float64 [N, d]; labels: int64 [N]; start: weights to begin with,
    by default zeros; stopping: options of SciPy's L-BFGS-B in place of STOPPING.
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
        options=STOPPING | stopping,
    )
    return Fit(torch.from_numpy(result.x).view_as(start), float(abs(result.jac).max()))


def scores(weights: Tensor, x: Tensor) -> Tensor:
    """Return the logits [N, classes] of features x [N, d]."""
    return x @ weights[:-1] + weights[-1]


def whitening(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean [d] and a map [d, r] after which x [N, d] has covariance 1; float64.

    Directions whose variance is rounding, 1e-12 of the first one's or of the squared mean, are left
    out: x comes from float32.
    """
    x = x.double()
    mean = x.mean(0)
    centered = x - mean
    variances, directions = torch.linalg.eigh(centered.T @ centered / len(x))
    kept = variances > 1e-12 * max(variances[-1], mean.square().sum())
    return mean, directions[:, kept] / variances[kept].sqrt()
