"""What the module of an experiment returns and checks: its runs, and the grid of its scale."""

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
