"""Every experiment at every scale: its settings can be built, its grid is checked strictly."""

import importlib
import re
import subprocess
import sys

import pandas as pd
import pytest

from simclr.config import ConfigError, build, merge, to_dict
from simclr.settings import STAGES
from tests.synthetic import ROOT, SCALES
from workflow.catalog import ORDER
from workflow.planning.scale import load_scale


def resolved(scale: str, experiment: str) -> dict:
    """Return {setting name: (stage, resolved settings)}."""
    values = load_scale(scale)
    module = importlib.import_module(f"workflow.experiments.{experiment}")
    found = {}
    for one in module.settings(values.grid(experiment)[0]):
        assert one.name not in found
        merged = merge(values.base.get(one.stage, {}), one.settings)
        values_of_it = to_dict(build(STAGES[one.stage][0], merged))
        if one.of or one.data:  # what it starts from, or works on, is part of what it is
            values_of_it = values_of_it, one.of, one.data
        found[one.name] = one.stage, values_of_it
    return found


@pytest.mark.parametrize("scale", SCALES)
def test_every_setting_of_every_scale_builds(scale):
    assert set(load_scale(scale).experiments) == set(ORDER)
    for experiment in ORDER:
        module = importlib.import_module(f"workflow.experiments.{experiment}")
        values = resolved(scale, experiment)
        if experiment != "ambiguities":  # where one choice of each pair is the base setting
            assert len({repr(value) for value in values.values()}) == len(values)  # none twice
        for one in module.settings(load_scale(scale).grid(experiment)[0]):
            assert re.fullmatch(r"[A-Za-z0-9+=._-]+", one.name)
            assert set(one.labels) == set(module.LABELS) - {"parameters"}
            assert all(type(value) in (str, int, float) for value in one.labels.values())


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_has_three_seeds_or_more(scale):
    for experiment in ORDER:
        assert len(set(load_scale(scale).grid(experiment)[1])) >= 3


@pytest.mark.parametrize("scale", SCALES)
def test_the_base_run_is_shared_by_the_experiments(scale):
    base = to_dict(build(STAGES["pretrain"][0], load_scale(scale).base["pretrain"]))
    for experiment in ("table5", "fig8", "table1", "fig7", "fig9"):
        assert ("pretrain", base) in resolved(scale, experiment).values(), experiment


def test_small_original_differs_from_small_by_its_source_alone():
    small, original = load_scale("small"), load_scale("small-original")
    assert original.experiments == small.experiments
    assert original.base["prepare"]["source"] == "cifar10"
    assert {**original.base, "prepare": 0} == {**small.base, "prepare": 0}


def test_figure_5_has_one_run_per_ordered_pair():
    fig5 = importlib.import_module("workflow.experiments.fig5")
    made = {one.name: one for one in fig5.settings({})}
    assert len(made) == 49
    assert made["crop"].settings["views"]["operators"] == ["crop", "flip"]
    assert made["crop+color"].settings["views"]["operators"] == ["crop", "flip", "color"]
    assert made["color+crop"].settings["views"]["operators"] == ["color", "crop", "flip"]
    assert all(one.settings["views"]["asymmetric"] for one in made.values())
    based = fig5.settings({"operators": ["color"], "base_crop": True})
    assert [one.settings["views"]["base_crop"] for one in based] == [True]


def test_figure_7_without_the_cross_varies_one_thing_at_a_time():
    fig7 = importlib.import_module("workflow.experiments.fig7")
    made = fig7.settings({"depths": [8, 14], "widths": [1, 2], "cross": False})
    simclr = [one.name for one in made if one.stage == "pretrain"]
    assert simclr == ["simclr-d8-w1", "simclr-d8-w2", "simclr-d14-w1"]
    rows = [
        {"setting": one.name, "seed": seed, **one.labels, METRIC[one.labels["regime"]]: accuracy}
        for one, accuracy in zip(made, [50.0, 70.0, 58.0, 69.0, 53.0, 71.0], strict=True)
        for seed in (0, 1, 2)
    ]
    effects = [(claim.id, claim.effect) for claim in fig7.claims(pd.DataFrame(rows))]
    # deeper, both at width 1: SimCLR + 3, supervised + 1; wider: + 8 and - 1
    assert effects == [("C12", 3.0), ("C13", 2.0), ("C12", 8.0), ("C13", 9.0)]


METRIC = {"SimCLR": "linear_h", "supervised": "supervised_top1"}


@pytest.mark.parametrize("everywhere", [False, True])
def test_figure_b8_is_of_the_longest_training_or_of_all(everywhere):
    """With all lengths, as in the paper, its two panels are those up to 300 epochs and beyond."""
    module = importlib.import_module("workflow.experiments.figb8")
    grid = {"epochs": [100, 300, 500, 1000], "batches": [256], "all_lengths": everywhere}
    rows = [{**one.labels, "seed": 0, "linear_h": 1.0} for one in module.settings(grid)]
    assert len(rows) == 1 + (12 if everywhere else 3 + 3)  # the first: supervised
    lengths = [epochs for _, epochs in module._parts(module._averaged(pd.DataFrame(rows)))]
    assert lengths == ([[100, 300], [500, 1000]] if everywhere else [[1000]])


def test_table_1_names_strengths_as_the_paper_does():
    table1 = importlib.import_module("workflow.experiments.table1")
    made = [one for one in table1.settings({}) if one.stage == "pretrain"]
    names = [one.labels["augmentation"] for one in made]
    assert names == ["1/8", "1/4", "1/2", "1", "1+blur", "AutoAugment"]
    assert made[4].settings["views"] == {
        "operators": ["crop", "flip", "color", "blur"],
        "color_strength": 1.0,
    }
    supervised = [one for one in table1.settings({}) if one.stage == "supervise"]
    assert [one.settings for one in supervised] == [one.settings for one in made]


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
    module = importlib.import_module(f"workflow.experiments.{experiment}")
    with pytest.raises(ConfigError, match=words) as raised:
        module.settings(grid)
    assert "\n" not in str(raised.value)


def test_planning_imports_nothing_slow():
    code = (
        "import sys, importlib\n"
        "from workflow.catalog import ORDER\n"
        "import workflow.planning.planner, workflow.pages.scale_page\n"
        "for name in ORDER: importlib.import_module('workflow.experiments.' + name).settings({})\n"
        "slow = {'torch', 'numpy', 'pandas', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(f'imported: {slow}' if slow else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
