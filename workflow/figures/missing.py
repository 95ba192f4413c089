"""Marks of what is missing from a figure that is drawn in part."""

import contextlib
from contextvars import ContextVar

import numpy as np

MISSING = "–"  # in place of a number whose runs are not there
_seeds = ContextVar("seeds", default=0)  # of a whole cell, while a figure is drawn in part


@contextlib.contextmanager
def expecting(seeds: int):
    """Mark within this what has fewer seeds; 0: mark nothing."""
    before = _seeds.set(seeds)
    try:
        yield
    finally:
        _seeds.reset(before)


def lacking(rows) -> list[str]:
    """Return what to write beside each row: n where some seeds are missing, a dash where all."""
    counts = rows["n"] if "n" in rows else [_seeds.get()] * len(rows["mean"])
    return ["" if n >= _seeds.get() else f"n={n:.0f}" if n else MISSING for n in counts]


def beside_points(axes, x, y, rows, color) -> None:
    """Write n beside points, a dash at the foot of the panel where a point is missing."""
    axes.dataLim.update_from_data_x(x, ignore=False)  # so that the panel reaches to the dashes
    axes.autoscale_view()
    for left, value, text in zip(x, y, lacking(rows), strict=True):
        if text == MISSING:
            place = axes.get_xaxis_transform()
            axes.text(left, 0.01, text, ha="center", va="bottom", color=color, transform=place)
        elif text:
            where = {"xytext": (3, 3), "textcoords": "offset points"}
            axes.annotate(text, (left, value), fontsize=6.5, color=color, **where)


def below_points(axes, x, rows) -> None:
    """Write n, or a dash, below points that stand one below another."""
    for line, (value, text) in enumerate(zip(x, lacking(rows), strict=True)):
        if text:
            axes.text(np.nan_to_num(value), line + 0.1, text, ha="center", va="top", fontsize=6.5)
