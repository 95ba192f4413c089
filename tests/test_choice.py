"""How the base setting was chosen, and what makes seeds differ."""

import numpy as np
import pandas as pd
import pytest

from simclr.config import ConfigError
from workflow.experiments import choice, variance


def test_candidates_are_judged_on_images_that_none_of_them_trains_on():
    grid = {"images": [100, 200], "epochs": [6, 3], "rates": [1.0, 2.0], "held_out": 50}
    runs = choice.runs(grid)
    assert [run.name for run in runs] == ["n100-e6-r1", "n100-e6-r2", "n200-e3-r1", "n200-e3-r2"]
    assert all(run.data["held_out"] == 50 and run.data["test_images"] == 0 for run in runs)
    assert runs[-1].settings["optimizer"] == {"base_lr": 2.0, "warmup_epochs": pytest.approx(0.3)}
    with pytest.raises(ConfigError, match="one length for each number of images"):
        choice.runs({**grid, "epochs": [6]})


def test_components_of_effects_that_add_up_are_their_variances():
    rows, columns = np.array([0.0, 1.0, 5.0]), np.array([0.0, 2.0, 3.0, 9.0])
    values = pd.DataFrame(40 + rows[:, None] + columns)
    expected = rows.var(ddof=1), columns.var(ddof=1), 0.0
    assert variance.components(values) == pytest.approx(expected)


def test_components_are_found_again_in_drawn_grids():
    draws = np.random.default_rng(0)
    shapes = ((2, (4, 1)), (1, (1, 5)), (3, (4, 5)))  # deviations of rows, columns and the rest
    grids = [
        sum(draws.normal(0, deviation, shape) for deviation, shape in shapes) for _ in range(500)
    ]
    rows, columns, rest = np.mean([variance.components(pd.DataFrame(grid)) for grid in grids], 0)
    assert rest == pytest.approx(9, rel=0.1)
    assert 3.5 < rows < 5.5 and 0.9 < columns < 3  # above 4 and 1: none counts as less than 0
