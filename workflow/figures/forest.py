"""Claims against compute: a row for each claim, a point with its interval for each scale.

Effects point towards the paper's side: right of zero they agree with it. The axis is linear up to
LINEAR and logarithmic beyond; what lies off it ends in an arrow.
"""

import itertools
import math
import textwrap
from typing import NamedTuple

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workflow.figures import plotting

LINEAR, END = 5, 100  # points
TICKS = (-80, -20, -5, 0, 5, 20, 80)
SMALL, LINE = 6.5, 8.2  # size of the letters and height of a line, in points
LETTERS = 36  # in a line of a claim's words
LABEL, GAP = 148, 14  # width of the words, and between the columns, in points
PER_LINE = 3  # scales in a line of the legend
INK = "#222222"


class Point(NamedTuple):
    """An effect towards the paper's side, in points; low and high are nan for one seed."""

    scale: int  # its place among the scales, from little compute to much
    effect: float
    low: float
    high: float
    decided: bool


class Row(NamedTuple):
    """A claim."""

    id: str
    words: str
    points: list[Point]
    others: list[Point]  # of the claim's other contrasts
    paper: float = math.nan  # the paper's own effect


def draw(topics: dict[str, list[Row]], scales: list[str], title: str, note: str) -> Figure:
    """Return the figure: topics in two columns, the legend below.

    scales: what the legend says of each, from little compute to much.
    """
    columns = _columns(topics, len(scales))
    tall = max(_tall(column, len(scales)) for column in columns)
    note = textwrap.wrap(note, 128)
    lines = math.ceil(len(scales) / PER_LINE)  # of the legend
    top, bottom = 48 + 11 * len(note), 36 + 12 * lines
    width, height = 72 * plotting.WIDTH, top + tall + bottom
    figure = Figure(figsize=(plotting.WIDTH, height / 72))
    FigureCanvasAgg(figure)
    figure.text(4 / width, 1 - 4 / height, title, va="top", fontsize=11.5, fontweight="bold")
    said = {"va": "top", "fontsize": 8, "color": "#444444", "linespacing": 1.25}
    figure.text(4 / width, 1 - 20 / height, "\n".join(note), **said)
    each = (width - GAP) / 2
    for number, column in enumerate(columns):
        left = number * (each + GAP) + LABEL
        box = left / width, bottom / height, (each - LABEL - 6) / width, tall / height
        _column(figure.add_axes(box), column, len(scales), tall)
    _legend(figure, scales, height)
    return figure


def _columns(topics: dict, scales: int) -> list[list]:
    """Return topics' names and rows in two lists, cut between topics: the taller is least tall."""
    parts = [[name, *rows] for name, rows in topics.items()]
    cuts = [(parts[:cut], parts[cut:]) for cut in range(len(parts) + 1)]
    columns = [[list(itertools.chain(*half)) for half in halves] for halves in cuts]
    return min(columns, key=lambda two: max(_tall(column, scales) for column in two))


def _tall(column: list, scales: int) -> float:
    return sum(_height(row, scales) for row in column)


def _lines(row) -> list[str]:
    return textwrap.wrap(row.words, LETTERS)


def _height(row, scales: int) -> float:
    """Return the height of a row, or of a topic's name, in points."""
    if isinstance(row, str):
        return 17
    return max(LINE * len(_lines(row)), 6 * scales) + 5


def color(scale: int, scales: int):
    """Return the colour of a scale: the darker, the more compute."""
    return matplotlib.colormaps["plasma"](0.66 - 0.64 * scale / max(scales - 1, 1))


