"""The losses of Table 2 against naive loops, the paper's gradients, and finite differences."""

import json
import math

import numpy as np
import pytest
import torch

from simclr import losses
from simclr.config import ConfigError, build
from simclr.losses import LOSSES, contrastive_loss, cross_view_loss
from simclr.settings.training import Loss
from simclr.stages import pretrain
from tests import training
from tests.training import pretrain_settings, run

KINDS = [
    ("nt_xent", False),
    ("nt_logistic", False),
    ("nt_logistic", True),
    ("margin", False),
    ("margin", True),
]


def how(kind="nt_xent", semi_hard=False, **values) -> Loss:
    return build(Loss, {"kind": kind, "semi_hard": semi_hard, "negatives": "other_view", **values})


def projections(n, dim, seed=0, dtype=torch.float64):
    return torch.randn(2, n, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def of_similarity(similarity, positive_index, settings):
    """Losses of the anchors, from similarities as lists."""
    rows = torch.tensor(similarity, dtype=torch.float64)
    return LOSSES[settings.kind](rows, torch.tensor(positive_index), settings)


# Naive loops.


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def semi_hard_of(positive, negatives, within):
    """As a list: the closest of the negatives that are farther than the positive, if any."""
    return sorted(s for s in negatives if positive - within < s < positive)[-1:]


def naive_anchor(positive, negatives, settings):
    """Minus the objective of Table 2 for one anchor, negatives averaged."""
    tau, m = settings.temperature, settings.margin
    if settings.kind == "nt_xent":
        everything = sum(math.exp(s / tau) for s in [positive, *negatives])
        return -math.log(math.exp(positive / tau) / everything)
    if settings.semi_hard:
        within = math.inf if settings.kind == "nt_logistic" else m
        negatives = semi_hard_of(positive, negatives, within)
    if settings.kind == "nt_logistic":
        terms, extra = [-math.log(sigmoid(-s / tau)) for s in negatives], 0.0
        extra = -math.log(sigmoid(positive / tau))
    else:
        terms, extra = [max(s - positive + m, 0) for s in negatives], 0.0
    return extra + (sum(terms) / len(terms) if terms else 0.0)


def naive(a, b, settings):
    """The mean over all 2N views, each against only the views of the other branch."""
    unit = [[z / math.sqrt(z @ z) for z in view] for view in (a, b)]
    n, total = len(a), 0.0
    for anchors, others in (unit, unit[::-1]):
        for i in range(n):
            negatives = [anchors[i] @ others[k] for k in range(n) if k != i]
            total += naive_anchor(anchors[i] @ others[i], negatives, settings)
    return total / (2 * n)


@pytest.mark.parametrize(("kind", "semi_hard"), KINDS)
@pytest.mark.parametrize("dim", [1, 2, 8])
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_loss_is_that_of_a_naive_loop(n, dim, kind, semi_hard):
    """One dimension has ties alone: similarities are 1 or -1."""
    for temperature in (0.1, 0.5, 1.0):
        for margin in (0.0, 0.4, 1.6):
            settings = how(kind, semi_hard, temperature=temperature, margin=margin)
            a, b = projections(n, dim, seed=n)
            loss, *_ = cross_view_loss(a, b, settings, n)
            wanted = naive(a.numpy(), b.numpy(), settings)
            assert loss.item() == pytest.approx(wanted, rel=1e-9, abs=1e-9)


# The paper's gradients, with respect to the anchor, of vectors of length one.


def gradients(settings, n=6, dim=5, seed=0):
    """(minus the gradient by autograd, anchor, positive, negatives) of an anchor's loss."""
    z = projections(n, dim, seed)
    anchor, candidates = z[0, 0] / z[0, 0].norm(), z[1] / z[1].norm(dim=1, keepdim=True)
    own = seed % n
    leaf = anchor.clone().requires_grad_()
    loss = LOSSES[settings.kind]((leaf @ candidates.T)[None], torch.tensor([own]), settings)
    (gradient,) = torch.autograd.grad(loss.sum(), leaf)
    negatives = [candidates[k].numpy() for k in range(n) if k != own]
    return -gradient.numpy(), anchor.numpy(), candidates[own].numpy(), negatives


@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_gradient_of_nt_xent_is_that_of_table_2(seed, temperature):
    found, u, positive, negatives = gradients(how(temperature=temperature), seed=seed)
    shares = [math.exp(u @ v / temperature) for v in [positive, *negatives]]
    shares = [share / sum(shares) for share in shares]
    wanted = (1 - shares[0]) / temperature * positive
    for share, v in zip(shares[1:], negatives, strict=True):
        wanted = wanted - share / temperature * v
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("semi_hard", [False, True])
@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_gradient_of_nt_logistic_is_that_of_table_2(seed, temperature, semi_hard):
    settings = how("nt_logistic", semi_hard, temperature=temperature)
    found, u, positive, negatives = gradients(settings, seed=seed)
    if semi_hard:
        beyond = [v for v in negatives if u @ v < u @ positive]
        negatives = sorted(beyond, key=lambda v: u @ v)[-1:]
    wanted = sigmoid(-u @ positive / temperature) / temperature * positive
    for v in negatives:
        wanted = wanted - sigmoid(u @ v / temperature) / temperature * v / len(negatives)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("semi_hard", [False, True])
@pytest.mark.parametrize("margin", [0.0, 0.4, 1.6])
@pytest.mark.parametrize("seed", range(5))
def test_gradient_of_margin_is_that_of_table_2(seed, margin, semi_hard):
    settings = how("margin", semi_hard, margin=margin)
    found, u, positive, negatives = gradients(settings, seed=seed)
    if semi_hard:
        some = [v for v in negatives if u @ positive - margin < u @ v < u @ positive]
        negatives = sorted(some, key=lambda v: u @ v)[-1:]
    wanted = np.zeros(5)
    for v in negatives:
        if u @ v - u @ positive + margin > 0:
            wanted += (positive - v) / len(negatives)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("kind", "semi_hard"), KINDS)
