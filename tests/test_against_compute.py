"""Claims against compute: signs, the order of scales, what is shown, and the same bytes."""

import csv
import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from matplotlib.colors import to_hex

from tests.project import ROOT
from workflow import paper
from workflow.figures import contrasts, forest, plotting
from workflow.pages import against_compute, extent, ledger
from workflow.pages.ledger import read_rows
from workflow.planning.planner import build_plan

COLUMNS = ("id", "contrast", "effect", "low", "high", "n", "unit", "verdict", "side", "against")


def publish(root, scale, claims, took=None, papers=(), decided=()):
    """Write a scale's claims.csv, and metrics.json with its hours; decided: those after Holm."""
    (root / scale).mkdir(parents=True)
    with open(root / scale / "claims.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow((*COLUMNS, "paper", "p_holm"))
        for number, claim in enumerate(claims):
            values = [
                "" if value != value else value for value in map(claim._asdict().get, COLUMNS)
            ]
            own = papers[number] if number < len(papers) else ""
            writer.writerow((*values, own, 0.01 if claim.id in decided else 1))
    (root / scale / "metrics.json").write_text(json.dumps({"hours": took or {}}))


def values(*by_seed):
    return pd.Series(by_seed, dtype=float)


NEGATIVE = contrasts.directional("C10", "SimCLR: a minus strength 1", values(-3, -4, -5), -1)
POSITIVE = contrasts.directional("C02", "pair minus the best other", values(-1, -2, -3.5))
SMALL = contrasts.equivalence("C16", "range over dimensions", values(0.5, 1.0, 1.5), 3.0)
LARGE = contrasts.equivalence("C05", "mean of sizes", values(7.0, 8.0, 9.0), 3.0)
RHO = contrasts.directional("C04", "rank correlation", values(-0.8, -0.9, -0.7), -1, "Spearman rho")
ONE_SEED = contrasts.directional("C27", "24 minus 6 epochs", values(250.0))
ALL = (NEGATIVE, POSITIVE, SMALL, LARGE, RHO, ONE_SEED)


def test_an_effect_is_positive_on_the_papers_side(tmp_path):
    publish(tmp_path, "tiny", ALL, papers=(-2.1, 10.0, 0.95))
    rows = {row["id"]: row for row in against_compute.contrasts(tmp_path, ["tiny"])}
    wanted = {"C10": ("4", "2.1"), "C02": ("-2.16667", "10"), "C16": ("2", "2.05")}
    wanted |= {"C05": ("-5", ""), "C04": ("0.8", ""), "C27": ("250", "")}
    assert {name: (row["towards_paper"], row["papers_own"]) for name, row in rows.items()} == wanted
    assert rows["C27"]["low"] == "" and rows["C16"]["margin"] == "3.0"
    for row in rows.values():
        if row["low"]:
            low, effect, high = (float(row[name]) for name in ("low", "towards_paper", "high"))
            assert low < effect < high
            assert (low > 0) == (row["verdict"] == "reproduced")
            assert (high < 0) == (row["verdict"] == "contradicted")


def test_the_signs_of_what_is_published_are_those_of_its_verdicts():
    root = ROOT / "paper_figures"
    rows = against_compute.contrasts(root, list(against_compute.costs(root)))
    text = [{name: str(value) for name, value in row.items()} for row in rows]
    assert read_rows(root / against_compute.CSV) == text, "publish the scales again"
    assert {row["id"] for row in rows if row["papers_own"]} >= {"C01", "C07", "C12", "C33", "C40"}
    for row in rows:
        if row["low"]:
            assert (float(row["low"]) > 0) == (row["verdict"] == "reproduced"), row
            assert (float(row["high"]) < 0) == (row["verdict"] == "contradicted"), row


def test_scales_stand_by_their_hours_and_gpus_last(tmp_path):
    for scale, took in {
        "small": {"core-hours": 0.9},
        "cifar10": {"GPU-hours": 0.5},
        "tiny": {"core-hours": 2.2},
        "mine": {},
    }.items():
        publish(tmp_path, scale, [POSITIVE], took)
    (tmp_path / "mine" / "metrics.json").unlink()  # drawn before there were hours
    assert list(against_compute.costs(tmp_path)) == ["mine", "small", "tiny", "cifar10"]


def test_hours_are_what_the_plan_expects_of_what_is_published(tmp_path, monkeypatch):
    plan = build_plan("tiny")
    monkeypatch.chdir(tmp_path)  # nothing is computed there
    encoder, *_ = (i for i in plan.instances.values() if i.stage.name == "pretrain")
    shown = [i for i in plan.instances.values() if i.inputs.get("encoder") is encoder][:2]
    lines = [{"stage": i.stage.name, "name": i.name} for i in shown]
    data = encoder.inputs["data"]
    wanted = sum(one.seconds for one in (*shown, encoder, data)) / 3600  # the encoder once
    lines.append({"stage": "evaluate", "name": "gone"})
    found = extent.hours(plan, lines)
    assert found == {"core-hours": pytest.approx(wanted, abs=1e-3)}
    assert extent.text({"core-hours": 1.5, "GPU-hours": 10}) == "1.5 core-hours and 10 GPU-hours"
    assert extent.text({}) == "nothing published"
    counts = extent.counts(plan, lines)
    assert counts == {"planned": len(plan.of_kind("measurement")), "there": len(shown)}


@pytest.mark.parametrize("count, wanted", [(7, "2 core-hours, in part"), (8, "2 core-hours")])
def test_what_is_published_in_part_says_so(count, wanted):
    results = {"there": count, "planned": 8}
    assert extent.cost({"hours": {"core-hours": 2}, "results": results}) == wanted


def test_the_contrast_that_most_scales_have_is_shown(tmp_path):
    deep, wide, other = (
        contrasts.directional("C12", words, values(1, 2, 3))
        for words in ("deepest (14) minus (8)", "widest (2) minus (1)", "widest (4) minus (1)")
    )
    publish(tmp_path, "small", [deep, other])
    publish(tmp_path, "tiny", [wide])
    rows = against_compute.contrasts(tmp_path, ["small", "tiny"])
    shown = {(row["scale"], row["contrast"]) for row in rows if row["shown"] == "yes"}
    assert shown == {("small", other.contrast), ("tiny", wide.contrast)}


def test_contrasts_are_the_same_whatever_the_numbers_of_the_grid():
    words = [("C34", "batch 64: better"), ("C34", "batch 128: better"), ("C31", "Crop: 30 epochs")]
    other = [("C34", "batch 64: better"), ("C34", "batch 256: better"), ("C31", "Crop: 9 epochs")]
    in_part = [(name, f"{text} (in part)") for name, text in other]
    found = paper.same_contrasts(words)
    assert found == paper.same_contrasts(other) == paper.same_contrasts(in_part)
    assert len(set(found)) == 3


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_scales_is_drawn(tmp_path, count):
    """The second has one figure alone; filled is what is decided, and nothing leaves the axes."""
    for number in range(count):
        claims = [POSITIVE] if number == 1 else ALL
        publish(tmp_path, f"s{number}", claims, {"core-hours": number}, (-2.1,), {"C10"})
    scales = [f"s{number}" for number in range(count)]
    rows = against_compute.contrasts(tmp_path, scales)
    topics = against_compute._topics(rows, scales)
    names = [row.id for topic in topics.values() for row in topic]
    assert sorted(names) == [row["id"] for row in read_rows(ledger.CLAIMS)]
    with plotting.style():
        figure = forest.draw(topics, scales, "title", "note")
    marks = [line for axes in figure.axes for line in axes.lines if line.get_marker() in "os^Dv"]
    filled = [one for one in marks if to_hex(one.get_markerfacecolor()) != "#ffffff"]
    assert len(marks) == len(rows) and len(filled) == sum(r["decided"] == "yes" for r in rows)
    assert max(abs(line.get_xdata()[0]) for line in marks) == forest.END  # 250 points
    colors = {to_hex(forest.color(number, count)) for number in range(count)}
    assert len(colors) == count and {to_hex(one.get_markeredgecolor()) for one in marks} == colors


@pytest.mark.slow
def test_the_figure_has_the_same_bytes_in_another_process_and_is_drawn_when_needed(tmp_path):
    for number in range(2):
        root = tmp_path / str(number)
        publish(root, "tiny", ALL, {"core-hours": 1.0})
        (root / "matplotlibrc").write_text("font.size: 20\nsvg.hashsalt: x\n")
    assert against_compute.write(tmp_path / "0") == 3
    assert against_compute.write(tmp_path / "0") == 0
    code = "import pathlib, sys; from workflow.pages import against_compute as a; "
    command = [sys.executable, "-c", code + "a.write(pathlib.Path(sys.argv[1]))", root]
    environment = os.environ | {"PYTHONHASHSEED": "5", "MATPLOTLIBRC": str(root / "matplotlibrc")}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=120)
    for name in ("claims.svg", "claims.png", "contrasts.csv"):
        made = [(tmp_path / str(number) / name).read_bytes() for number in range(2)]
        assert made[0] == made[1], name
    (root / "tiny" / "metrics.json").write_text('{"hours": {"core-hours": 2.0}}')
    assert against_compute.write(root) == 2  # the legend has changed, the numbers have not
