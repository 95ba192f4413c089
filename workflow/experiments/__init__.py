"""The paper's figures and tables, one module each: what is varied, how it is drawn, what it claims.

A module `workflow/experiments/<name>.py` has

    TITLE, PAPER     its title, and its id, or ids, in data/paper/paper_reported.csv
    CLAIMS           ids of the claims that it tests (data/paper/claims.csv)
    LABELS, CAPTION  the labels of its settings; what is to be seen, in a sentence or two
    settings(grid)   -> list[Setting]: the runs, each of which is repeated for every seed
    draw(table, paper) -> matplotlib Figure
    claims(table)    -> list[workflow.figures.contrasts.Claim]
    FILES            (where there are some) CSV files of the runs that draw() gets as well, by name

`grid` is what the scale's YAML says under `experiments.<name>`. `table` has a row per setting and
seed: setting, seed, the setting's labels, and the metrics (one who lists `parameters` in LABELS
gets the number of the encoder's parameters). Planning calls settings() of all of
them, so nothing slow (pandas, matplotlib, scipy) is imported before draw() or claims() run.
"""

import dataclasses
from typing import NamedTuple


class Setting(NamedTuple):
    """One run of an experiment, to be repeated for every seed."""

    name: str  # unique in its experiment, [A-Za-z0-9+=._-]
    stage: str  # pretrain or supervise (evaluated after it), or another, whose metrics are shown
    settings: dict  # laid over the scale's base of that stage
    labels: dict  # columns of the table, plain values
    of: tuple[str, dict] | None = None  # stage and settings of the encoder that it starts from
    data: dict | None = None  # laid over the scale's base of `prepare`: another data set


def check_lists(grid) -> str | None:
    """For Grid.check: every list of a grid names at least one value, and each once."""
    for field in dataclasses.fields(grid):
        value = getattr(grid, field.name)
        if isinstance(value, tuple) and (not value or len(set(value)) < len(value)):
            return f"{field.name}: give one value or more, each once."
    return None
