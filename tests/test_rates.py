"""Whether fine-tuning loses for its rate: the runs of Table 7, and others at other rates."""

import pandas as pd
import pytest

from simclr.config import ConfigError
from tests import synthetic
from tests.test_figures import ink_at_the_edge
from workflow.experiments import rates
from workflow.figures import stage

GRID = {
    **{"widths": [1, 2], "labels": [0.1, 1.0], "epochs": [30, 3], "scratch_epochs": [60, 5]},
    **{"batches": [50, 128], "rates": [0.1, 0.4], "scratch_lr": 0.8},
}


def test_at_its_rate_the_runs_are_those_of_table_7(planned):
    plan = planned("medium")
    inputs = {one.name for one in plan.figure("rates").inputs.values()}
    assert {"table7.fine-w1-10.s0", "table7.new-w1-10.s0"} <= inputs
    assert {"table7.fine-w2-100.s2", "table7.new-w2-100.s2"} <= inputs
    others = [name for name in inputs if name.startswith("rates.")]
    assert others and all(name.startswith("rates.fine-") for name in others)


def test_gains_are_those_over_new_weights_of_the_same_case():
    rows = []
    for seed in (0, 1):
        for run in rates.runs(GRID):
            value = {rates.FINE: 50 + 10 * run.labels["rate"], rates.NEW: 48}[run.labels["method"]]
            rows.append(
                {"seed": seed, **run.labels, rates.METRIC: value + seed * run.labels["width"]}
            )
    found = {case: list(numbers) for case, numbers in rates.gains(pd.DataFrame(rows)).items()}
    assert found == {
        **{(1, 10.0, 0.1): [3, 3], (1, 10.0, 0.4): [6, 6]},
        **{(2, 100.0, 0.1): [3, 3], (2, 100.0, 0.4): [6, 6]},
    }


@pytest.mark.parametrize(
    "wrong, said",
    [({"epochs": [30]}, "one of each per case"), ({"rates": []}, "rates: give at least one")],
)
def test_a_case_lacks_nothing(wrong, said):
    with pytest.raises(ConfigError, match=said):
        rates.runs({**GRID, **wrong})


def test_it_is_drawn_whole_and_in_part(tmp_path):
    for name, rows in synthetic.whole_and_in_part("medium", "rates").items():
        (folder := tmp_path / name).mkdir()
        stage.draw("rates", rows, synthetic.context("tiny"), folder)
        assert not ink_at_the_edge(folder / "rates.png")
