"""The experiments, one module each: what is varied, how it is drawn, what the paper claims.

A module `workflow/experiments/<name>.py` has

    NUMBER, TITLE    "Figure 8", "projection heads"
    KIND, ORDER      a key of workflow.catalog.KINDS, and the place within that kind on the pages
    PAPER            its id, or ids, in data/paper/paper_reported.csv
    CLAIMS           ids of the claims that it tests (data/paper/claims.csv)
    LABELS           columns that describe a run; with `parameters` among them, the planner adds
                     the encoder's number of parameters
    CAPTION          what the figure shows, in a sentence or two
    FILES            optional: CSV files of the runs that draw() also needs
    runs(grid)       -> list[Run], each repeated for every seed
    draw(table, paper) or, with FILES, draw(table, paper, files) -> matplotlib Figure
    claims(table)    with CLAIMS: -> list[workflow.figures.contrasts.Claim]

`grid` is what the scale's YAML says under `experiments.<name>`. `table` has a row per run and seed:
setting (the run's name), seed, the run's labels, and its metrics. `paper` has the rows of PAPER;
`files` maps a name in FILES to its rows, if any run has that file.

Planning calls runs(), so a module imports pandas, matplotlib and SciPy only within draw() and
claims().
"""

import dataclasses
from typing import NamedTuple

from simclr.config import ConfigError


class Run(NamedTuple):
    """One run of an experiment, repeated for every seed."""

    name: str  # unique in its experiment, [A-Za-z0-9+=._-]
    stage: str  # pretrain or supervise (evaluated after it), or another, whose metrics are shown
    settings: dict  # laid over the scale's base of that stage
    labels: dict  # columns of the table, plain values
    starts_from: tuple[str, dict] | None = None  # stage and settings of its encoder
    data: dict | None = None  # laid over the scale's base of `prepare`: another data set


def check_lists(grid) -> str | None:
    """For Grid.check: require at least one value in each list, and none twice."""
    for field in dataclasses.fields(grid):
        value = getattr(grid, field.name)
        if isinstance(value, tuple) and (not value or len(set(value)) < len(value)):
            return f"{field.name}: give one value or more, each once."
    return None


def check_no_grid(grid: dict, experiment: str) -> None:
    """Refuse any value in the grid of an experiment that has none. Raises ConfigError."""
    for name in grid:
        raise ConfigError(
            f"experiments.{experiment}.{name}: unknown; this experiment has no grid: write {{}}."
        )
