"""Training curves of an experiment's runs: a small panel per setting, a line per seed.

A panel shows the loss that was minimised, by epoch; dashed, that of a run that did not learn. (The
values of losses of different kinds, temperatures or batch sizes cannot be compared with each other;
the shapes of their curves can.)
"""

import math

import pandas as pd

from workflow.figures import plotting, states

COLUMNS = 5
ACCURACY = ("contrastive_accuracy", "train_top1")  # in percent, whichever a training has


def means(curves: pd.DataFrame) -> pd.DataFrame:
    """Return setting, epoch, loss, accuracy and n: means over seeds, settings in their order.

    curves: rows of curves.csv with the columns `setting` and `seed`.
    """
    known = [name for name in ACCURACY if name in curves]
    accuracy = curves[known].bfill(axis=1).iloc[:, 0] if known else math.nan
    rows = curves.assign(accuracy=accuracy).groupby(["setting", "epoch"], sort=False)
    return rows.agg(
        loss=("loss", "mean"), accuracy=("accuracy", "mean"), n=("seed", "nunique")
    ).reset_index()


def draw(curves: pd.DataFrame, known: dict):
    """Return the figure. known: (setting, seed) -> state, where it is known (states.py)."""
    names = list(dict.fromkeys(curves["setting"]))
    lines = math.ceil(len(names) / COLUMNS)
    columns = min(COLUMNS, len(names))
    figure, axes = plotting.panels(lines, columns, height=0.7 + 1.25 * lines)
    seeds = sorted(set(curves["seed"]))
    for panel in axes.flat[len(names) :]:
        panel.set_axis_off()
    for panel, name in zip(axes.flat, names, strict=False):
        rows = curves[curves["setting"] == name]
        for seed, part in rows.groupby("seed"):
            color = plotting.COLORS[plotting.SERIES[seeds.index(seed) % len(plotting.SERIES)]]
            line = "--" if known.get((name, seed)) in states.UNTRAINED else "-"
            panel.plot(part["epoch"], part["loss"], line, color=color, linewidth=0.9)
        is_marked = any(known.get((name, seed)) in states.UNTRAINED for seed in seeds)
        title = f"{name} {states.DAGGER}" if is_marked else name
        panel.set_title(title, fontsize=7, fontweight="normal")
        panel.tick_params(labelsize=6.5)
    figure.supxlabel("epoch", fontsize=8)
    figure.supylabel("training loss", fontsize=8)
    return figure
