"""How the base setting was chosen, and what makes seeds differ."""

import numpy as np
import pandas as pd
import pytest

from simclr import files
from simclr.config import ConfigError
from tests import synthetic
from workflow.docs import noise_page
from workflow.experiments import choice, variance
from workflow.figures import stage
from workflow.planning.scale import load_scale


def test_candidates_are_judged_on_images_that_none_of_them_trains_on():
    grid = {"images": [100, 200], "epochs": [6, 3], "rates": [1.0, 2.0], "held_out": 50}
    runs = choice.runs(grid)
    assert [run.name for run in runs] == ["n100-e6-r1", "n100-e6-r2", "n200-e3-r1", "n200-e3-r2"]
    assert all(run.data["held_out"] == 50 and run.data["test_images"] == 0 for run in runs)
    assert runs[-1].settings["optimizer"] == {"base_lr": 2.0, "warmup_epochs": pytest.approx(0.3)}
    generated = choice.runs({**grid, "held_out": 0, "data_seed": 1})
    assert all(run.data["seed"] == 1 and len(run.data) == 2 for run in generated)
    for both in ({"data_seed": 1}, {"held_out": 0}):
        with pytest.raises(ConfigError, match="held_out, data_seed: give one"):
            choice.runs({**grid, **both})
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both figures of `small`, of drawn numbers."""
    out = tmp_path_factory.mktemp("root") / "paper_figures" / "small"
    out.mkdir(parents=True)
    for name in ("choice", "variance"):
        stage.draw(name, synthetic.rows("small", name), synthetic.context("small"), out)
    return out


def test_the_page_has_the_numbers_of_the_figures(folder, monkeypatch):
    monkeypatch.setattr(files, "ROOT", folder.parent.parent)
    runs = noise_page.published("small", "choice")
    lines = noise_page.chosen("small")[1:]
    assert len(lines) == len(runs.groupby(list(choice.LABELS)))
    scores = [float(line[-1]) for line in lines]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1
    images, epochs, rate, *_ = lines[0]
    best = runs[(runs["images"] == int(images.replace(",", ""))) & (runs["rate"] == float(rate))]
    best = best[best["epochs"] == int(epochs)]["linear_h"]
    assert scores[0] == pytest.approx(best.mean() - best.std(), abs=0.01)
    rows = noise_page.components("small")
    assert [line[2].split(":")[0] for line in rows] == [variance.WEIGHTS, variance.SUBSET]


@pytest.mark.parametrize("scale", ["tiny", "small"])
def test_the_base_setting_is_the_published_choice(scale):
    runs = noise_page.published(scale, "choice")
    if not len(runs):
        pytest.skip("not published")
    best = noise_page.ranked(runs).iloc[0]
    base = load_scale(scale).base
    taken = base["prepare"]["train_images"], base["pretrain"]["epochs"]
    taken += (base["pretrain"]["optimizer"]["base_lr"],)
    assert taken == tuple(best[list(choice.LABELS)])
