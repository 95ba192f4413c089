"""Every experiment at every scale: its settings can be built, its grid is checked strictly."""

import csv
import re
import subprocess
import sys

import pandas as pd
import pytest

from simclr.config import ConfigError, build, merge, to_dict
from simclr.registry import STAGES
from tests.synthetic import ROOT, SCALES
from workflow import catalog
from workflow.experiments import fig5, fig7, figb2, figb8, table1
from workflow.planning import networks
from workflow.planning.scale import load_scale


def resolved(scale: str, experiment: str) -> dict:
    """Return {name of the run: (stage, resolved settings, encoder, data)}."""
    values = load_scale(scale)
    found = {}
    for run in catalog.module(experiment).runs(values.grid(experiment)[0]):
        assert run.name not in found
        merged = merge(values.base.get(run.stage, {}), run.settings)
        settings = to_dict(build(STAGES[run.stage].settings, merged))
        found[run.name] = run.stage, settings, run.starts_from, run.data
    return found


@pytest.mark.parametrize("scale", SCALES)
def test_every_run_of_every_scale_builds(scale):
    for experiment in load_scale(scale).experiments:
        module = catalog.module(experiment)
        values = resolved(scale, experiment)
        if experiment != "ambiguities":  # where one choice of each pair is the base setting
            assert len({repr(value) for value in values.values()}) == len(values)  # none twice
        grid, seeds, _ = load_scale(scale).grid(experiment)
        for run in module.runs(grid):
            assert re.fullmatch(r"[A-Za-z0-9+=._-]+", run.name)
            assert set(run.labels) <= set(module.LABELS) <= set(run.labels) | set(networks.LABELS)
            assert all(type(value) in (str, int, float) for value in run.labels.values())
        assert len(set(seeds)) >= 3


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_tests_every_claim_and_plans_what_is_published(scale):
    with open(ROOT / "data" / "paper" / "claims.csv", newline="") as file:
        claims = {row["id"] for row in csv.DictReader(file)}
    experiments = set(load_scale(scale).experiments)
    assert {claim for name in experiments for claim in catalog.module(name).CLAIMS} == claims
    captions = (ROOT / "paper_figures" / scale).glob("*.caption.md")
    assert {path.name.removesuffix(".caption.md") for path in captions} <= experiments


def test_every_module_says_what_it_is():
    for name in catalog.names():
        module = catalog.module(name)
        assert module.NUMBER and module.TITLE and module.CAPTION and module.__doc__
        assert module.KIND in catalog.KINDS and type(module.ORDER) is int
    assert set(catalog.FAMILIES["core"]) <= set(catalog.names())
    ordered = [
        "fig1",
        "fig2",
        "fig3",
        "fig4",
        "fig9",
        "table1",
        "table8",
        "figb1",
        "figb8",
        "tableb3",
        "variants",
    ]
    assert sorted(sorted(ordered), key=catalog.paper_order) == ordered


@pytest.mark.parametrize("scale", SCALES)
def test_the_base_run_is_shared_by_the_experiments(scale):
    base = to_dict(build(STAGES["pretrain"].settings, load_scale(scale).base["pretrain"]))
    for experiment in ("table5", "fig8", "table1", "fig7", "fig9"):
        assert ("pretrain", base, None, None) in resolved(scale, experiment).values()


def test_small_original_differs_from_small_by_its_source_alone():
    small, original = load_scale("small"), load_scale("small-original")
    assert original.experiments == small.experiments
    assert original.base["prepare"]["source"] == "cifar10"
    assert {**original.base, "prepare": 0} == {**small.base, "prepare": 0}


def test_one_batch_size_leaves_no_claim_about_two():
    labels = {"scaling": "linear", "batch": 64, "epochs": 6}
    rows = [{"seed": seed, **labels, "linear_h": 50.0 + seed} for seed in (0, 1)]
    assert [claim.id for claim in figb2.claims(pd.DataFrame(rows))] == ["C28"]


def test_figure_5_has_one_run_per_ordered_pair():
    views = {run.name: run.settings["views"] for run in fig5.runs({})}
    assert len(views) == 49
    assert views["crop"]["operators"] == ["crop", "flip"]
    assert views["crop+color"]["operators"] == ["crop", "flip", "color"]
    assert views["color+crop"]["operators"] == ["color", "crop", "flip"]
    assert all(each["asymmetric"] for each in views.values())
    (run,) = fig5.runs({"operators": ["color"], "base_crop": True})
    assert run.settings["views"]["base_crop"] is True


