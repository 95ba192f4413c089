"""What a contradiction hangs on: the same contrasts at several lengths of training."""

import pandas as pd
import pytest

from simclr import files
from tests import synthetic
from tests.test_figures import ink_at_the_edge
from workflow.experiments import longer
from workflow.figures import stage

GRID = {"epochs": [2, 5], "normalized": 0.1, "raw": [10.0, 100.0], "groups": 8}


def test_at_the_length_of_the_base_setting_all_runs_are_those_of_other_figures(planned):
    plan = planned("medium")
    own = {one.name for one in plan.instances.values() if one.experiment == "longer"}
    assert own and not any("-e5." in name for name in own)
    inputs = {one.name for one in plan.figure("longer").inputs.values()}
    assert {"fig8.linear-64.s0", "table5.l2-0.1.s0", "table5.raw-10.s0"} <= inputs
    assert {
        "table1.simclr-0.125.s0",
        "table1.simclr-1.s0",
        "table1.simclr-autoaugment.s0",
    } <= inputs
    assert {name.split(".")[0] for name in inputs - own} <= {
        "fig8",
        "fig9",
        "table1",
        "table5",
        "tableb3",
        "figb4",
        "variants",
    }


def test_effects_are_positive_on_the_papers_side():
    """Of each length: base minus linear, h minus z, the mean of the raw ones minus l2, ..."""
    values = {"base": 50.0, "linear head": 48.0, "raw-10": 60.0, "raw-100": 70.0, "l2-0.1": 62.0}
    values |= {"colour 0.125": 40.0, "colour 1": 45.0, "AutoAugment": 44.0}
    values |= {"online classifier": 49.0, "partial batch norm": 47.0}
    rows = []
    for seed in (0, 1):
        for run in longer.runs(GRID):
            change, epochs = run.labels["change"], run.labels["epochs"]
            about = {"seed": seed, "setting": run.name, **run.labels}
            if run.stage == "maps":
                rows.append({**about, "silhouette_h": 0.03 * epochs, "silhouette_z": 0.02})
            elif run.stage == "supervise":
                rows.append({**about, "supervised_top1": 50.0 + 2 * epochs + seed})
            else:
                metrics = ("linear_h", "contrastive_accuracy")
                rows.append({**about, **dict.fromkeys(metrics, values[change] + seed)})
                if change == "online classifier":
                    rows[-1]["online_h"] = values[change] + seed - 4
    found = longer.effects(pd.DataFrame(rows))
    whole = {(claim, epochs) for claim in longer.TITLES for epochs in (2, 5)}
    assert set(found) == whole - {("C31", 2)}  # nothing is shorter
    means = {key: numbers.mean() for key, numbers in found.items()}
    assert means["C14", 2] == means["C14", 5] == 2 and means["C24", 5] == 3
    assert (means["C07", 2], means["C10", 5]) == (5, 1)
    assert [means["C20", 2], means["C20", 5]] == pytest.approx([4, 13])
    assert means["C31", 5] == 3 - 6 and (means["C33", 2], means["C33", 5]) == (3 - 4, 3 - 10)
    assert means["C41", 2] == 3 - 4 and means["C42", 5] == 47 - 50


def test_it_is_drawn_whole_and_in_part(tmp_path):
    for name, rows in synthetic.whole_and_in_part("medium", "longer").items():
        (folder := tmp_path / name).mkdir()
        stage.draw("longer", rows, synthetic.context("tiny"), folder)
        svg = files.read_text(folder / "longer.svg")  # the words of each text stand in a comment
        for title, _ in longer.TITLES.values():
            assert f"<!-- {title.splitlines()[0]} -->" in svg
        assert not ink_at_the_edge(folder / "longer.png")
        assert ("in part" in files.read_text(folder / "longer.caption.md")) == (name == "part")
