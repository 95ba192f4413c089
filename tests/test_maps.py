"""Maps: the effective rank, the spectrum, how far classes are apart, points, bytes."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from simclr.config import DataError, build
from simclr.data import packed
from simclr.features import load_networks
from simclr.files import read_csv
from simclr.settings.measuring import Maps
from simclr.stages import maps, pretrain
from simclr.stages.maps import choose_images, effective_rank, spectrum_rows
from tests import training
from tests.training import contents, pretrain_settings, run


@pytest.fixture(scope="module")
def encoders(data, tmp_path_factory):
    """Kind of head -> the folder of an encoder; the linear head's matrix is square."""
    folder = tmp_path_factory.mktemp("encoders")
    heads = {
        "linear": {"kind": "linear", "out_dim": 16},
        "nonlinear": {"out_dim": 8},
        "none": {"kind": "none", "out_dim": 0},
    }
    return {
        kind: run(pretrain, pretrain_settings(head=head, epochs=1), data, folder / kind)
        for kind, head in heads.items()
    }


def settings(**values) -> Maps:
    return build(Maps, {"images": 40, "perplexity": 5.0, **values})


def matrix(rows, columns, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator, dtype=torch.float64)


# The spectrum.


def test_effective_rank_of_known_matrices():
    assert effective_rank(torch.eye(7).double()) == pytest.approx(100)
    one = matrix(7, 1) @ matrix(1, 9)
    assert effective_rank(one) == pytest.approx(100 / 7)
    # Squares 16, 4, 1, 1: 22^2 / (256 + 16 + 1 + 1) equal values, of four.
    diagonal = torch.diag(torch.tensor([1.0, -4.0, 2.0, 1.0]).double())
    assert effective_rank(diagonal) == pytest.approx(25 * 22**2 / 274)


def test_effective_rank_knows_no_scale_rotation_or_side():
    wide = matrix(4, 9)
    turn = torch.linalg.qr(matrix(4, 4, 1)).Q
    for other in (5 * wide, turn @ wide, wide.T):
        assert effective_rank(other) == pytest.approx(effective_rank(wide))
    zeros = torch.cat([torch.eye(3), torch.zeros(3, 5)], 1).double()
    assert effective_rank(zeros) == pytest.approx(100)  # of the least side


def test_spectrum_is_sorted_and_relative_to_the_largest():
    # Two blocks: a rotation by 60 degrees, twice as long, and a diagonal.
    block = 2 * torch.tensor([[0.5, -(0.75**0.5)], [0.75**0.5, 0.5]])
    square = torch.block_diag(block, torch.diag(torch.tensor([-0.5, 4.0]))).double()
    rows = spectrum_rows(square)
    wanted = {"singular": [16, 4, 4, 0.25], "eigen": [16, 1, 1, 0.25]}
    assert [row[:2] for row in rows] == [(kind, k) for kind in wanted for k in (1, 2, 3, 4)]
    for kind, squares in wanted.items():
        found = [float(value) for name, _, value in rows if name == kind]
        assert found == pytest.approx([s / 16 for s in squares], rel=1e-5)


@pytest.mark.parametrize(("shape", "kinds"), [((5, 5), 2), ((5, 8), 1), ((8, 5), 1)])
def test_eigenvalues_are_those_of_a_square_alone(shape, kinds):
    rows = spectrum_rows(matrix(*shape))
    assert sorted({row[0] for row in rows}) == ["eigen", "singular"][2 - kinds :]
    for kind in {row[0] for row in rows}:
        values = [float(row[2]) for row in rows if row[0] == kind]
        assert len(values) == 5 and values[0] == 1 and values == sorted(values, reverse=True)
        assert values[-1] >= 0


# Which images.


def test_images_are_some_of_some_classes():
    labels = np.arange(200) % 7
    how = SimpleNamespace(classes=3, images=50, seed=0)
    chosen = choose_images(labels, how)
    assert len(set(chosen.tolist())) == 50 and chosen.tolist() == sorted(chosen)
    assert len(set(labels[chosen])) == 3
    assert (choose_images(labels, how) == chosen).all()
    others = [choose_images(labels, SimpleNamespace(**{**vars(how), "seed": s})) for s in range(8)]
    assert len({tuple(sorted(set(labels[other]))) for other in others}) > 3
    few = choose_images(labels, SimpleNamespace(classes=10, images=500, seed=0))
    assert few.tolist() == list(range(200))
    rare = np.repeat([0, 1, 2], [190, 1, 1])  # a silhouette needs some of every class
    assert set(rare[choose_images(rare, how)]) == {0, 1, 2}


def test_features_of_one_dimension_have_a_map():
    x = np.random.default_rng(0).standard_normal((30, 1)).astype(np.float32)
    assert np.isfinite(maps.embed(x, build(Maps, {}))).all()


# The stage.


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


