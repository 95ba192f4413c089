"""Stage `transfer`: the choice of the penalty, the optimum whatever rounds otherwise, metrics."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from simclr.config import ConfigError, build
from simclr.data import packed
from simclr.data.label_share import class_balanced_share
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
    """Penalties with which scikit-learn's L-BFGS converges in time, to compare with."""
    return build(Transfer, {"penalties": 6, "least": 0.1, "most": 1e4, **values})


def reference(x, labels, l2):
    """scikit-learn's optimum by another solver: it divides the same objective by the penalty."""
    model = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=20000, solver="lbfgs")
    return model.fit(np.asarray(x), np.asarray(labels))


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
        "transfer_unconverged",
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


class Watched(LogisticRegression):
    """Notes how many images it is fitted to; `score` answers `says`, where that is set."""

    sizes, says = [], None

    def fit(self, x, labels):
        self.sizes.append(len(x))
        return super().fit(x, labels)

    def score(self, x, labels):
        return super().score(x, labels) if self.says is None else self.says


def test_held_out_images_do_not_train_while_the_penalty_is_chosen(
    data, encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr(transfer, "LogisticRegression", Watched)
    monkeypatch.setattr(Watched, "sizes", [])
    some = settings(penalties=2, validation=0.4)
    run(transfer, some, data, tmp_path / "out", encoder=encoder)
    assert Watched.sizes == [90, 90, 150]


def test_of_equal_penalties_the_strongest_is_chosen(data, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "LogisticRegression", Watched)
    monkeypatch.setattr(Watched, "says", 0.5)
    out = run(transfer, settings(penalties=3), data, tmp_path / "out", encoder=encoder)
    assert metrics(out)["transfer_l2"] == pytest.approx(1e4)


def test_test_images_choose_nothing(data, encoder, transferred, tmp_path):
    changed = shutil.copytree(data, tmp_path / "data")
    images = np.load(changed / "test_images.npy")
    np.save(changed / "test_images.npy", 255 - images)
    out = metrics(run(transfer, settings(), changed, tmp_path / "out", encoder=encoder))
    assert out["transfer_l2"] == metrics(transferred)["transfer_l2"]
    assert out["transfer_top1"] != metrics(transferred)["transfer_top1"]


def correlated(count: int):
    """Features [count, 40] of 4 classes, variances from 1e-5 to 1, almost apart; and labels."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, count)
    centres = rng.normal(size=(4, 40))
    x = 2 * centres[labels] + rng.normal(size=(count, 40))
    return x @ rng.normal(size=(40, 40)) * np.geomspace(3e-3, 1, 40), labels


@pytest.mark.parametrize("l2", [1e-6, 1e-3, 1.0, 1e3])
def test_an_order_of_additions_moves_no_prediction(l2):
    """The images and features in another order round otherwise, as another processor does."""
    x, labels = correlated(600)
    x, tested = x[:300], x[300:]
    plain = transfer.classifier(160, l2).fit(x, labels[:300])
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(300), rng.permutation(40)
    other = transfer.classifier(160, l2).fit(x[rows][:, columns], labels[:300][rows])
    margins = plain.decision_function(tested)
    assert not np.array_equal(plain.coef_[:, columns], other.coef_)  # it does round otherwise
    moved = abs(margins - other.decision_function(tested[:, columns])).max()
    assert moved < 1e-4 * abs(margins).max()
    assert not transfer.fell_short(plain, x, labels[:300])


@pytest.mark.parametrize("classes", [2, 4])
def test_a_fit_that_fell_short_is_told_from_one_that_did_not(classes):
    x, labels = correlated(200)
    x, labels = x[labels < classes], labels[labels < classes]
    model = transfer.classifier(40 * classes, 1e-2)
    assert not transfer.fell_short(model.fit(x, labels), x, labels)
    with pytest.warns(ConvergenceWarning):
        short = transfer.classifier(40 * classes, 1e-2).set_params(max_iter=1).fit(x, labels)
    assert transfer.fell_short(short, x, labels)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fits_that_fell_short_are_counted(data, encoder, tmp_path, monkeypatch):
    """L-BFGS, for more weights than Newton's method takes, hardly begins with weak penalties."""
    monkeypatch.setattr(transfer, "LARGEST", 0)
    monkeypatch.setattr(transfer, "ITERATIONS", 2)
    out = run(transfer, settings(penalties=3), data, tmp_path / "out", encoder=encoder)
    assert metrics(out)["transfer_unconverged"] == 4


def test_every_fit_of_the_stage_converges(transferred):
    assert metrics(transferred)["transfer_unconverged"] == 0


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"^most: must be more than least\.$"):
        settings(least=1.0, most=1.0)
    with pytest.raises(ConfigError, match=r"^validation: must be at most 0.5, got 0.6\.$"):
        settings(validation=0.6)
