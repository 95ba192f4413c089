"""Histograms of crops: counts, distances, retrieval on data whose answer is known."""

import json

import numpy as np
import pytest
import torch

from simclr import files
from simclr.config import ConfigError
from simclr.settings.measuring import Histograms
from simclr.stages import histograms


def prepared(folder, images):
    """Pack images uint8 [N, 3, S, S] as a data set in `folder`."""
    folder.mkdir()
    for split in ("train", "test"):
        np.save(folder / f"{split}_images.npy", images)
        np.save(folder / f"{split}_labels.npy", np.zeros(len(images), np.int64))
    (folder / "data.json").write_text(json.dumps({"classes": ["all"]}))
    return folder


def compute(tmp_path, pixels, name="out", **settings):
    data = tmp_path / "data"
    if not data.exists():
        prepared(data, pixels)
    out = tmp_path / name
    out.mkdir()
    reports = []
    histograms.run(
        Histograms(**settings),
        {"data": data},
        out,
        tmp_path / "checkpoint",
        lambda done, text: reports.append(done),
    )
    assert reports == sorted(reports) and reports[-1] == 1.0
    return json.loads((out / "metrics.json").read_text()), out


def coloured_noise(n, side=16):
    """Images with a brightness of their own, even over the image."""
    rng = np.random.default_rng(0)
    level = rng.uniform(30, 225, (n, 1, 1, 1))
    return np.clip(level + rng.normal(0, 6, (n, 3, side, side)), 0, 255).astype(np.uint8)


def test_histogram_counts_every_value():
    made = torch.rand(3, 5, 3, 8, 8)
    made[0, 0, 0, 0, :2] = torch.tensor([0.0, 1.0])  # both ends belong to a bin
    counts = histograms.histogram(made, 7)
    for crop in range(3):
        for image in range(5):
            expected, _ = np.histogram(made[crop, image].double().numpy(), 7, (0, 1))
            assert (counts[image, crop] == expected).all()


def test_distances():
    a, b = np.array([[3, 1, 0], [0, 0, 4]]), np.array([1, 3, 0])
    assert histograms.l1(a, b).tolist() == [4, 8]
    assert histograms.chi2(a, b).tolist() == [4 / 4 + 4 / 4, 1 + 3 + 4]


@pytest.mark.parametrize("distance", [histograms.l1, histograms.chi2])
def test_retrieval_counts_hits_and_shares_ties(distance):
    counts = np.array([[[9, 1], [8, 2]], [[1, 9], [0, 10]]])  # two images, two crops
    assert histograms.retrieval(counts, distance) == 100
    assert histograms.retrieval(counts.transpose(1, 0, 2), distance) == 0
    assert histograms.retrieval(np.ones_like(counts), distance) == pytest.approx(100 / 3)


def test_distortion_hides_what_colour_gives_away(tmp_path):
    metrics, _ = compute(tmp_path, coloured_noise(40), images=40, crops=4, bins=32)
    assert metrics["retrieval_chance"] == pytest.approx(100 * 3 / 159)
    for distance in ("l1", "chi2"):
        assert metrics[f"retrieval_plain_{distance}"] > 60
        distorted = metrics[f"retrieval_distorted_{distance}"]
        assert distorted < metrics[f"retrieval_plain_{distance}"] / 2


def test_without_strength_only_grayscale_differs(tmp_path):
    gray = coloured_noise(20)
    gray[:] = gray[:, :1]  # grey images: neither saturation, hue nor grayscale change them
    metrics, _ = compute(tmp_path, gray, images=20, color_strength=0.0)
    for distance in ("l1", "chi2"):
        plain, distorted = (metrics[f"retrieval_{k}_{distance}"] for k in ("plain", "distorted"))
        assert abs(plain - distorted) < 15


def test_files_are_complete_and_repeatable(tmp_path):
    images = coloured_noise(12)
    settings = {"images": 6, "crops": 5, "bins": 8}
    metrics, first = compute(tmp_path, images, "first", **settings)
    again, second = compute(tmp_path, images, "second", **settings)
    _, third = compute(tmp_path, images, "third", seed=1, **settings)
    names = sorted(path.name for path in first.iterdir())
    assert names == ["histograms.csv", "metrics.json"] and again == metrics
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
        assert (first / name).read_bytes() != (third / name).read_bytes()
    rows = files.read_csv(first / "histograms.csv")
    assert len(rows) == 2 * 2 * 4 * 8
    shown = [float(row["density"]) for row in rows[:8]]
    assert sum(shown) / 8 == pytest.approx(1)


def test_more_images_than_there_are(tmp_path):
    with pytest.raises(ConfigError, match=r"^images: 9 are more than .* 8: lower it\.$"):
        compute(tmp_path, coloured_noise(8), images=9)
