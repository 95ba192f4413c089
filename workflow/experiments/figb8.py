"""Figures B.7 and B.8: batch size, epochs, temperature and learning rate on CIFAR-10 (paper B.9).

Linear evaluation over batch sizes at several lengths of training, and over temperatures and batch
sizes: at all lengths, as in the paper, whose two parts are the means of those up to 300 epochs and
of those beyond, or only at the longest; means over the learning rates of the grid. Beside them the
same encoder trained with labels. (At scales without CIFAR-10 the same contrasts on the scale's
data.)
"""

import itertools
from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run

NUMBER = "Figures B.7, B.8"
TITLE = "epochs, temperature and batch size"
KIND, ORDER = "appendix figure", 8
PAPER = "B.9 text"
CLAIMS = ("C33", "C34", "C35", "C36")
LABELS = ("regime", "temperature", "batch", "epochs", "lr")
CAPTION = (
    "Linear evaluation over the batch size for several lengths of training, and over the "
    "temperature at the longest, or at all of them; means over learning rates. Dashed: supervised "
    "training of the same encoder."
)
SHORT = 300  # epochs: the longest of Fig. B.8 (a)


@dataclass(frozen=True)
class Grid:
    temperatures: tuple[float, ...] = option((0.1, 0.5, 1.0), above=0.0)  # three: low, mid, high
    batches: tuple[int, ...] = option((256, 512, 1024, 2048, 4096), low=2)
    epochs: tuple[int, ...] = option((100, 200, 300, 400, 500, 1000), low=1)
    rates: tuple[float, ...] = option((), above=0.0)  # base_lr; none: that of the base setting
    all_lengths: bool = option(False)  # every temperature at every length, not at the longest alone

    def check(self):
        if len(set(self.temperatures)) != 3 or list(self.temperatures) != sorted(self.temperatures):
            return "temperatures: give three, from low to high."
        for values, name in ((self.batches, "batches"), (self.epochs, "epochs")):
            if not values or len(set(values)) < len(values):
                return f"{name}: give one value or more, each once."
        return None


def runs(grid: dict) -> list[Run]:
    """Every batch size; every temperature at the longest training, or at all; else the middle."""
    grid = build(Grid, grid, "experiments.figb8")
    middle, longest = grid.temperatures[1], max(grid.epochs)
    planned = []
    for epochs, batch in itertools.product(grid.epochs, grid.batches):
        all_temperatures = grid.all_lengths or epochs == longest
        temperatures = grid.temperatures if all_temperatures else (middle,)
        for temperature, rate in itertools.product(temperatures, grid.rates or (0.0,)):
            name = f"t{temperature:g}-b{batch}-e{epochs}"
            values = {"loss": {"temperature": temperature}, "batch_size": batch, "epochs": epochs}
            if rate:
                name += f"-lr{rate:g}"
                values["optimizer"] = {"base_lr": rate}
            labels = dict(zip(LABELS, ("SimCLR", temperature, batch, epochs, rate), strict=True))
            planned.append(Run(name, "pretrain", values, labels))
    labels = dict(zip(LABELS, ("supervised", 0.0, 0, 0, 0.0), strict=True))
    return [*planned, Run("supervised", "supervise", {}, labels)]


def _averaged(table):
    """SimCLR's rows, by seed the mean over learning rates."""
    from workflow.figures import contrasts

    keys = ["seed", "temperature", "batch", "epochs"]
    return contrasts.averaged(table[table["regime"] == "SimCLR"], keys, "linear_h")


def _parts(rows) -> list[tuple[str, list[int]]]:
    """The panels of Fig. B.8: (what it shows, lengths of training it is the mean of)."""
    temperatures = rows.groupby("epochs")["temperature"].nunique()
    full = [int(epochs) for epochs in temperatures[temperatures == temperatures.max()].index]
    short = [epochs for epochs in full if epochs <= SHORT]
    long = [epochs for epochs in full if epochs > SHORT]
    if not short or not long:
        return [(f"{max(full)} epochs", [max(full)])]
    return [(f"to {SHORT} epochs", short), (f"beyond {SHORT}", long)]


