"""Training curves of an experiment's runs: a small panel per setting, a line per seed.

What is shown is the loss that was minimised, by epoch. (Losses of different kinds, temperatures or
batch sizes cannot be compared with each other; their course can.)
"""

import math

import pandas as pd

from workflow.figures import plotting

COLUMNS = 5
ACCURACY = ("contrastive_accuracy", "train_top1")  # in percent, whichever a training has


def means(curves: pd.DataFrame) -> pd.DataFrame:
    """Return setting, epoch, loss, accuracy and n: means over seeds, settings in their order.

    curves: rows of curves.csv with the columns `setting` and `seed`.
    """
    known = [name for name in ACCURACY if name in curves]
    accuracy = curves[known].bfill(axis=1).iloc[:, 0] if known else math.nan
    rows = curves.assign(accuracy=accuracy).groupby(["setting", "epoch"], sort=False)
    found = rows.agg(loss=("loss", "mean"), accuracy=("accuracy", "mean"), n=("seed", "nunique"))
    return found.reset_index()


def draw(curves: pd.DataFrame):
    """Return the figure."""
    names = list(dict.fromkeys(curves["setting"]))
    lines = math.ceil(len(names) / COLUMNS)
    columns = min(COLUMNS, len(names))
    figure, axes = plotting.panels(lines, columns, height=0.7 + 1.25 * lines)
    seeds = sorted(set(curves["seed"]))
    for place, one in enumerate(axes.flat):
        if place >= len(names):
            one.set_axis_off()
            continue
        rows = curves[curves["setting"] == names[place]]
        for seed, part in rows.groupby("seed"):
            color = plotting.COLORS[plotting.SERIES[seeds.index(seed) % len(plotting.SERIES)]]
            one.plot(part["epoch"], part["loss"], color=color, linewidth=0.9)
        one.set_title(names[place], fontsize=7, fontweight="normal")
        one.tick_params(labelsize=6.5)
    figure.supxlabel("epoch", fontsize=8)
    figure.supylabel("training loss", fontsize=8)
    return figure
