"""Logistic regression by L-BFGS: the same optimum as scikit-learn's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression

from simclr.logistic import fit, scores


def clusters(count, seed):
    """Features [count, 5] of 3 overlapping classes, in columns of different sizes."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(3, 5))
    labels = rng.integers(0, 3, count)
    x = (centres[labels] + rng.normal(size=(count, 5))) * [0.3, 0.6, 1, 2, 3] + 0.5
    return torch.tensor(x), torch.from_numpy(labels)


def reference(x, labels, l2):
    """scikit-learn's optimum: it divides the same objective by the penalty."""
    model = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=20000, solver="lbfgs")
    return model.fit(np.asarray(x), np.asarray(labels))


@pytest.mark.parametrize("l2", [1e-2, 1.0, 30.0, 1e3])
def test_fit_is_that_of_scikit_learn(l2):
    x, labels = clusters(300, 1)
    tested, _ = clusters(300, 2)
    found, model = fit(x, labels, 3, l2).weights, reference(x, labels, l2)
    assert found.shape == (6, 3) and found.dtype == torch.float64
    np.testing.assert_allclose(found[:-1].T, model.coef_, atol=1e-3, rtol=0)
    # Offsets are known but for one number, which all may have more.
    offsets, wanted = found[-1] - found[-1].mean(), model.intercept_ - model.intercept_.mean()
    np.testing.assert_allclose(offsets, wanted, atol=1e-3, rtol=0)
    assert scores(found, tested).argmax(1).tolist() == model.predict(tested.numpy()).tolist()


def objective(weights, x, labels, l2):
    """By loops, as the docstring has it."""
    total = 0.0
    for row, label in zip(x, labels, strict=True):
        each = weights[-1] + row @ weights[:-1]
        total = total + torch.log(torch.exp(each).sum()) - each[label]
    return total + l2 / 2 * sum(float(w) ** 2 for w in weights[:-1].flatten())


@pytest.mark.parametrize("l2", [1e-2, 1.0, 1e3])
def test_gradient_at_the_solution_is_near_zero(l2):
    x, labels = clusters(200, 1)
    found = fit(x, labels, 3, l2).weights.requires_grad_()
    value = F.cross_entropy(scores(found, x), labels, reduction="sum")
    value = value + l2 / 2 * (found[:-1] ** 2).sum()
    value.backward()
    assert found.grad.abs().max() < 1e-3  # of a sum over 200 images
    least = objective(found.detach(), x, labels, l2)
    assert value.item() == pytest.approx(float(least), rel=1e-9)
    for seed in range(5):  # and no step from it is downhill
        step = torch.randn(6, 3, generator=torch.Generator().manual_seed(seed)).double()
        assert objective(found.detach() + 0.05 * step, x, labels, l2) > least


def test_where_it_starts_does_not_matter_and_is_left_alone():
    x, labels = clusters(200, 1)
    start = torch.ones(6, 3, dtype=torch.float64)
    found = fit(x, labels, 3, 1.0, start).weights
    torch.testing.assert_close(found[:-1], fit(x, labels, 3, 1.0).weights[:-1], atol=1e-3, rtol=0)
    assert torch.equal(start, torch.ones_like(start))
