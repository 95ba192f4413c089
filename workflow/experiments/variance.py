"""What makes seeds differ: the initial weights, the order and the views, or the subset of images?

(Not in the paper.) Two grids of runs of the base setting. In one the rows have other initial
weights, the columns another order of images and other views; in the other the rows train on other
images, the columns have another seed. The components are those of a two-way analysis of variance
without repetition (Snedecor and Cochran, Statistical Methods, 8th edition, section 16.14).
"""

import math
from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run

NUMBER = "Variance"
TITLE = "what makes seeds differ"
KIND, ORDER = "beyond the paper", 6
PAPER = ()
CLAIMS = ()
LABELS = ("rows", "row")
CAPTION = (
    "Standard deviation of linear evaluation that each source adds, in points of accuracy, by "
    "two-way analyses of variance over runs of the base setting. The rest is what neither rows nor "
    "columns explain: how they act together."
)
METRIC = "linear_h"
WEIGHTS, SUBSET = "initial weights", "subset of the training images"
COLUMNS = {WEIGHTS: "order and views", SUBSET: "weights, order and views"}


@dataclass(frozen=True)
class Grid:
    weights: tuple[int, ...] = option((1, 2), low=0)  # seeds of the initial weights, a row for each
    subsets: tuple[int, ...] = option((1, 2), low=0)  # seeds of the choice of images

    def check(self):
        if min(len(set(self.weights)), len(set(self.subsets))) < 2:
            return "weights, subsets: give two seeds or more."
        return None


def runs(grid: dict) -> list[Run]:
    """A run for each row; the seeds are the columns."""
    grid = build(Grid, grid, "experiments.variance")
    weights = [
        Run(f"weights-{w}", "pretrain", {"weights_seed": w}, {"rows": WEIGHTS, "row": w})
        for w in grid.weights
    ]
    subsets = [
        Run(f"subset-{s}", "pretrain", {}, {"rows": SUBSET, "row": s}, data={"seed": s})
        for s in grid.subsets
    ]
    return weights + subsets


def grid_of(runs):
    """Return METRIC as a DataFrame, its rows and the seeds of which all rows are there.

    runs: those of one analysis. None where there are fewer than two rows or seeds.
    """
    grid = runs.pivot(index="row", columns="seed", values=METRIC).dropna(axis=1)
    return grid if min(grid.shape) > 1 else None


def components(values) -> tuple[float, float, float]:
    """Return the variances of the rows, of the columns, and of the rest.

    values: a DataFrame, a number for each row and column, at least two of both. An estimate below 0
    is 0.
    """
    a, b = values.shape
    mean = values.to_numpy().mean()
    by_row, by_column = values.mean(axis=1), values.mean(axis=0)
    rest = values.sub(by_row, axis=0).sub(by_column, axis=1) + mean
    rest = float((rest**2).to_numpy().sum() / ((a - 1) * (b - 1)))
    of_rows = (float(by_row.var(ddof=1)) - rest / b, float(by_column.var(ddof=1)) - rest / a)
    return max(of_rows[0], 0.0), max(of_rows[1], 0.0), rest


def draw(table, paper):
    """A bar for each source, with its number."""
    from workflow.figures import plotting

    figure, axes = plotting.panels(2, 1, height=3.6, sharex=True)
    for panel, (rows, columns) in zip(axes[:, 0], COLUMNS.items(), strict=True):
        values = grid_of(table[table["rows"] == rows])
        if values is None:
            plotting.no_numbers(panel, "needs two seeds or more")
            continue
        names = [rows, columns, "the rest"]
        deviations = [math.sqrt(variance) for variance in components(values)]
        bars = panel.barh(names, deviations, color=plotting.COLORS[plotting.SERIES[0]])
        panel.bar_label(bars, fmt="%.2f", padding=2)
        panel.invert_yaxis()
        panel.margins(x=0.2)
        a, b = values.shape
        panel.set_title(f"{a} x {b} runs, mean {values.to_numpy().mean():.1f} %", fontsize=9)
    axes[-1, 0].set_xlabel("standard deviation (points of accuracy)")
    return figure
