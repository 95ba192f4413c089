"""Evaluation: classifiers against independent solutions, a frozen encoder, the right data."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression

from simclr import features
from simclr.config import ConfigError, DataError, build
from simclr.data import packed
from simclr.models.resnet import build_encoder
from simclr.settings.measuring import Evaluate
from simclr.stages import evaluate, supervise
from simclr.training.order import stored_batches
from tests import training
from tests.training import contents, pretrain_settings, run, supervise_settings


def settings(**values) -> Evaluate:
    return build(Evaluate, {"batch_size": 30, "epochs": 20, "neighbours": 5, **values})


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def evaluated(data, encoder, out, *protocols):
    return run(evaluate, settings(protocols=protocols), data, out, encoder=encoder)


@pytest.mark.parametrize("protocol", ["features", "augmented"])
def test_the_encoder_is_frozen_and_metrics_are_complete(data, encoder, tmp_path, protocol):
    before = contents(encoder)
    out = evaluated(data, encoder, tmp_path / "out", protocol)
    assert contents(encoder) == before
    found = metrics(out)
    recorded = json.loads((encoder / "training.json").read_text())
    top5 = {"linear_top5_h", "linear_top5_z"}
    assert set(found) >= {"linear_h", "linear_z", "knn_h", "knn_z", *top5, *recorded}
    for kind in "hz":  # ten classes
        assert found[f"linear_{kind}"] < found[f"linear_top5_{kind}"] <= 100
    assert (out / "curves.csv").read_bytes() == (encoder / "curves.csv").read_bytes()
    assert all(found[name] == recorded[name] for name in recorded)
    assert all(0 <= found[name] <= 100 for name in ("linear_h", "linear_z", "knn_h", "knn_z"))
    assert contents(evaluated(data, encoder, tmp_path / "again", protocol)) == contents(out)


def test_two_protocols_are_each_as_alone_from_features_extracted_once(
    data, encoder, tmp_path, monkeypatch
):
    alone = {
        name: metrics(evaluated(data, encoder, tmp_path / name, name))
        for name in ("augmented", "features")
    }
    extracted, real = [], features.features_of

    def counted(networks, images, reduced):
        extracted.append(len(images))
        return real(networks, images, reduced)

    monkeypatch.setattr(evaluate, "features_of", counted)
    both = metrics(evaluated(data, encoder, tmp_path / "both", "augmented", "features"))
    images = packed.load(data)
    assert extracted == [len(images.train_images), len(images.test_images)]
    for name in ("linear_h", "linear_z", "linear_top5_h", "linear_top5_z"):
        assert both.pop(f"{name}_features") == alone["features"][name]
    assert both == alone["augmented"]


def test_training_never_changes_the_running_statistics(data, encoder):
    networks = features.load_networks(encoder, data, torch.device("cpu"))
    images = torch.from_numpy(packed.load(data).train_images.copy())
    for _ in evaluate.augmented_batches(networks, images, seed=0, batch_size=30, epoch=0):
        pass
    stored = load_file(encoder / "encoder.safetensors")
    assert all(torch.equal(v, stored[k]) for k, v in networks["h"].state_dict().items())
    assert not any(p.requires_grad for network in networks.values() for p in network.parameters())


def test_reduced_precision_is_of_the_networks_alone(data, encoder, tmp_path):
    networks = features.load_networks(encoder, data, torch.device("cpu"))
    images = torch.from_numpy(packed.load(data).test_images.copy())
    exact, reduced = (features.features_of(networks, images, how) for how in (False, True))
    for name, x in reduced.items():
        assert x.dtype == torch.float32 and not torch.equal(x, exact[name])
        error = (x - exact[name]).norm() / exact[name].norm()
        assert error < 0.02, name
    made = [
        evaluate.augmented_batches(
            networks, images, seed=0, batch_size=30, epoch=0, reduced=reduced
        )
        for reduced in (False, True)
    ]
    for (index, x), (same, y) in zip(*made, strict=True):
        assert torch.equal(index, same) and not torch.equal(x["h"], y["h"])
    reduced = settings(precision="bfloat16", protocols=["features"])
    found = metrics(run(evaluate, reduced, data, tmp_path / "reduced", encoder=encoder))
    exact = metrics(evaluated(data, encoder, tmp_path / "exact", "features"))
    assert found != exact and found["linear_h"] == pytest.approx(exact["linear_h"], abs=8)


def test_features_are_those_of_single_plain_images_in_inference_mode(data, encoder):
    networks = features.load_networks(encoder, data, torch.device("cpu"))
    images = packed.load(data).test_images
    found = features.features_of(networks, torch.from_numpy(images.copy()))
    reference = build_encoder(pretrain_settings().encoder, torch.Generator())
    reference.load_state_dict(load_file(encoder / "encoder.safetensors"))
    reference.eval()
    with torch.no_grad():
        one_by_one = torch.cat([reference(training.floats(image[None])) for image in images])
    torch.testing.assert_close(found["h"], one_by_one, rtol=1e-4, atol=1e-5)
    assert found["z"].shape == (60, 8)


def test_without_a_head_there_is_no_z(data, tmp_path):
    supervised = run(supervise, supervise_settings(epochs=1), data, tmp_path / "encoder")
    found = metrics(run(evaluate, settings(), data, tmp_path / "out", encoder=supervised))
    assert set(found) >= {"linear_h", "linear_top5_h", "knn_h", "loss", "supervised_top1"}
    assert not [name for name in found if name.endswith("_z")]


def test_another_data_set_is_refused(encoder, tmp_path):
    other = training.prepare_data(tmp_path / "data", seed=1)
    with pytest.raises(DataError, match=r"encoder.safetensors: was not trained on"):
        run(evaluate, settings(), other, tmp_path / "out", encoder=encoder)


def test_settings_that_do_not_fit_are_refused(data, encoder, tmp_path):
    with pytest.raises(ConfigError, match="batch_size: 512, but there are only 90"):
        run(evaluate, settings(batch_size=512), data, tmp_path / "a", encoder=encoder)
    with pytest.raises(ConfigError, match="neighbours: 91, but only 90 training images"):
        run(evaluate, settings(neighbours=91), data, tmp_path / "b", encoder=encoder)


# The classifiers.


def clusters(count, seed, scale=1.0):
    """Features [count, 8] of 4 overlapping classes, with columns of very different sizes."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(4, 8))
    labels = rng.integers(0, 4, count)
    x = centres[labels] + scale * rng.normal(size=(count, 8))
    x = 3 + x * np.logspace(-2, 1, 8)
    return torch.tensor(x, dtype=torch.float32), torch.from_numpy(labels)


