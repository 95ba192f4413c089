"""Images of views, crops and nearest neighbours: what figures 2 to 4 and `neighbours` show."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

from simclr import files
from simclr.config import build
from simclr.data import packed, pictures
from simclr.settings.measuring import Examples, Neighbours
from simclr.stages import examples, neighbours, pretrain
from tests.training import contents, pretrain_settings, run
from workflow.experiments import fig2, fig3, fig4
from workflow.experiments import neighbours as shown
from workflow.figures import plotting


def test_pictures_read_back(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (3, 5, 5)).astype(np.uint8)
    cells = [("x", pictures.to_text(image)), ("y", pictures.to_text(image[:, ::-1]))]
    files.write_csv(tmp_path / "a.csv", ("name", "pixels"), cells)
    first, second = files.read_csv(tmp_path / "a.csv")
    assert (pictures.from_text(first["pixels"]) == image.transpose(1, 2, 0)).all()
    assert (pictures.from_text(second["pixels"]) == image[:, ::-1].transpose(1, 2, 0)).all()


def test_examples_show_what_each_operator_does(data, tmp_path):
    settings = build(
        Examples, {"images": 4, "views": {"operators": ["crop", "color"], "blur_radius": 1}}
    )
    out = run(examples, settings, data, tmp_path / "a")
    again = run(examples, settings, data, tmp_path / "b")
    assert contents(out) == contents(again)
    found = {}
    for row in files.read_csv(out / "examples.csv"):
        found.setdefault(row["operator"], []).append(pictures.from_text(row["pixels"]).astype(int))
    assert set(found) == {"original", *examples.SINGLE, "views"}
    originals = found["original"]
    assert len(originals) == 4 and len(found["views"]) == 8
    test = packed.load(data)
    for label, image in enumerate(originals):
        same = (test.test_images.transpose(0, 2, 3, 1) == image).all((1, 2, 3))
        assert label in test.test_labels[same]
    for image, flipped in zip(originals, found["flip"], strict=True):
        assert (image[:, ::-1] == flipped).all()  # shown flipped, always
    boxes = {row["operator"]: row["box"] for row in files.read_csv(out / "examples.csv")}
    assert len(set(boxes.values())) == 3  # the whole, the crop's and that of the second views
    assert boxes["original"] == boxes["color"] == "0 0 8 8"
    metrics = json.loads((out / "metrics.json").read_text())
    for name in examples.SINGLE:
        change = np.mean([abs(a - b).mean() for a, b in zip(originals, found[name], strict=True)])
        assert metrics[f"shift_{name}"] == pytest.approx(change / 2.55, rel=1e-4)
        assert change > 0.5, name


def test_pairs_of_crops_and_how_they_overlap(data, tmp_path):
    """Against counted pixels; crops are those of training: `min_area` of the settings."""
    side = packed.load(data).test_images.shape[-1]
    settings = build(Examples, {"views": {"operators": ["crop"], "min_area": 0.25}})
    out = run(examples, settings, data, tmp_path / "a")
    rows = [{k: float(v) for k, v in row.items()} for row in files.read_csv(out / "crops.csv")]
    for row in rows:
        first, second = masks = np.zeros((2, side, side), bool)
        for view, mask in zip("12", masks, strict=True):
            y, x, h, w = (int(row[name + view]) for name in examples.BOX)
            mask[y : y + h, x : x + w] = True
            assert mask.sum() == h * w >= 0.25 * side**2
        common, sizes = (first & second).sum(), masks.sum((1, 2))
        assert row["side"] == side
        assert row["iou"] == pytest.approx(common / (first | second).sum(), abs=1e-4)
        assert row["inside"] == pytest.approx(common / sizes.min(), abs=1e-4)
    metrics = json.loads((out / "metrics.json").read_text())
    assert len(rows) == examples.PAIRS
    assert np.mean([row["y1"] == row["y2"] and row["h1"] == row["h2"] for row in rows]) < 0.3
    for name, values in (
        ("iou", [row["iou"] for row in rows]),
        ("nested", [row["inside"] >= 0.9 for row in rows]),
        ("apart", [row["iou"] < 0.1 for row in rows]),
    ):
        assert metrics[f"crops_{name}"] == pytest.approx(100 * np.mean(values), abs=0.01)


def test_views_are_those_of_training_though_a_single_operator_always_applies(data, tmp_path):
    views = {"operators": ["flip", "blur"], "blur_radius": 1, "blur_probability": 0.0}
    out = run(examples, build(Examples, {"views": views}), data, tmp_path / "a")
    shown = pd.read_csv(out / "examples.csv", dtype=str)
    pixels = {name: list(part["pixels"]) for name, part in shown.groupby("operator")}
    plain, mirrored = (pixels[name] * 2 for name in ("original", "flip"))
    kinds = [
        (view == a, view == b) for view, a, b in zip(pixels["views"], plain, mirrored, strict=True)
    ]
    assert set(kinds) == {(True, False), (False, True)}
    assert not set(pixels["flip"]) & set(plain)
    assert set(pixels["blur"]) - set(plain)


def test_neighbours_are_those_of_a_naive_search():
    draws = torch.Generator().manual_seed(0)
    train, test = torch.randn(30, 5, generator=draws), torch.randn(4, 5, generator=draws)
    found = neighbours.nearest(train, test, 3)
    for query, indices in zip(test, found, strict=True):
        cosines = [float(query @ x / query.norm() / x.norm()) for x in train]
        assert indices.tolist() == sorted(range(30), key=cosines.__getitem__)[:-4:-1]


@pytest.fixture(scope="module")
def searched(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    trained = run(pretrain, pretrain_settings(epochs=1), data, folder / "encoder")
    settings = build(Neighbours, {"queries": 3, "nearest": 2})
    return run(neighbours, settings, data, folder / "found", encoder=trained)


def test_the_share_of_the_class_and_the_pictures(data, searched):
    found = files.read_csv(searched / "neighbours.csv")
    assert len(found) == 2 * 3 * (1 + 2)
    test = packed.load(data)
    for row in found:
        split = "test" if row["rank"] == "0" else "train"
        images, labels = getattr(test, f"{split}_images"), getattr(test, f"{split}_labels")
        same = (images.transpose(0, 2, 3, 1) == pictures.from_text(row["pixels"])).all((1, 2, 3))
        assert int(row["label"]) in labels[same]
    metrics = json.loads((searched / "metrics.json").read_text())
    assert set(metrics) == {"neighbours_h", "neighbours_z"}
    assert all(0 <= value <= 100 for value in metrics.values())


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    """The files of two seeds, as figures get them, and their metrics."""
    folder, files = tmp_path_factory.mktemp("made"), {}
    outs = [run(examples, build(Examples, {"seed": k}), data, folder / str(k)) for k in (0, 1)]
    for name in ("examples.csv", "crops.csv"):
        parts = [pd.read_csv(out / name, dtype={"pixels": str}) for out in outs]
        files[name] = pd.concat(part.assign(seed=k) for k, part in enumerate(parts))
    return files, pd.DataFrame(json.loads((out / "metrics.json").read_text()) for out in outs)


def boxes(axes) -> set:
    """The dashed rectangles of a panel: (y, x, h, w) in pixels of an image that is shown whole."""
    dashed = [patch for patch in axes.patches if patch.get_linestyle() != "-"]
    return {(p.get_y() + 0.5, p.get_x() + 0.5, p.get_height(), p.get_width()) for p in dashed}


def words(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_figure_2_shows_real_views_and_shapes(made):
    files, metrics = made
    shapes = {"encoder": "ResNet-8", "parameters": 4321, "dim_h": 40, "dim_z": 24}
    table = metrics.assign(**shapes, operators="crop, flip", loss="nt_xent", temperature=0.5)
    with plotting.style():
        figure = fig2.draw(table, None, files)
    (axes,) = figure.axes
    shown = [panel.images[0].get_array() for panel in axes.child_axes]
    rows = files["examples.csv"].query("seed == 0 and image == 0")
    expected = rows[rows["operator"].isin(["original", "views"])]
    assert [pixels.tolist() for pixels in shown] == [
        pictures.from_text(text).tolist() for text in expected["pixels"]
    ]
    views = [tuple(map(int, box.split())) for box in expected["box"]][1:]
    assert boxes(axes.child_axes[0]) == set(views)
    said = " ".join(words(axes))
    for text in (
        "$x$ [3, 8, 8]",
        "h_i$ [40]",
        "z_j$ [24]",
        "ResNet-8\n4,321",
        "crop, flip",
        "= 0.5",
    ):
        assert text in said, text


def test_figure_3_chooses_pairs_by_rule_and_counts_them(made):
    files, metrics = made
    pairs = files["crops.csv"]
    with plotting.style():
        left, middle, right = fig3.draw(metrics, None, files).axes
    both = {
        tuple(tuple(row[name + view] for name in examples.BOX) for view in "12"): row
        for row in pairs.to_dict("records")
    }
    nested, apart = (
        next(row for pair, row in both.items() if set(pair) == boxes(axes))
        for axes in (left, middle)
    )
    inside = [row for row in both.values() if row["inside"] == pairs["inside"].max() == 1]
    assert nested["iou"] == min(row["iou"] for row in inside)
    assert apart["iou"] == pairs["iou"].min()
    far = {pair: distance(*pair) for pair, row in both.items() if row["iou"] == apart["iou"]}
    assert {pair for pair in far if set(pair) == boxes(middle)} <= {
        pair for pair in far if far[pair] == min(far.values())
    }
    means = metrics.mean()
    assert f"{means['crops_nested']:.0f} % of" in left.get_title(loc="left")
    assert f"{means['crops_apart']:.1f} % of" in middle.get_title(loc="left")
    assert sum(bar.get_height() for bar in right.patches) == pytest.approx(100)
    for share in (examples.NESTED, examples.APART):
        assert f"{100 * share:.0f} %" in fig3.CAPTION.replace("\n", " ")


def distance(first, second) -> float:
    """The square of the distance of the centres of two boxes."""
    return sum(
        (a + h / 2 - b - k / 2) ** 2
        for a, h, b, k in zip(first[:2], first[2:], second[:2], second[2:], strict=True)
    )


def test_both_figures_show_them(data, searched, tmp_path):
    made = run(examples, build(Examples, {}), data, tmp_path / "a")
    drawn = pd.read_csv(made / "examples.csv").assign(seed=0)
    found = pd.read_csv(searched / "neighbours.csv").assign(seed=0)
    with plotting.style():
        first = fig4.draw(None, None, {"examples.csv": drawn})
        table = pd.DataFrame([{"neighbours_h": 50.0, "neighbours_z": 40.0}])
        second = shown.draw(table, None, {"neighbours.csv": found})
    for figure, images in ((first, 6 * 11), (second, 3 * 6)):
        assert isinstance(figure, Figure)
        assert sum(len(axes.images) for axes in figure.axes) == images