def test_figure_7_without_the_cross_varies_one_thing_at_a_time():
    runs = fig7.runs({"depths": [8, 14], "widths": [1, 2], "cross": False})
    simclr = [run.name for run in runs if run.stage == "pretrain"]
    assert simclr == ["simclr-d8-w1", "simclr-d8-w2", "simclr-d14-w1"]
    rows = [
        {"setting": run.name, "seed": seed, **run.labels, METRIC[run.labels["regime"]]: accuracy}
        for run, accuracy in zip(runs, [50.0, 70.0, 58.0, 69.0, 53.0, 71.0], strict=True)
        for seed in (0, 1, 2)
    ]
    effects = [(claim.id, claim.effect) for claim in fig7.claims(pd.DataFrame(rows))]
    # deeper, both at width 1: SimCLR + 3, supervised + 1; wider: + 8 and - 1
    assert effects == [("C12", 3.0), ("C13", 2.0), ("C12", 8.0), ("C13", 9.0)]


METRIC = {"SimCLR": "linear_h", "supervised": "supervised_top1"}


@pytest.mark.parametrize("everywhere", [False, True])
def test_figure_b8_is_of_the_longest_training_or_of_all(everywhere):
    """With all lengths, as in the paper, its two panels are those up to 300 epochs and beyond."""
    grid = {"epochs": [100, 300, 500, 1000], "batches": [256], "all_lengths": everywhere}
    rows = [{**run.labels, "seed": 0, "linear_h": 1.0} for run in figb8.runs(grid)]
    assert len(rows) == 1 + (12 if everywhere else 3 + 3)  # the first: supervised
    lengths = [epochs for _, epochs in figb8._parts(figb8._averaged(pd.DataFrame(rows)))]
    assert lengths == ([[100, 300], [500, 1000]] if everywhere else [[1000]])


def test_table_1_names_strengths_as_the_paper_does():
    simclr = [run for run in table1.runs({}) if run.stage == "pretrain"]
    names = [run.labels["augmentation"] for run in simclr]
    assert names == ["1/8", "1/4", "1/2", "1", "1+blur", "AutoAugment"]
    assert simclr[4].settings["views"] == {
        "operators": ["crop", "flip", "color", "blur"],
        "color_strength": 1.0,
    }
    supervised = [run for run in table1.runs({}) if run.stage == "supervise"]
    assert [run.settings for run in supervised] == [run.settings for run in simclr]


@pytest.mark.parametrize(
    ("experiment", "grid", "words"),
    [
        ("fig5", {"operatrs": ["crop"]}, "experiments.fig5.operatrs: unknown.*'operators'"),
        ("fig5", {"operators": ["crop", "colour"]}, "'colour' is not a choice.*'color'"),
        ("fig5", {"operators": ["crop", "crop"]}, "experiments.fig5: operators: .*each once"),
        ("fig5", {"operators": []}, "one value or more"),
        ("fig6", {"crops": 4}, "experiments.fig6.crops: unknown"),
        ("fig7", {"depths": [9]}, r"experiments.fig7.depths\[0\]: 9 is not a choice"),
        ("fig8", {"dim": [32]}, "'dims'"),
        ("fig8", {"dims": [0]}, "at least 1"),
        ("fig9", {"batches": 64}, "experiments.fig9.batches: expected a list"),
        ("fig9", {"epochs": ["10"]}, "expected int"),
        ("table1", {"strengths": [0.0]}, "greater than 0"),
        ("table1", {"blur": 1}, "expected bool"),
        ("table5", {"raw": [-1.0]}, "greater than 0"),
    ],
)
def test_a_grid_is_checked(experiment, grid, words):
    with pytest.raises(ConfigError, match=words) as raised:
        catalog.module(experiment).runs(grid)
    assert "\n" not in str(raised.value)


def test_planning_imports_nothing_slow():
    code = (
        "import sys\n"
        "import workflow.planning.planner, workflow.pages.scale_page\n"
        "from workflow import catalog\n"
        "for name in catalog.names(): catalog.module(name).runs({})\n"
        "slow = {'torch', 'numpy', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported: {slow}' if slow else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