def test_gradient_is_that_of_finite_differences(kind, semi_hard):
    """These points are away from the hinge, and from where another negative is the closest."""
    settings = how(kind, semi_hard, temperature=0.5)
    a, b = projections(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: cross_view_loss(a, b, settings, 4)[0], (a, b))


# Semi-hard negatives. The positive is 0.5; columns are in no order.

ROW, OWN = [[0.3, 0.9, 0.5, 0.45, 0.5, -0.8]], [2]


def test_semi_hard_is_the_closest_beyond_the_positive():
    found = of_similarity(ROW, OWN, how("nt_logistic", True, temperature=0.2)).item()
    wanted = -math.log(sigmoid(0.5 / 0.2)) - math.log(sigmoid(-0.45 / 0.2))
    assert found == pytest.approx(wanted)
    found = of_similarity(ROW, OWN, how("margin", True, margin=0.1)).item()
    assert found == pytest.approx(0.05)  # 0.45 - 0.5 + 0.1


def test_where_none_is_semi_hard_the_term_or_the_anchor_is_dropped():
    nearer, own = torch.tensor([[0.9, 0.5, 0.5]], dtype=torch.float64, requires_grad=True), [1]
    settings = how("nt_logistic", True, temperature=0.2)
    loss = LOSSES["nt_logistic"](nearer, torch.tensor(own), settings).sum()
    assert loss.item() == pytest.approx(-math.log(sigmoid(0.5 / 0.2)))
    (gradient,) = torch.autograd.grad(loss, nearer)
    assert gradient[0, 0] == 0 and gradient[0, 1] < 0 and gradient[0, 2] == 0
    loss = LOSSES["margin"](nearer, torch.tensor(own), how("margin", True, margin=0.4)).sum()
    assert loss.item() == 0
    assert not torch.autograd.grad(loss, nearer)[0].any()
    # And farther than the margin.
    assert of_similarity(ROW, OWN, how("margin", True, margin=0.04)).item() == 0
    assert of_similarity(ROW, OWN, how("margin", True, margin=0.06)).item() > 0


def test_a_dropped_anchor_still_counts_in_the_mean():
    """So a batch's rate does not depend on how many of its anchors are left."""
    settings = how("margin", True, margin=0.1)
    kept = of_similarity(ROW, OWN, settings).item()
    both = of_similarity([ROW[0], [0.9, 0.9, 0.9, 0.9, 0.9, 0.9]], [2, 0], settings)
    assert both.tolist() == [pytest.approx(kept), 0]


# What all have in common.


@pytest.mark.parametrize(("kind", "semi_hard"), KINDS)
def test_one_image_and_the_same_image_give_finite_values(kind, semi_hard):
    one, many = projections(1, 4), projections(1, 4).expand(2, 5, 4)
    for a, b in (one, many):
        a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
        loss, accuracy, entropy = cross_view_loss(a, b, how(kind, semi_hard), len(a))
        loss.backward()
        assert torch.isfinite(torch.stack([loss.detach(), accuracy, entropy])).all()
        assert torch.isfinite(a.grad).all() and torch.isfinite(b.grad).all()
    # No negatives: what is left is the positive's part.
    a, b = one
    positive = float(a[0] @ b[0] / a.norm() / b.norm())
    wanted = {"nt_logistic": -math.log(sigmoid(positive / 0.1))}.get(kind, 0.0)
    found, *_ = cross_view_loss(a, b, how(kind, semi_hard), 1)
    assert found.item() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("temperature", [1e-3, 1e3])
@pytest.mark.parametrize(("kind", "semi_hard"), KINDS)
def test_extreme_temperatures_stay_finite(kind, semi_hard, temperature):
    a, b = projections(8, 16, dtype=torch.float32).requires_grad_()
    loss, *_ = cross_view_loss(a, b, how(kind, semi_hard, temperature=temperature), 8)
    (gradient,) = torch.autograd.grad(loss, a)
    assert torch.isfinite(loss) and torch.isfinite(gradient).all()


