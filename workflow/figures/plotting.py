"""One style for all figures, the same bytes for the same numbers, and the pieces they share.

Colours are those of Okabe and Ito, distinguishable with every kind of colour blindness; series
differ in marker and line as well. Every figure has two panels or rows: this replication, and the
paper on ImageNet. Intervals are 95 % over seeds (contrasts.py); the paper has none.
"""

import contextlib
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator
from matplotlib.transforms import Bbox

from workflow.figures import marks, missing
from workflow.figures.missing import MISSING

OURS, PAPER = "This replication", "Paper (ImageNet, ResNet-50)"
ACCURACY = "top-1 accuracy (%)"
WIDTH = 7.2  # inches, two columns of the paper; text is legible at half of it
COLORS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "yellow": "#E69F00",
    "sky": "#56B4E9",
    "gray": "#555555",
}
SERIES = ("blue", "orange", "green", "purple", "yellow", "sky")
MARKERS = ("o", "s", "^", "D", "v", "P")
STYLE = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs everywhere
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
    "errorbar.capsize": 2.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "path",  # no fonts needed to look at it
    "svg.hashsalt": "simclr",  # ids in an SVG are hashes with this salt, else random
    "path.simplify": False,
}
PLAIN = {"Date": None, "Creator": None}  # omitted, so that equal figures give equal bytes


@contextlib.contextmanager
def style(seeds: int = 0):
    """Draw and save within this: the common style, whatever the user's matplotlibrc says.

    seeds: of a figure that is drawn in part; what has fewer is marked.
    """
    with matplotlib.rc_context(), missing.expecting(seeds):
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def panels(rows: int, columns: int, height: float, **kwargs):
    """Return (figure, axes [rows, columns]) of the common width and `height` inches.

    No pyplot: no global state, no display.
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def side_by_side(height: float, x: str = "", y: str = "", paper: str = PAPER, **kwargs):
    """Return (figure, axes of this replication, axes of the paper), with their titles.

    x: the label of both x axes; y: of the left y axis; paper: the right panel's title.
    """
    figure, (axes,) = panels(1, 2, height, **kwargs)
    for panel, title in zip(axes, (OURS, paper), strict=True):
        panel.set_title(title)
        panel.set_xlabel(x)
    axes[0].set_ylabel(y)
    return figure, *axes


def mosaic(layout: list[list[str]], height: float, **kwargs):
    """Return (figure, {name: axes}) of panels that span cells, as the layout names them."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplot_mosaic(layout, **kwargs)


def points(axes, x, rows, label, series: int = 0, line: str = "-", marker: str = "") -> None:
    """Draw means with their intervals, joined by a line. rows: mean, low, high columns.

    x: numbers, one per row. Where there is no interval (one seed, the paper) no bar is drawn.
    series: chooses the colour, and the marker if none is given.
    """
    color = COLORS[SERIES[series % len(SERIES)]]
    x, mean = np.asarray(x, dtype=float), np.asarray(rows["mean"], dtype=float)
    shape = {
        "marker": marker or MARKERS[series % len(MARKERS)],
        "markersize": 10 if marker == "*" else None,
    }
    axes.errorbar(
        x,
        mean,
        yerr=_errors(rows),
        label=label,
        color=color,
        linestyle=line,
        **shape,
        markeredgecolor="white",
        markeredgewidth=0.6,
        elinewidth=1.1,
    )
    marks.open_points(axes, x, mean, rows, color=color, **shape)
    missing.beside_points(axes, x, mean, rows, color)


def _errors(rows):
    """Return the intervals' parts below and above the mean [2, n]; None where there is none."""
    if "low" not in rows:
        return None
    mean = np.asarray(rows["mean"], dtype=float)
    parts = np.stack([mean - rows["low"], rows["high"] - mean]).astype(float)
    return np.nan_to_num(parts) if np.isfinite(parts).any() else None