def draw(table, paper):
    """First over batch sizes, a line a length; then over temperatures, a line a batch size."""
    from workflow.figures import contrasts, plotting

    rows = _averaged(table)
    parts = _parts(rows)
    figure, (axes,) = plotting.panels(1, 1 + len(parts), height=4.2)
    middle = sorted(rows["temperature"].unique())[1]
    at_middle = rows[rows["temperature"] == middle]
    lengths = contrasts.summary(at_middle, ["epochs", "batch"], "linear_h")
    for series, epochs in enumerate(sorted(set(lengths["epochs"]))):
        chosen = lengths[lengths["epochs"] == epochs].sort_values("batch")
        line = "--" if series < len(plotting.SERIES) else ":"  # the colours begin again
        plotting.points(axes[0], chosen["batch"], chosen, f"{epochs} epochs", series, line)
    plotting.plain_log(axes[0], 2, sorted(set(rows["batch"])))
    axes[0].set_xlabel(f"batch size (temperature {middle:g})")
    axes[0].set_ylabel(f"linear evaluation, {plotting.ACCURACY}")
    keys = ["seed", "batch", "temperature"]
    for panel, (what, epochs) in zip(axes[1:], parts, strict=True):
        part = contrasts.averaged(rows[rows["epochs"].isin(epochs)], keys, "linear_h")
        part = contrasts.summary(part, ["batch", "temperature"], "linear_h")
        for series, batch in enumerate(sorted(set(part["batch"]))):
            chosen = part[part["batch"] == batch].sort_values("temperature")
            plotting.points(panel, chosen["temperature"], chosen, f"batch {batch}", series)
        plotting.plain_log(panel, 10, sorted(set(part["temperature"])))
        panel.set_xlabel("temperature")
        panel.set_title(f"B.8, {what}")
    with_labels = contrasts.per_seed(table, "supervised_top1", regime="supervised").mean()
    for panel in axes:
        panel.axhline(with_labels, color=plotting.COLORS["gray"], linestyle=":", label="supervised")
    axes[0].set_title("B.7, " + plotting.OURS.lower())
    plotting.legend(figure, axes[:1], "left", ncols=2)
    plotting.legend(figure, axes[-1:], "right", ncols=2)
    return figure


def of_paper(paper):
    """The paper's numbers in the form of ours: the best of SimCLR, at a temperature of the grid."""
    import pandas as pd

    simclr, supervised = (
        paper["value"][paper["row"].str.startswith(name)].item()
        for name in ("SimCLR", "supervised")
    )
    low, middle, high = Grid().temperatures
    linear = {low: None, middle: simclr, high: None}
    rows = [{"regime": "SimCLR", "temperature": t, "linear_h": h} for t, h in linear.items()]
    rows.append({"regime": "supervised", "temperature": 0.0, "supervised_top1": supervised})
    return pd.DataFrame(rows).assign(batch=1024, epochs=1000)


def claims(table) -> list:
    """C33 to C36, at the longest training; the paper's figures have bars without numbers."""
    from workflow.figures.contrasts import directional, held_out_best, matrix, per_seed

    rows = _averaged(table)
    longest = rows[rows["epochs"] == rows["epochs"].max()]
    low, mid, high = sorted(longest["temperature"].unique())
    batches = sorted(longest["batch"].unique())

    def accuracy(temperature, batch):
        return per_seed(longest, "linear_h", temperature=temperature, batch=batch)

    supervised = per_seed(table, "supervised_top1", regime="supervised")
    each = longest.assign(setting=longest["temperature"].map(str) + longest["batch"].map(str))
    best = held_out_best(matrix(each, "linear_h"))
    what = "supervised minus best SimCLR, less 3 points"
    judged = [directional("C33", what, supervised - best - 3, -1)]
    for batch in sorted({batches[0], batches[-1]}):
        ends = each[(each["batch"] == batch) & each["temperature"].isin([low, high])]
        what = f"batch {batch}: temperature {mid:g} minus the better of {low:g} and {high:g}"
        better = held_out_best(matrix(ends, "linear_h"))
        judged.append(directional("C34", what, accuracy(mid, batch) - better))
    if len(batches) > 1:
        first, last, before = batches[0], batches[-1], batches[-2]
        at_last = accuracy(low, last) - accuracy(mid, last)
        at_first = accuracy(low, first) - accuracy(mid, first)
        what = f"temperature {low:g} minus {mid:g}: batch {last} minus batch {first}"
        judged.append(directional("C35", what, at_last - at_first))
        what = f"batch {last} minus {before}, temperature {mid:g}"
        judged.append(directional("C36", what, accuracy(mid, last) - accuracy(mid, before), -1))
    return judged
