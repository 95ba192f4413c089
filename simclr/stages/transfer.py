"""Stage `transfer`: logistic regression on the features of another data set (paper B.8.1).

As in the paper: no augmentation, the strength of the l2 penalty chosen on a part of the training
images among log-spaced values, then a fit to all of them. The paper stops L-BFGS after some steps;
here Newton's method goes on to the optimum, which rounding cannot move. Without it a weak penalty's
fit ends where the order of additions puts it, up to 0.6 points of accuracy apart. Writes
metrics.json: transfer_top1 and transfer_mean_class (percent of test images; the mean over classes),
transfer_l2, transfer_unconverged (fits that stopped short of their optimum).
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from simclr import devices, files
from simclr.data import image_store, packed
from simclr.data.label_share import class_balanced_share
from simclr.features import features_of, load_networks

TOLERANCE = 1e-8  # of a fit: entries of the mean loss's gradient, in nats per image
ITERATIONS = 1000
# Newton's method solves for all weights at once, in time that grows with their third power.
LARGEST = 3000


def run(settings, inputs, out: Path, checkpoint: Path, report) -> None:
    """Fit features that inputs["encoder"] gives inputs["data"]; settings: settings.Transfer."""
    data = packed.load(inputs["data"])
    device = devices.find_device(settings.device)
    encoder = {"h": load_networks(inputs["encoder"], None, device)["h"]}
    x, test_x = (
        features_of(encoder, image_store.open_split(data, split, device))["h"].double().cpu()
        for split in ("train", "test")
    )
    mean = x.mean(0)  # without it Newton's method has to move the offsets far
    x, test_x = (x - mean).numpy(), (test_x - mean).numpy()
    labels, test_labels = np.array(data.train_labels), np.array(data.test_labels)
    l2, unconverged = choose_penalty(settings, x, labels, report)
    model = classifier(x.shape[1] * len(data.classes), l2).fit(x, labels)
    correct = model.predict(test_x) == test_labels
    per_class = [correct[test_labels == label].mean() for label in np.unique(test_labels)]
    metrics = {
        "transfer_top1": 100 * float(correct.mean()),
        "transfer_mean_class": 100 * float(np.mean(per_class)),
        "transfer_l2": l2,
        "transfer_unconverged": unconverged + fell_short(model, x, labels),
    }
    files.write_metrics(out / "metrics.json", metrics)


def penalties(settings) -> list[float]:
    """Return the strengths to try, from strong to weak.

    They have six digits. In the last of float64's NumPy's power function differs between processors
    with and without AVX-512, and nothing caps it.
    """
    spaced = np.geomspace(settings.most, settings.least, settings.penalties)
    return [float(f"{l2:.6g}") for l2 in spaced]


def choose_penalty(settings, x: np.ndarray, labels: np.ndarray, report) -> tuple[float, int]:
    """Return the penalty with the best accuracy on held-out images, and how many fits fell short.

    x: float64 [N, d]; labels: int64 [N]. Of equally good penalties, returns the strongest.
    """
    held_out = np.zeros(len(labels), dtype=bool)
    share = class_balanced_share(torch.from_numpy(labels), settings.validation, settings.seed)
    held_out[share] = True
    rest, rest_labels = x[~held_out], labels[~held_out]
    best_accuracy, best_l2, unconverged = -1.0, 0.0, 0
    model = classifier(x.shape[1] * len(np.unique(labels)), settings.most)
    tried = penalties(settings)
    # From strong to weak: each fit starts from the weights of the one before.
    for position, l2 in enumerate(tried):
        model.set_params(C=1 / l2).fit(rest, rest_labels)
        unconverged += fell_short(model, rest, rest_labels)
        top1 = 100 * model.score(x[held_out], labels[held_out])
        if top1 > best_accuracy:
            best_accuracy, best_l2 = top1, l2
        report(0.1 + 0.8 * (position + 1) / len(tried), f"l2 {l2:.3g}: {top1:.1f} %")
    return best_l2, unconverged


def classifier(weights: int, l2: float) -> LogisticRegression:
    """Return one that minimizes the sum of cross entropies plus l2 / 2 times the squared weights.

    Offsets are not penalized. weights: their number, which decides how the optimum is found.
    """
    return LogisticRegression(
        C=1 / l2,
        solver="newton-cholesky" if weights <= LARGEST else "lbfgs",
        tol=TOLERANCE,
        max_iter=ITERATIONS,
        warm_start=True,
    )


def fell_short(model: LogisticRegression, x: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether an entry of the gradient at the fit to x [N, d] is above the tolerance."""
    residual = model.predict_proba(x) - (labels[:, None] == model.classes_)
    residual = residual[:, -len(model.coef_) :]  # two classes have one weight vector between them
    gradient = x.T @ residual + model.coef_.T / model.C
    largest = max(abs(gradient).max(), abs(residual.sum(0)).max())
    return bool(largest > 2 * TOLERANCE * len(x))