def test_linear_classifier_reaches_the_optimum_that_lbfgs_finds():
    raw, labels = clusters(600, 1)
    x = features.standardize(raw, raw)
    torch.testing.assert_close(x.mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(0, correction=0), torch.ones(8), atol=1e-4, rtol=0)

    def batches(epoch):
        return stored_batches({"h": x, "z": x[:, :2]}, 0, 100, epoch)

    trained = evaluate.train_linear(
        settings(batch_size=100, epochs=100, base_lr=0.5),
        {"h": 8, "z": 2},
        4,
        labels,
        batches,
        training.silent,
    )
    for name, size in (("h", 8), ("z", 2)):
        assert trained[name].weight.shape == (4, size)
        # The optimum on the raw features: standardising changes nothing that can be expressed.
        best = lbfgs(raw[:, :size].double(), labels, 4)
        ours = F.cross_entropy(trained[name](x[:, :size]), labels).item()
        assert best - 1e-6 < ours < best + 0.003


def test_solved_classifiers_are_the_optimum_whatever_linear_map_comes_before():
    (x, labels), (tested, test_labels) = clusters(600, 1), clusters(500, 2)
    mixed = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    constant = torch.ones(1, 3)  # features that say nothing

    def maps(y):
        return {"h": y, "z": torch.cat([y @ mixed, constant.expand(len(y), 3)], 1)}

    chosen = settings(solver="lbfgs")
    found = evaluate.solve_linear(chosen, maps(x), labels, maps(tested), test_labels, 4)
    assert set(found) == {
        f"linear_{name}_{kind}" for name in ("top5", "gradient") for kind in "hz"
    } | {"linear_h", "linear_z"}
    assert found["linear_h"] == pytest.approx(found["linear_z"], abs=0.21)  # one of 500 images
    best = LogisticRegression(C=np.inf, tol=1e-8, max_iter=2000)
    best.fit(features.standardize(x, x), labels)
    score = 100 * best.score(features.standardize(tested, x), test_labels)
    assert found["linear_h"] == pytest.approx(score, abs=0.21)
    assert 0 < found["linear_gradient_h"] <= 1e-5 and found["linear_gradient_z"] <= 1e-5