@pytest.mark.parametrize("kind", ["linear", "nonlinear", "none"])
def test_outputs_by_kind_of_head(data, encoders, tmp_path, kind):
    before = contents(encoders[kind])
    out = run(maps, settings(), data, tmp_path / "out", encoder=encoders[kind])
    assert contents(encoders[kind]) == before
    features = ["h"] if kind == "none" else ["h", "z"]
    names = {f"silhouette_{name}" for name in features}
    files = {"metrics.json", "points.csv"}
    if kind == "linear":
        names |= {"spectrum_rank", "spectrum_rank_random"}
        files |= {"spectrum.csv"}
    assert set(metrics(out)) == names and set(contents(out)) == files
    points = read_csv(out / "points.csv")
    chosen = choose_images(packed.load(data).test_labels, settings())
    labels = [str(label) for label in packed.load(data).test_labels[chosen]]
    assert list(points[0]) == ["kind", "label", "x", "y"]
    for name in features:
        assert [row["label"] for row in points if row["kind"] == name] == labels
    assert len(points) == 40 * len(features)
    places = np.array([[float(row["x"]), float(row["y"])] for row in points])
    assert np.isfinite(places).all() and len(np.unique(places, axis=0)) == len(points)


@pytest.fixture(scope="module")
def of_linear(data, encoders, tmp_path_factory):
    return run(
        maps, settings(), data, tmp_path_factory.mktemp("map") / "out", encoder=encoders["linear"]
    )


def test_spectrum_of_a_linear_head_is_that_of_its_matrix(data, encoders, of_linear):
    out = of_linear
    weight = load_networks(encoders["linear"], data, torch.device("cpu"))["z"].out.weight
    singular = np.linalg.svd(weight.numpy().astype(np.float64), compute_uv=False) ** 2
    rows = read_csv(out / "spectrum.csv")
    assert [(row["kind"], row["rank"]) for row in rows] == [
        (kind, str(k + 1)) for kind in ("singular", "eigen") for k in range(16)
    ]
    found = [float(row["value"]) for row in rows[:16]]
    np.testing.assert_allclose(found, singular / singular.max(), rtol=1e-4)
    wanted = 100 * singular.sum() ** 2 / (singular**2).sum() / 16
    assert metrics(out)["spectrum_rank"] == pytest.approx(wanted, rel=1e-4)
    # The head of one epoch is near its start, which is random and normal, too. Of such a square
    # matrix half the rank is left: the mean of s^4 is twice that of s^2, squared.
    assert 35 < metrics(out)["spectrum_rank_random"] < 65
    assert metrics(out)["spectrum_rank_random"] != metrics(out)["spectrum_rank"]


def test_silhouettes_tell_separated_classes_from_mixed_ones(data, encoders, tmp_path, monkeypatch):
    """Of directions, not of lengths; and the map of separated classes has them apart."""
    labels = packed.load(data).test_labels[choose_images(packed.load(data).test_labels, settings())]
    rng = np.random.default_rng(0)
    apart = np.eye(10)[labels] + 0.01 * rng.normal(size=(40, 10))
    apart *= rng.uniform(0.1, 10, (40, 1))
    mixed = rng.normal(size=(40, 10))
    made = {"h": torch.tensor(apart).float(), "z": torch.tensor(mixed).float()}
    monkeypatch.setattr(maps, "features_of", lambda networks, images: made)
    out = run(maps, settings(), data, tmp_path / "out", encoder=encoders["nonlinear"])
    assert metrics(out)["silhouette_h"] > 0.95 and metrics(out)["silhouette_z"] < 0.1
    # By definition: distances to the class's own points, and to those of the nearest other class.
    unit = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    values = []
    for i, label in enumerate(labels):
        each = {}
        for k in set(labels.tolist()):
            others = [j for j in range(40) if labels[j] == k and j != i]
            each[k] = np.mean([np.linalg.norm(unit[i] - unit[j]) for j in others])
        own, other = each.pop(label), min(each.values())
        values.append((other - own) / max(own, other))
    assert metrics(out)["silhouette_z"] == pytest.approx(np.mean(values), abs=1e-5)
    nearest = {}
    for name in "hz":
        rows = [row for row in read_csv(out / "points.csv") if row["kind"] == name]
        places = np.array([[float(row["x"]), float(row["y"])] for row in rows])
        distance = np.linalg.norm(places[:, None] - places, axis=2) + 1e9 * np.eye(40)
        nearest[name] = (labels[distance.argmin(1)] == labels).mean()
    assert nearest["h"] > 0.8 and nearest["z"] < 0.5


AGAIN = """
import sys
from pathlib import Path
from simclr.settings.measuring import Maps
from simclr.stages import maps

data, encoder, out = map(Path, sys.argv[1:])
out.mkdir()
inputs = {"data": data, "encoder": encoder}
maps.run(Maps(images=40, perplexity=5.0), inputs, out, out / "no checkpoint", lambda *_: None)
"""


@pytest.mark.slow
def test_another_process_with_other_threads_writes_the_same_bytes(
    data, encoders, of_linear, tmp_path
):
    subprocess.run(
        [sys.executable, "-c", AGAIN, data, encoders["linear"], tmp_path / "there"],
        env={**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
        check=True,
    )
    assert contents(tmp_path / "there") == contents(of_linear)
    other = run(maps, settings(seed=1), data, tmp_path / "other", encoder=encoders["linear"])
    assert contents(other)["points.csv"] != contents(of_linear)["points.csv"]


def test_another_data_set_is_refused(encoders, tmp_path):
    other = training.prepare_data(tmp_path / "data", seed=1)
    with pytest.raises(DataError, match=r"encoder.safetensors: was not trained on"):
        run(maps, settings(), other, tmp_path / "out", encoder=encoders["linear"])