@pytest.mark.parametrize(("kind", "semi_hard"), KINDS)
def test_accuracy_and_entropy_are_those_of_nt_xent(kind, semi_hard):
    a, b = projections(9, 3)
    b = a + 0.7 * b  # some views are nearest to their own, some are not
    for temperature in (0.1, 1.0):
        settings = how(kind, semi_hard, temperature=temperature)
        _, accuracy, entropy = cross_view_loss(a.requires_grad_(), b, settings, 9)
        _, *wanted = losses.nt_xent(a, b, temperature)
        torch.testing.assert_close([accuracy, entropy], wanted, rtol=1e-12, atol=1e-12)
        assert 0 < accuracy < 100 and not accuracy.requires_grad and not entropy.requires_grad


@pytest.mark.parametrize(("kind", "semi_hard"), KINDS)
def test_both_views_count_alike(kind, semi_hard):
    a, b = projections(5, 6)
    settings = how(kind, semi_hard)
    loss, swapped = (cross_view_loss(*views, settings, 5)[0] for views in ((a, b), (b, a)))
    torch.testing.assert_close(swapped, loss, rtol=1e-12, atol=1e-12)


def test_autocast_does_not_round_the_similarities():
    a, b = projections(16, 32, dtype=torch.float32)
    settings = how("nt_logistic", temperature=0.05)
    wanted, *_ = cross_view_loss(a, b, settings, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, *_ = cross_view_loss(a, b, settings, 16)
    assert loss.dtype == torch.float32 and torch.equal(loss, wanted)
    half, *_ = cross_view_loss(a.bfloat16(), b.bfloat16(), settings, 16)
    assert half.dtype == torch.float32


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"semi_hard": True}, "semi_hard: only for nt_logistic and margin."),
        ({"kind": "margin"}, "negatives: must be other_view with kind margin (paper B.10)."),
        (
            {"kind": "nt_logistic", "semi_hard": True},
            "negatives: must be other_view with kind nt_logistic (paper B.10).",
        ),
        (
            {"negatives": "other_view", "normalize": False},
            "normalize: false only fits nt_xent with negatives of both_views.",
        ),
        (
            {"kind": "margin", "negatives": "other_view", "normalize": False},
            "normalize: false only fits nt_xent with negatives of both_views.",
        ),
        ({"margin": -0.1}, "margin: must be at least 0.0, got -0.1."),
    ],
)
def test_settings_that_do_not_fit_are_refused(values, message):
    with pytest.raises(ConfigError) as error:
        pretrain_settings(loss=values)
    assert str(error.value).endswith(message) and "\n" not in str(error.value)
    assert str(error.value).startswith("loss")


def test_the_settings_name_the_losses():
    assert set(LOSSES) == set(Loss.__dataclass_fields__["kind"].metadata["choices"])


def test_settings_choose_between_both_views_and_the_other_view():
    z = projections(5, 4).flatten(0, 1)
    views = z.chunk(2)
    both = build(Loss, {"temperature": 0.5, "normalize": False})
    assert contrastive_loss(z, both, 5) == losses.nt_xent(*views, 0.5, normalize=False)
    for kind, semi_hard in KINDS:
        settings = how(kind, semi_hard, temperature=0.5)
        assert contrastive_loss(z, settings, 5) == cross_view_loss(*views, settings, 5)


# In pre-training.


def test_pretraining_starts_at_the_loss_of_a_guess(tmp_path):
    """At a high temperature and a rate of almost zero, where similarities do not matter."""
    torch.set_num_threads(1)
    data = training.prepare_data(tmp_path / "data")
    for kind, wanted in (("nt_xent", math.log(20)), ("nt_logistic", 2 * math.log(2))):
        settings = pretrain_settings(
            loss={"kind": kind, "negatives": "other_view", "temperature": 100.0},
            optimizer={"base_lr": 1e-9},
            epochs=1,
        )
        out = run(pretrain, settings, data, tmp_path / kind)
        found = json.loads((out / "training.json").read_text())["loss"]
        assert found == pytest.approx(wanted, abs=0.01)


def test_pretraining_learns_by_the_margin_loss(tmp_path):
    torch.set_num_threads(1)
    data = training.prepare_data(tmp_path / "data")
    settings = pretrain_settings(
        loss={"kind": "margin", "negatives": "other_view", "semi_hard": True},
        views={"operators": ["crop", "flip"]},
        epochs=10,
    )
    out = run(pretrain, settings, data, tmp_path / "out")
    rows = [line.split(",") for line in (out / "curves.csv").read_text().splitlines()[1:]]
    assert float(rows[-1][2]) > 3 * 5  # percent of contrastive accuracy; a guess has 5
