"""Figures, their numbers and the page: right values, the same bytes every time, safe HTML."""

import csv
import hashlib
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from tests import synthetic
from tests.project import ROOT
from workflow import catalog, paper
from workflow.figures import plotting, stage
from workflow.planning.scale import SCALES, load_scale
from workflow.stages import Figures

TINY, SMALL, CIFAR10 = (list(load_scale(s).experiments) for s in ("tiny", "small", "cifar10"))
FORMS = ("fig5", "fig8", "table3")  # cells, lines, bars: in daily work they stand for the others
KINDS = ("svg", "png", "csv", "summary.csv", "claims.csv", "caption.md")


context = synthetic.context


@pytest.fixture
def svg_only(monkeypatch):
    """Draw no PNG in this test, which takes half the time: `drawn` has one of every figure."""
    save = Figure.savefig

    def save_svg(figure, path, **options):
        if path.suffix == ".svg":
            save(figure, path, **options)

    monkeypatch.setattr(Figure, "savefig", save_svg)


def test_no_text_of_a_published_picture_is_cut_at_its_edge():
    scales = [path.stem for path in SCALES.glob("*.yaml")]
    pictures = [path for scale in scales for path in (ROOT / "paper_figures" / scale).glob("*.png")]
    cut = [str(path) for path in pictures if ink_at_the_edge(path)]
    assert pictures and not cut


def ink_at_the_edge(path: Path) -> bool:
    """Whether a pixel of the picture's outermost lines is not white."""
    grey = np.asarray(Image.open(path).convert("L"))
    return min(line.min() for line in (grey[0], grey[-1], grey[:, 0], grey[:, -1])) < 255


def read(path: Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(name="drawn")
def drawn_at_tiny(drawn) -> Path:
    return drawn / "tiny"


@pytest.mark.parametrize("experiment", TINY)
def test_every_figure_is_drawn_with_its_numbers(drawn, experiment):
    for kind in KINDS:
        assert (drawn / f"{experiment}.{kind}").stat().st_size > 0
    ElementTree.parse(drawn / f"{experiment}.svg")
    rows = synthetic.rows("tiny", experiment)
    values = {
        (row["setting"], int(row["seed"]), row["metric"]): float(row["value"])
        for row in read(drawn / f"{experiment}.csv")
    }
    labels = catalog.module(experiment).LABELS
    expected = {
        (row["setting"], row["seed"], name): value
        for row in rows
        for name, value in row.items()
        if name not in ("setting", "seed", *labels)
    }
    assert values == expected  # exactly: what is written reads back as the same number
    for row in read(drawn / f"{experiment}.summary.csv"):
        seeds = [values[row["setting"], seed, row["metric"]] for seed in (0, 1, 2)]
        assert float(row["mean"]) == pytest.approx(sum(seeds) / 3)
        assert float(row["low"]) < float(row["mean"]) < float(row["high"])
        assert row["n"] == "3"
    caption = (drawn / f"{experiment}.caption.md").read_text()
    assert "Scale tiny" in caption and "n = 3 seeds" in caption


@pytest.mark.parametrize(
    "experiment",
    [name if name in FORMS else pytest.param(name, marks=pytest.mark.slow) for name in SMALL],
)
@pytest.mark.usefixtures("svg_only")
def test_one_seed_is_drawn_and_named_as_such(tmp_path, experiment):
    rows = synthetic.rows("small", experiment, seeds=(0,))
    stage.draw(experiment, rows, context("small"), tmp_path)
    assert (tmp_path / f"{experiment}.svg").stat().st_size > 0
    assert "n = 1 seed" in (tmp_path / f"{experiment}.caption.md").read_text()
    assert {row["low"] for row in read(tmp_path / f"{experiment}.summary.csv")} == {""}
    verdicts = {row["verdict"] for row in read(tmp_path / f"{experiment}.claims.csv")}
    assert verdicts <= {"inconclusive", "not tested"}


@pytest.mark.filterwarnings("error")  # as of panels that have no room, or averages of nothing
@pytest.mark.parametrize("experiment", TINY)
@pytest.mark.usefixtures("svg_only")
def test_a_figure_in_part_is_drawn_and_says_how_many_runs_are_missing(tmp_path, experiment):
    """Of all runs only the first is there, so the metrics of whole stages are missing."""
    first, *others = synthetic.rows("tiny", experiment)
    rows = [first, *without_metrics(experiment, others)]
    stage.draw(experiment, rows, context("tiny"), tmp_path)
    assert (tmp_path / f"{experiment}.svg").stat().st_size > 0
    caption = (tmp_path / f"{experiment}.caption.md").read_text()
    assert f"in part: {len(others)} of {len(rows)} runs are missing" in caption
    shown = {(row["setting"], row["seed"]) for row in read(tmp_path / f"{experiment}.csv")}
    assert shown == {(first["setting"], str(first["seed"]))}
    whole = sum(row["setting"] == first["setting"] for row in rows) == len(rows)  # one setting
    for row in read(tmp_path / f"{experiment}.claims.csv"):
        assert row["verdict"] == "not tested" or whole
        assert row["contrast"].endswith(f" (in part: {whole:d} of 3 seeds)")


def without_metrics(experiment: str, rows: list[dict]) -> list[dict]:
    labels = {"setting", "seed", *catalog.module(experiment).LABELS}
    return [{k: v for k, v in row.items() if k in labels} for row in rows]


@pytest.mark.parametrize("experiment", FORMS)
def test_contrasts_in_part_are_those_of_the_seeds_that_are_whole(tmp_path, experiment):
    *rows, last = synthetic.rows("tiny", experiment)
    stage.draw(experiment, [*rows, *without_metrics(experiment, [last])], context("tiny"), tmp_path)
    alone = tmp_path / "alone"
    alone.mkdir()
    seeds = [row for row in rows if row["seed"] != last["seed"]]
    stage.draw(experiment, seeds, context("tiny"), alone)
    found, expected = (read(folder / f"{experiment}.claims.csv") for folder in (tmp_path, alone))
    for row in expected:
        row["contrast"] += " (in part: 2 of 3 seeds)"
    assert found == expected
    counts = {row["setting"]: row["n"] for row in read(tmp_path / f"{experiment}.summary.csv")}
    assert counts.pop(last["setting"]) == "2" and set(counts.values()) == {"3"}


@pytest.mark.parametrize("experiment", CIFAR10)
@pytest.mark.usefixtures("svg_only")
def test_the_grid_of_cifar10_is_drawn(tmp_path, experiment):
    stage.draw(experiment, synthetic.rows("cifar10", experiment), context("cifar10"), tmp_path)
    assert (tmp_path / f"{experiment}.svg").stat().st_size > 10_000


def test_every_claim_has_its_row(drawn):
    for experiment in TINY:
        module = catalog.module(experiment)
        rows = read(drawn / f"{experiment}.claims.csv")
        assert {row["id"] for row in rows} == set(module.CLAIMS)
        assert all(row["claim"] and row["paper_effect"] and row["verdict"] for row in rows)


def test_the_stage_reads_the_metrics_of_its_runs(tmp_path):
    rows, inputs = [], {}
    for row in synthetic.rows("tiny", "fig6"):
        metrics = {k: v for k, v in row.items() if k not in ("setting", "seed")}
        folder = tmp_path / str(row["seed"])
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps(metrics))
        rows.append({"setting": row["setting"], "seed": row["seed"]})
        inputs[f"{row['setting']}.s{row['seed']}"] = folder
    out = tmp_path / "out"
    out.mkdir()
    settings = Figures(experiment="fig6", rows=rows, context=context("tiny"), paper=paper.sha256())
    stage.run(settings, inputs, out, tmp_path / "checkpoint", lambda *_: None)
    direct = tmp_path / "direct"
    direct.mkdir()
    stage.draw("fig6", synthetic.rows("tiny", "fig6"), context("tiny"), direct)
    assert hashes(out) == hashes(direct)


