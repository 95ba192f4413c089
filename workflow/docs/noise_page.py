"""docs/noise.md: what makes seeds differ, and how base settings were chosen.

`python -m workflow.docs.readme` writes it, from the published figures `variance` and `choice`.
"""

import math

import pandas as pd

from simclr import files
from workflow.docs import found, markdown
from workflow.experiments import choice, variance
from workflow.planning import cost
from workflow.planning.planner import build_plan

INTRODUCTION = """\
# Noise: what makes seeds differ, and how the base settings were chosen

This page is written by `python -m workflow.docs.readme` from the published results; a test compares
them. Intervals in the figures come from all of this noise together.
"""
VARIANCE = """\
## What makes seeds differ

Each line is a two-way analysis of variance over runs of the base setting: the standard deviation of
linear evaluation (on h, in points of accuracy) that the rows add, that the columns add, and what
neither explains. `test images` is the deviation that so many of them give by chance (binomial); it
is the same for all runs, so no difference between runs has it. The classifier adds nothing where
its gradient is 0: it is then the optimum.

Where nearly all is in the rest, whatever is changed gives another draw: runs of one seed are then
hardly more alike than runs of two, and comparing settings within a seed gains little.
"""
CHOICE = """\
## How the base settings were chosen

Each candidate trains for about the same time, and is judged on held-out images: training images
that none trains on, or, where images are generated, those of another seed. The highest mean of
linear evaluation less its standard deviation over seeds is taken. Neither the test set nor a
contrast that the paper claims has a say.
"""


def page() -> str:
    """Return the page, as the figures are published now."""
    parts = [INTRODUCTION, VARIANCE]
    root = files.ROOT / "paper_figures"
    lines = [line for scale in found.scales(root) for line in components(scale)]
    head = ["scale", "runs", "rows", "columns", "rest", "test images", "largest gradient"]
    parts.append(markdown.table([head, *lines]) if lines else "No scale has published it yet.\n")
    parts.append(CHOICE)
    candidates = {scale: chosen(scale) for scale in found.scales(root)}
    for scale, rows in candidates.items():
        if rows:
            parts.append(f"At `{scale}` ([figure](../paper_figures/{scale}/choice.png)):\n")
            parts.append(markdown.table(rows))
    if not any(candidates.values()):
        parts.append("No scale has published it yet.\n")
    return "\n".join(parts)


def published(scale: str, experiment: str) -> pd.DataFrame:
    """Return a published figure's values, a row for each run; empty where it is not published."""
    path = files.ROOT / "paper_figures" / scale / f"{experiment}.csv"
    if not path.is_file():
        return pd.DataFrame()
    values = pd.read_csv(path)
    keys = [*values.columns[: list(values.columns).index("metric")]]
    return values.pivot(index=keys, columns="metric", values="value").reset_index()


def components(scale: str) -> list[list[str]]:
    """Return a line for each analysis of variance that a scale has published."""
    runs, lines = published(scale, "variance"), []
    for rows, columns in variance.COLUMNS.items() if len(runs) else ():
        part = runs[runs["rows"] == rows]
        grid = variance.grid_of(part)
        if grid is None:
            continue
        deviations = [math.sqrt(each) for each in variance.components(grid)]
        by_images = _binomial(grid.to_numpy().mean(), _test_images(scale))
        gradient = part["linear_gradient_h"].max() if "linear_gradient_h" in part else math.nan
        sources = (f"{rows}: ", f"{columns}: ", "")
        cells = [f"{name}{each:.2f}" for name, each in zip(sources, deviations, strict=True)]
        shape = f"{grid.shape[0]} x {grid.shape[1]}"
        lines.append([f"`{scale}`", shape, *cells, f"{by_images:.2f}", f"{gradient:.0e}"])
    return lines


def chosen(scale: str) -> list[list[str]]:
    """Return a line for each candidate of a scale, the best first; none has one seed only."""
    runs = published(scale, "choice")
    if not len(runs):
        return []
    rows = ranked(runs)
    lines = [["training images", "epochs", "rate", "n", "mean", "deviation", "mean less deviation"]]
    for _, row in rows.iterrows():
        numbers = (f"{row[name]:.2f}" for name in ("mean", "std", "score"))
        counts = f"{row['images']:,.0f}", f"{row['epochs']:.0f}", f"{row['rate']:g}"
        lines.append([*counts, f"{row['count']:.0f}", *numbers])
    return lines if len(rows) else []


def ranked(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates that have two runs or more, the best first."""
    rows = runs.groupby(list(choice.LABELS))[choice.METRIC].agg(["count", "mean", "std"])
    rows = rows[rows["count"] > 1].reset_index()
    return rows.assign(score=rows["mean"] - rows["std"]).sort_values("score", ascending=False)


def _test_images(scale: str) -> int:
    """Return how many test images the published evaluations of a scale have."""
    return cost.images(build_plan(scale).scale_data.settings)[1]


def _binomial(percent: float, images: int) -> float:
    """Return the standard deviation of an accuracy over so many images, in points."""
    return math.sqrt(percent * (100 - percent) / images)