def _column(axes, rows: list, scales: int, tall: float) -> None:
    axes.set_xscale("symlog", linthresh=LINEAR, linscale=0.7)
    axes.set_xlim(-END, END)
    axes.set_ylim(tall, 0)
    axes.axvline(0, color=plotting.COLORS["gray"], linewidth=1)
    axes.axvspan(0, END, color="#EAF3EA", linewidth=0, zorder=0)
    beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    beside |= {"va": "center", "fontsize": SMALL, "color": INK}
    y = 0.0
    for row in rows:
        height = _height(row, scales)
        middle = y + height / 2
        if isinstance(row, str):
            axes.annotate(row, (0, y + 10), (-LABEL + 4, 0), **beside, fontweight="bold")
        else:
            axes.annotate(row.id, (0, middle), (-LABEL + 4, 0), **beside | {"color": "#666666"})
            words = "\n".join(_lines(row))
            axes.annotate(words, (0, middle), (-LABEL + 22, 0), **beside, linespacing=1.15)
            axes.axhline(y, color="#DDDDDD", linewidth=0.6)
            _row(axes, row, y, height, scales)
        y += height
    above = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "bottom"}
    for x, words in ((0.25, "contradicts"), (0.75, "agrees")):
        axes.annotate(words, (x, 1), (0, 11), **above, ha="center", fontsize=SMALL, color=INK)
    axes.set_yticks([])
    axes.set_xticks(TICKS, [f"{tick:d}".replace("-", "\N{MINUS SIGN}") for tick in TICKS])
    axes.minorticks_off()
    axes.tick_params(labelsize=SMALL, top=True, labeltop=True, length=2, pad=1.5)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)


def _row(axes, row: Row, y: float, height: float, scales: int) -> None:
    step = min(8.0, (height - 5) / scales)
    first = y + height / 2 - step * (scales - 1) / 2
    if row.paper == row.paper:
        axes.vlines(row.paper, y + 1.5, y + height - 1.5, color="black", linewidth=1.8, zorder=3)
    for other in row.others:
        at = max(-END, min(END, other.effect)), first + step * other.scale
        axes.plot(*at, ".", color=color(other.scale, scales), markersize=2.5, alpha=0.7, zorder=4)
    for point in row.points:
        ink, at = color(point.scale, scales), first + step * point.scale
        if point.low == point.low:
            axes.hlines(at, max(point.low, -END), min(point.high, END), color=ink, linewidth=1.1)
        ends = [(point.low, "<", -END), (point.high, ">", END)]
        for value, marker, end in ends:
            if abs(value) > END and value * end > 0:
                axes.plot(end, at, marker, color=ink, markersize=3.5, clip_on=False)
        axes.plot(max(-END, min(END, point.effect)), at, **_marker(ink, point.scale, point.decided))


def _marker(ink, scale: int, decided: bool) -> dict:
    face = ink if decided else "white"
    marker = plotting.MARKERS[scale % len(plotting.MARKERS)]
    style = {"markerfacecolor": face, "markeredgecolor": ink, "markeredgewidth": 1.1}
    return {
        "marker": marker,
        "linestyle": "none",
        "markersize": 4.2,
        "zorder": 5,
        "clip_on": False,
        **style,
    }


def _legend(figure: Figure, scales: list[str], height: float) -> None:
    """Draw two: of the scales, and below it of the marks."""
    inks = [color(number, len(scales)) for number in range(len(scales))]
    lines = [
        Line2D([], [], color=ink, linewidth=1.1, **_marker(ink, number, True) | {"linestyle": "-"})
        for number, ink in enumerate(inks)
    ]
    gray, bare = plotting.COLORS["gray"], {"linestyle": "none"}
    marks = {
        "decided": Line2D([], [], **_marker(gray, 0, True)),
        "open": Line2D([], [], **_marker(gray, 0, False)),
        "other contrasts of the claim": Line2D(
            [], [], color=gray, marker=".", markersize=3, **bare
        ),
        "the paper": Line2D([], [], color="black", marker="|", markeredgewidth=1.8, **bare),
    }
    common = {"loc": "lower center", "fontsize": 7.5, "borderaxespad": 0.0, "borderpad": 0.2}
    figure.legend(marks.values(), marks.keys(), ncols=4, **common)
    figure.legend(lines, scales, ncols=PER_LINE, bbox_to_anchor=(0.5, 13 / height), **common)
