"""How a figure marks what rests on runs that did not learn (states.py): open points, daggers.

Rows have the column `not_learned`, a number of runs; rows without it, as the paper's, have none.
"""

from matplotlib.patheffects import withStroke

from workflow.figures.states import DAGGER, NOT_LEARNED


def dagger(row) -> str:
    """Return the dagger of a row, "" where all its runs learned."""
    return DAGGER if row.get(NOT_LEARNED, 0) > 0 else ""


def daggers(rows) -> list[str]:
    """Return the dagger of each row, "" where all its runs learned."""
    return [dagger(row) for row in rows.to_dict("records")]


def open_points(axes, x, y, rows, *, color: str, **shape) -> None:
    """Draw the points x, y of marked rows again, open and with a dagger beside.

    shape: marker and its size, as of the other points.
    """
    for left, height, text in zip(x, y, daggers(rows), strict=True):
        if text:
            axes.plot(left, height, color=color, markerfacecolor="white", zorder=3, **shape)
            place = {"xytext": (5, 2), "textcoords": "offset points", "zorder": 3}
            place["path_effects"] = [
                withStroke(linewidth=2, foreground="white")
            ]  # legible on a line
            axes.annotate(text, (left, height), color=color, fontsize=10, **place)