def bars(axes, rows, categories: list, series: list) -> None:
    """Draw grouped bars with intervals, each with its number. rows: category, series, mean, ...

    categories, series: in the order in which they are drawn; what has no row is left out.
    """
    width = 0.8 / len(series)
    for number, name in enumerate(series):
        chosen = rows[rows["series"] == name].set_index("category")
        indices = [i for i, category in enumerate(categories) if category in chosen.index]
        if not indices:
            continue
        chosen = chosen.loc[[categories[i] for i in indices]]
        mean = np.asarray(chosen["mean"], dtype=float)
        x = np.asarray(indices) + (number - (len(series) - 1) / 2) * width
        axes.bar(
            x,
            mean,
            width * 0.92,
            yerr=_errors(chosen),
            color=COLORS[SERIES[number % len(SERIES)]],
            label=name,
            error_kw={"elinewidth": 1.1},
        )
        beside = zip(x, mean, marks.daggers(chosen), missing.lacking(chosen), strict=True)
        for left, value, dagger, lacks in beside:
            shown = f"{lacks}\n{value:.0f}{dagger}".strip()
            text, ink = (MISSING, "black") if np.isnan(value) else (shown, "white")
            axes.text(left, 0, text, ha="center", va="bottom", fontsize=7, color=ink)
    letters = max(6, 42 // len(categories) - 1)  # in a line below each group
    names = [textwrap.fill(str(c), letters, break_long_words=False) for c in categories]
    axes.set_xticks(range(len(categories)), names)
    axes.set_xlim(-0.6, len(categories) - 0.4)
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", visible=False)


def differences(axes, rows) -> None:
    """Draw effects as points with intervals, one below another, and a line at zero.

    rows: name, mean, low, high.
    """
    names = list(rows["name"])
    mean = np.asarray(rows["mean"], dtype=float)
    axes.errorbar(mean, range(len(names)), xerr=_errors(rows), fmt="o", color=COLORS["blue"])
    marks.open_points(axes, mean, np.arange(len(names)), rows, color=COLORS["blue"], marker="o")
    axes.axvline(0, color=COLORS["gray"], linewidth=1)
    missing.below_points(axes, mean, rows)
    axes.set_yticks(range(len(names)), [textwrap.fill(name, 34) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def heat(axes, values, labels, notes=None, daggers=None) -> None:
    """Draw a square matrix with its row averages as the last column; each cell says its number.

    values: [k, k], rows first; labels: k names; notes: [k, k] small texts below the numbers;
    daggers: [k, k] marks behind them; a row with one has it in its average as well.
    """
    values = np.asarray(values, dtype=float)
    k = len(labels)
    average = [np.nanmean(row) if np.isfinite(row).any() else np.nan for row in values]
    shown = np.column_stack([values, average])
    low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
    daggers = daggers or [[""] * k] * k
    daggers = [[*row, max(row)] for row in daggers]  # an average has one if any of its cells has
    colors = matplotlib.colormaps["YlGnBu"]
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    gap = 0.15  # between the matrix and the averages
    size = 8.5 if k > 5 else 10.0
    for row in range(k):
        for column in range(k + 1):
            value = shown[row, column]
            left = column + (gap if column == k else 0.0)
            if np.isnan(value):
                axes.text(left + 0.5, row + 0.5, MISSING, ha="center", va="center", fontsize=size)
                continue
            level = (value - low) / (high - low) if high > low else 0.5
            face = colors(0.05 + 0.9 * level)
            axes.add_patch(
                Rectangle((left, row), 1, 1, facecolor=face, edgecolor="white", linewidth=0.8)
            )
            red, green, blue, _ = face
            ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
            note = notes[row][column] if notes is not None and column < k else ""
            center = {"x": left + 0.5, "ha": "center", "va": "center", "color": ink}
            y = row + (0.4 if note else 0.5)
            axes.text(y=y, s=f"{value:.1f}{daggers[row][column]}", fontsize=size, **center)
            if note:
                axes.text(y=row + 0.76, s=note, fontsize=size - 2.5, **center)
    names = [*labels, "average"]
    ticks = [i + 0.5 + (gap if i == k else 0.0) for i in range(k + 1)]
    axes.set_xticks(ticks, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks([i + 0.5 for i in range(k)], labels)
    axes.tick_params(length=0)
    axes.set_xlim(0, k + 1 + gap)
    axes.set_ylim(k, 0)
    axes.set_aspect("equal", anchor="N")


def legend(figure, axes, side: str = "center", title: str = "", ncols: int = 4) -> None:
    """Put the legend of the panels `axes` below them, where it covers no data; each label once."""
    handles = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    where = f"outside lower {side}"
    figure.legend(handles.values(), handles.keys(), loc=where, title=title, ncols=ncols)


def plain_log(axes, base: int, ticks=None) -> None:
    """A logarithmic x axis whose ticks (all `ticks`, or 1, 2 and 5 of each decade) are numbers."""
    axes.set_xscale("log", base=base)
    if ticks is None:
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()


def no_numbers(axes, text: str) -> None:
    """Say in an otherwise empty panel why the paper's side has nothing to show."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color="#444444")


def headline(figure: Figure, title: str, note: str) -> None:
    """Write the title and under it a note of some lines, and keep the panels below both."""
    note = [line for part in note.splitlines() for line in textwrap.wrap(part, 115)]
    width, height = figure.get_size_inches()
    height += 0.15 * (len(note) - 1)  # the panels were given room for a line
    figure.set_size_inches(width, height)
    figure.text(0.008, 1 - 0.06 / height, title, va="top", fontsize=11.5, fontweight="bold")
    where = 0.008, 1 - 0.27 / height
    figure.text(*where, "\n".join(note), va="top", fontsize=8, color="#444444")
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - (0.31 + 0.15 * len(note)) / height))


def save(figure: Figure, folder: Path, name: str, png: bool = True) -> None:
    """Write <name>.svg and <name>.png (200 dots per inch); equal figures give equal bytes."""
    _fix_places(figure)
    figure.savefig(folder / f"{name}.svg", metadata=PLAIN)
    if png:
        figure.savefig(folder / f"{name}.png", dpi=200, metadata={"Software": None})


def _fix_places(figure: Figure) -> None:
    """Lay the panels out and round their places: an SVG names a frame by a hash of all its digits,
    and the last ones differ between processes. (Places are often 64ths of a pixel.)"""
    if figure.get_layout_engine():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes in figure.axes:
            corners = axes.get_position(original=True).get_points()
            axes.set_position(Bbox(np.round(corners * 2**24) / 2**24))
