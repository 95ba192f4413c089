"""Logistic regression on features: the same optimum as scikit-learn's, the penalty, metrics."""

import json
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression

from simclr.config import ConfigError, build
from simclr.data import packed
from simclr.data.label_share import class_balanced_share
from simclr.logistic import fit, scores
from simclr.models.resnet import build_encoder
from simclr.settings.measuring import Transfer
from simclr.stages import pretrain, transfer
from tests import training
from tests.training import contents, pretrain_settings, run


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """Trained on textures."""
    torch.set_num_threads(1)
    data = training.prepare_data(tmp_path_factory.mktemp("textures") / "data")
    return run(pretrain, pretrain_settings(), data, tmp_path_factory.mktemp("encoder") / "out")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Figures; 65 test images of 10 classes: those of five are one more than of the others."""
    folder = tmp_path_factory.mktemp("figures") / "data"
    return training.prepare_data(folder, family="figures", train_images=150, test_images=65)


def settings(**values) -> Transfer:
    """Penalties with which these features' fits converge in time."""
    return build(Transfer, {"penalties": 6, "least": 0.1, "most": 1e4, **values})


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


# The fit.


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


# The stage.


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def features(data, encoder):
    """h of training and test images, one encoder and no tricks, and their labels."""
    network = build_encoder(pretrain_settings().encoder, torch.Generator())
    network.load_state_dict(load_file(encoder / "encoder.safetensors"))
    network.eval()
    stored = packed.load(data)
    with torch.no_grad():
        train, test = (
            network(training.floats(x)).double() for x in (stored.train_images, stored.test_images)
        )
    return train, torch.tensor(stored.train_labels), test, torch.tensor(stored.test_labels)


@pytest.fixture(scope="module")
def transferred(data, encoder, tmp_path_factory):
    out = tmp_path_factory.mktemp("transferred") / "out"
    return run(transfer, settings(), data, out, encoder=encoder)


def test_outputs_of_an_encoder_of_other_data(data, encoder, transferred, tmp_path):
    before = contents(encoder)
    assert set(contents(transferred)) == {"metrics.json"}
    assert set(metrics(transferred)) == {
        "transfer_top1",
        "transfer_mean_class",
        "transfer_l2",
    }
    again = run(transfer, settings(), data, tmp_path / "again", encoder=encoder)
    assert contents(again) == contents(transferred) and contents(encoder) == before


@pytest.mark.parametrize("seed", [0, 1])
def test_the_penalty_is_the_best_on_held_out_images_and_the_last_fit_is_of_all(
    data, encoder, tmp_path, seed
):
    """By scikit-learn, every fit from nothing; of equals the strongest."""
    x, labels, tested, wanted = features(data, encoder)
    held = torch.zeros(150, dtype=torch.bool)
    held[class_balanced_share(labels, 0.2, seed)] = True
    assert torch.bincount(labels[held]).tolist() == [3] * 10
    found = []
    for power in range(4, -2, -1):
        model = reference(x[~held], labels[~held], 10.0**power)
        found.append((model.score(x[held], labels[held]), 10.0**power))
    assert len({accuracy for accuracy, _ in found}) > 2  # there is a choice
    _, l2 = max(found)
    out = metrics(run(transfer, settings(seed=seed), data, tmp_path / "out", encoder=encoder))
    assert out["transfer_l2"] == pytest.approx(l2, rel=1e-9)
    guesses = reference(x, labels, l2).predict(tested)
    right = [guess == label for guess, label in zip(guesses, wanted.tolist(), strict=True)]
    assert out["transfer_top1"] == pytest.approx(100 * sum(right) / 65)
    each = []
    for k in range(10):
        mine = [r for r, label in zip(right, wanted.tolist(), strict=True) if label == k]
        each.append(sum(mine) / len(mine))
    assert out["transfer_mean_class"] == pytest.approx(100 * sum(each) / 10)
    assert out["transfer_mean_class"] != pytest.approx(out["transfer_top1"], abs=1e-6)


def test_held_out_images_do_not_train_while_the_penalty_is_chosen(
    data, encoder, tmp_path, monkeypatch
):
    sizes, real = [], transfer.fit
    monkeypatch.setattr(
        transfer, "fit", lambda x, labels, *rest: sizes.append(len(x)) or real(x, labels, *rest)
    )
    some = settings(penalties=2, validation=0.4)
    run(transfer, some, data, tmp_path / "out", encoder=encoder)
    assert sizes == [90, 90, 150]


def test_of_equal_penalties_the_strongest_is_chosen(data, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "accuracy", lambda scores, labels: 0.0)
    out = run(transfer, settings(penalties=3), data, tmp_path / "out", encoder=encoder)
    assert metrics(out)["transfer_l2"] == pytest.approx(1e4)


def test_test_images_choose_nothing(data, encoder, transferred, tmp_path):
    changed = shutil.copytree(data, tmp_path / "data")
    images = np.load(changed / "test_images.npy")
    np.save(changed / "test_images.npy", 255 - images)
    out = metrics(run(transfer, settings(), changed, tmp_path / "out", encoder=encoder))
    assert out["transfer_l2"] == metrics(transferred)["transfer_l2"]
    assert out["transfer_top1"] != metrics(transferred)["transfer_top1"]


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"^most: must be more than least\.$"):
        settings(least=1.0, most=1.0)
    with pytest.raises(ConfigError, match=r"^validation: must be at most 0.5, got 0.6\.$"):
        settings(validation=0.6)