def test_pictures_may_be_digits_alone(tmp_path):
    """Gray of 128 is `808080...`, which looks like a number."""
    (tmp_path / "out").mkdir()
    (tmp_path / "metrics.json").write_text('{"shift_crop": 0.0}')
    (tmp_path / "examples.csv").write_text(f"image,operator,pixels\n0,original,{'80' * 12}\n")
    rows = [{"setting": "examples", "seed": 0}]
    settings = Figures(experiment="fig4", rows=rows, context=context("tiny"), paper=paper.sha256())
    inputs = {"examples.s0": tmp_path}
    stage.run(settings, inputs, tmp_path / "out", tmp_path / "checkpoint", lambda *_: None)
    assert (tmp_path / "out" / "fig4.svg").is_file()


def hashes(folder: Path) -> dict:
    files = sorted(folder.iterdir())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_last_digits_of_a_layout_are_not_in_the_file(tmp_path):
    """Its solver returns others in other processes; an SVG names a frame by a hash of them."""

    class Nudged(ConstrainedLayoutEngine):
        def execute(self, figure):
            super().execute(figure)
            for axes in figure.axes:
                box = axes.get_position(original=True)
                axes._set_position(box.translated(self.nudge, self.nudge), which="original")

    for name, nudge in ("a", 0.0), ("b", 1e-13):
        with plotting.style():
            figure, axes = plotting.panels(2, 3, 4.0)
            for panel in axes.flat:
                panel.plot([0, 1, 3])
            plotting.headline(figure, "A title", "A note.")
            engine = Nudged(**figure.get_layout_engine().get())
            engine.nudge = nudge
            figure.set_layout_engine(engine)
            plotting.save(figure, tmp_path, name, png=False)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.slow
def test_other_processes_draw_the_same_bytes(drawn, tmp_path):
    """In a process with another hash seed, matplotlibrc, date and time zone."""
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nlines.linewidth: 9\nsvg.hashsalt: x\n")
    code = (
        "import sys, pathlib, workflow.figures.stage as f\n"
        "from tests import synthetic\n"
        "from tests.test_figures import context\n"
        "for name in sys.argv[2:]:\n"
        "    rows = synthetic.rows('tiny', name)\n"
        "    f.draw(name, rows, context('tiny'), pathlib.Path(sys.argv[1]))\n"
    )
    out = tmp_path / "out"
    out.mkdir()
    names = ("fig5", "fig7", "table1", "fig6")
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "123",
        "MATPLOTLIBRC": str(tmp_path / "matplotlibrc"),
        "SOURCE_DATE_EPOCH": "86400",
        "TZ": "Pacific/Auckland",
    }
    command = [sys.executable, "-c", code, str(out), *names]
    subprocess.run(command, cwd=synthetic.ROOT, env=environment, check=True, timeout=120)
    assert len(hashes(out)) == len(names) * len(KINDS)
    assert hashes(out).items() <= hashes(drawn).items()