def test_a_solved_evaluation_ignores_the_settings_of_sgd_and_takes_some_images_for_knn(
    data, encoder, tmp_path
):
    found = [
        metrics(run(evaluate, settings(**values), data, tmp_path / str(k), encoder=encoder))
        for k, values in enumerate(
            [{"solver": "lbfgs", "batch_size": 512}, {"solver": "lbfgs", "knn_images": 10}]
        )
    ]
    assert found[0]["linear_h"] == found[1]["linear_h"]
    assert found[1]["knn_h"] % 10 == pytest.approx(0)
    assert found[0]["linear_gradient_h"] < 1e-4
    with pytest.raises(ConfigError, match=r"^solver: lbfgs needs features that stay the same"):
        settings(solver="lbfgs", protocols=["features", "augmented"])


def lbfgs(x, labels, classes) -> float:
    """The least mean cross entropy of a linear classifier."""
    w = torch.zeros(x.shape[1] + 1, classes, dtype=torch.double, requires_grad=True)
    x = torch.cat([x, torch.ones(len(x), 1, dtype=torch.double)], 1)
    x = x / x.std(0).clamp(min=1e-3)  # conditioning only
    optimizer = torch.optim.LBFGS(
        [w],
        max_iter=5000,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ w, labels)
        loss.backward()
        return loss

    optimizer.step(closure)
    return closure().item()


def test_constant_features_stay_finite():
    x = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert features.standardize(x, x).tolist() == [[-1.0, 0.0], [1.0, 0.0]]


def test_neighbours_vote_as_a_naive_loop():
    train, labels = clusters(70, 1)
    test, _ = clusters(30, 2)
    votes = evaluate.knn_votes(train, labels, test, classes=4, neighbors=7, temperature=0.1)
    for row, vote in zip(test.double().numpy(), votes.numpy(), strict=True):
        found = []
        for other, label in zip(train.double().numpy(), labels.numpy(), strict=True):
            cosine = row @ other / np.sqrt((row @ row) * (other @ other))
            found.append((cosine, label))
        expected = np.zeros(4)
        for cosine, label in sorted(found, reverse=True)[:7]:
            expected[label] += np.exp(cosine / 0.1)
        np.testing.assert_allclose(vote, expected, rtol=1e-3)


def test_more_separated_classes_are_classified_better():
    """The accuracy is that of test images: none is in training, overlap shows."""
    scores = []
    for scale in (0.05, 20.0):
        (train, labels), (test, wanted) = clusters(300, 1, scale), clusters(300, 2, scale)
        votes = evaluate.knn_votes(
            features.standardize(train, train),
            labels,
            features.standardize(test, train),
            classes=4,
            neighbors=5,
            temperature=0.1,
        )
        scores.append(evaluate.accuracy(votes, wanted))
    assert scores[0] > 99 and scores[1] < 50


def test_scores_that_are_not_finite_are_no_accuracy():
    with pytest.raises(ConfigError, match="not finite: lower its learning rate"):
        features.accuracy(torch.tensor([[0.0, float("nan")]]), torch.tensor([1]))
