"""NT-Xent against the official code's numbers, a naive loop, and finite differences."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from simclr import losses
from simclr.losses import nt_xent, summaries

ORACLE = Path(__file__).parent / "oracle"


def projections(n, dim, seed=0, dtype=torch.float32):
    return torch.randn(2, n, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("case", range(8))
def test_loss_gradient_and_summaries_are_those_of_the_official_code(case):
    prefix = f"case{case}_"
    with np.load(ORACLE / "objective.npz", allow_pickle=False) as file:
        stored = {k.removeprefix(prefix): file[k] for k in file if k.startswith(prefix)}
    n, _, temperature, normalize = stored["params"].tolist()
    n = int(n)
    hidden = torch.from_numpy(stored["hidden"]).requires_grad_()
    loss, accuracy, entropy = nt_xent(hidden[:n], hidden[n:], temperature, normalize == 1)
    (2 * loss).backward()  # the official loss is the sum of two means over N: twice the paper's
    largest = np.abs(stored["logits"]).max()
    assert abs(2 * loss.item() - stored["loss"]) <= max(1e-5, 1e-6 * largest)
    gradient = stored["grad"]
    assert np.abs(hidden.grad.numpy() - gradient).max() <= 1e-5 * max(np.abs(gradient).max(), 1e-6)
    assert accuracy.item() == pytest.approx(100 * float(stored["contrast_acc"]), abs=1e-4)
    assert entropy.item() == pytest.approx(float(stored["contrast_entropy"]), abs=1e-5)


def naive(a, b, temperature, normalize):
    """Equation 1 as it is written, with loops; returns the mean over the 2N ordered positives."""
    z = [*a, *b]
    n = len(a)

    def similarity(i, j):
        size = math.sqrt(z[i] @ z[i]) * math.sqrt(z[j] @ z[j]) if normalize else 1.0
        return float(z[i] @ z[j]) / size

    total = 0.0
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = sum(math.exp(similarity(i, k) / temperature) for k in range(2 * n) if k != i)
        total -= math.log(math.exp(similarity(i, j) / temperature) / others)
    return total / (2 * n)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("dim", [1, 2, 8])
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_loss_is_equation_1(n, dim, normalize):
    for temperature in (0.1, 0.5, 1.0, 10.0):
        a, b = projections(n, dim, seed=n, dtype=torch.float64)
        loss, *_ = nt_xent(a, b, temperature, normalize)
        wanted = naive(a.numpy(), b.numpy(), temperature, normalize)
        assert loss.item() == pytest.approx(wanted, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("normalize", [True, False])
def test_gradient_is_that_of_finite_differences(normalize):
    a, b = projections(3, 4, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: nt_xent(a, b, 0.5, normalize)[0], (a, b))


def test_one_image_has_no_negatives():
    a, b = projections(1, 8)
    a.requires_grad_()
    loss, accuracy, entropy = nt_xent(a, b, 0.1)
    loss.backward()
    assert loss.item() == 0 and torch.all(a.grad == 0)
    assert accuracy.item() == 100 and abs(entropy.item()) < 1e-6


def test_loss_of_unrelated_views_is_near_that_of_chance():
    a, b = projections(64, 512)
    assert nt_xent(a, b, 1.0)[0].item() == pytest.approx(math.log(2 * 64 - 1), abs=0.01)


@pytest.mark.parametrize("temperature", [1e-6, 1e-3, 1e3, 1e6])
def test_extreme_temperatures_stay_finite(temperature):
    for normalize in (True, False):
        a, b = projections(8, 16).requires_grad_()
        loss, _, entropy = nt_xent(a, b, temperature, normalize)
        (gradient,) = torch.autograd.grad(loss, a)
        assert torch.isfinite(loss) and torch.isfinite(gradient).all()
        assert torch.isfinite(entropy)


def test_a_zero_projection_gives_no_nan():
    a, b = projections(4, 8)
    a[1] = 0
    a.requires_grad_()
    loss, *_ = nt_xent(a, b, 0.1)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(a.grad).all()


def test_both_views_get_a_gradient_and_count_alike():
    a, b = (view.clone().requires_grad_() for view in projections(5, 6))
    loss, accuracy, entropy = nt_xent(a, b, 0.5)
    loss.backward()
    assert a.grad.abs().max() > 0 and b.grad.abs().max() > 0
    swapped, *_ = nt_xent(b, a, 0.5)
    torch.testing.assert_close(swapped, loss)
    assert not accuracy.requires_grad and not entropy.requires_grad


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("rows", [1, 2, 5, 7, 13])
def test_in_parts_it_is_the_same(monkeypatch, rows, normalize):
    a, b = projections(7, 5, dtype=torch.float64).requires_grad_()
    wanted = nt_xent(a, b, 0.5, normalize)
    gradients = torch.autograd.grad(wanted[0], (a, b))
    monkeypatch.setattr(losses, "LOGITS", rows * 14)
    computed, real = [], losses._row_sums
    monkeypatch.setattr(
        losses, "_row_sums", lambda *rest: computed.append(len(rest[0])) or real(*rest)
    )
    found = nt_xent(a, b, 0.5, normalize)
    assert sum(computed) == 14 and max(computed) == rows
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=1e-12, atol=1e-12)
    for one, other in zip(torch.autograd.grad(found[0], (a, b)), gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_autocast_does_not_round_the_similarities():
    a, b = projections(16, 32)
    wanted, *_ = nt_xent(a, b, 0.05)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, *_ = nt_xent(a, b, 0.05)
    assert loss.dtype == torch.float32 and torch.equal(loss, wanted)
    half, *_ = nt_xent(a.bfloat16(), b.bfloat16(), 0.05)
    exact, *_ = nt_xent(a.bfloat16().float(), b.bfloat16().float(), 0.05)
    assert torch.equal(half, exact)


def test_summaries_of_known_logits():
    sure, none, index = 100 * torch.eye(4), torch.zeros(4, 4), torch.arange(4)
    assert summaries(sure, index)[0].item() == 4
    assert summaries(sure.roll(1, 0), index)[0].item() == 0
    assert summaries(none, index)[0].item() == 1  # ties go to the first, as in the official code
    assert summaries(sure, index)[1].item() == pytest.approx(0, abs=1e-6)
    assert summaries(none, index)[1].item() == pytest.approx(4 * math.log(4), abs=1e-6)
