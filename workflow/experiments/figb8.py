"""Figures B.7 and B.8: batch size, epochs, temperature and learning rate on CIFAR-10 (paper B.9).

Linear evaluation over batch sizes at several lengths of training, and over temperatures and batch
sizes: at all lengths, as in the paper, whose two parts are the means of those up to 300 epochs and
of those beyond, or at the longest alone; means over the learning rates of the grid. Beside them the
same encoder trained with labels. (At scales without CIFAR-10 the same contrasts on the scale's
data.)
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.experiments import Setting

TITLE = "Figures B.7, B.8: epochs, temperature and batch size"
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


def settings(grid: dict) -> list[Setting]:
    """Every batch size; every temperature at the longest training, or at all; else the middle."""
    grid = build(Grid, grid, "experiments.figb8")
    middle, longest, made = grid.temperatures[1], max(grid.epochs), []
    for epochs in grid.epochs:
        everywhere = grid.all_lengths or epochs == longest
        for batch in grid.batches:
            for temperature in grid.temperatures if everywhere else (middle,):
                for rate in grid.rates or (0.0,):
                    how = {"loss": {"temperature": temperature}, "batch_size": batch}
                    how |= {"epochs": epochs} | ({"optimizer": {"base_lr": rate}} if rate else {})
                    name = f"t{temperature:g}-b{batch}-e{epochs}" + f"-lr{rate:g}" * bool(rate)
                    labels = {"regime": "SimCLR", "temperature": temperature, "batch": batch}
                    labels |= {"epochs": epochs, "lr": rate}
                    made.append(Setting(name, "pretrain", how, labels))
    labels = {"regime": "supervised", "temperature": 0.0, "batch": 0, "epochs": 0, "lr": 0.0}
    return [*made, Setting("supervised", "supervise", {}, labels)]


def _averaged(table):
    """SimCLR's rows, by seed the mean over learning rates."""
    keys = ["seed", "temperature", "batch", "epochs"]
    rows = table[table["regime"] == "SimCLR"]
    return rows.groupby(keys, as_index=False)["linear_h"].mean()


def _parts(rows) -> list[tuple[str, list[int]]]:
    """The panels of Fig. B.8: (what it shows, lengths of training it is the mean of)."""
    found = rows.groupby("epochs")["temperature"].nunique()
    full = [int(epochs) for epochs in found[found == found.max()].index]
    short, long = ([e for e in full if (e <= SHORT) == first] for first in (True, False))
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
    some = rows[rows["temperature"] == middle]
    lengths = contrasts.summary(some, ["epochs", "batch"], "linear_h")
    for series, epochs in enumerate(sorted(set(lengths["epochs"]))):
        chosen = lengths[lengths["epochs"] == epochs].sort_values("batch")
        line = "--" if series < len(plotting.SERIES) else ":"  # the colours begin again
        plotting.points(axes[0], chosen["batch"], chosen, f"{epochs} epochs", series, line)
    plotting.plain_log(axes[0], 2, sorted(set(rows["batch"])))
    axes[0].set_xlabel(f"batch size (temperature {middle:g})")
    axes[0].set_ylabel(f"linear evaluation, {plotting.ACCURACY}")
    for one, (what, epochs) in zip(axes[1:], parts, strict=True):
        keys = ["seed", "batch", "temperature"]
        some = rows[rows["epochs"].isin(epochs)].groupby(keys, as_index=False)["linear_h"].mean()
        some = contrasts.summary(some, ["batch", "temperature"], "linear_h")
        for series, batch in enumerate(sorted(set(some["batch"]))):
            chosen = some[some["batch"] == batch].sort_values("temperature")
            plotting.points(one, chosen["temperature"], chosen, f"batch {batch}", series)
        plotting.plain_log(one, 10, sorted(set(some["temperature"])))
        one.set_xlabel("temperature")
        one.set_title(f"B.8, {what}")
    with_labels = contrasts.per_seed(table, "supervised_top1", regime="supervised").mean()
    for one in axes:
        one.axhline(with_labels, color=plotting.COLORS["gray"], linestyle=":", label="supervised")
    axes[0].set_title("B.7, " + plotting.OURS.lower())
    plotting.legend(figure, axes[:1], "left", ncols=2)
    plotting.legend(figure, axes[-1:], "right", ncols=2)
    return figure


def claims(table) -> list:
    """C33 to C36, at the longest training; the paper's figures have bars without numbers."""
    from workflow.figures import contrasts

    rows = _averaged(table)
    longest = rows[rows["epochs"] == rows["epochs"].max()]
    low, mid, high = sorted(longest["temperature"].unique())
    batches = sorted(longest["batch"].unique())

    def accuracy(temperature, batch):
        return contrasts.per_seed(longest, "linear_h", temperature=temperature, batch=batch)

    supervised = contrasts.per_seed(table, "supervised_top1", regime="supervised")
    every = longest.assign(setting=longest["temperature"].map(str) + longest["batch"].map(str))
    best = contrasts.held_out_best(contrasts.matrix(every, "linear_h"))
    what = "supervised minus best SimCLR, less 3 points"
    made = [contrasts.directional("C33", what, supervised - best - 3, -1)]
    for batch in sorted({batches[0], batches[-1]}):
        ends = every[(every["batch"] == batch) & every["temperature"].isin([low, high])]
        what = f"batch {batch}: temperature {mid:g} minus the better of {low:g} and {high:g}"
        other = contrasts.held_out_best(contrasts.matrix(ends, "linear_h"))
        made.append(contrasts.directional("C34", what, accuracy(mid, batch) - other))
    if len(batches) > 1:
        first, last, before = batches[0], batches[-1], batches[-2]
        change = (accuracy(low, last) - accuracy(mid, last)) - (
            accuracy(low, first) - accuracy(mid, first)
        )
        what = f"temperature {low:g} minus {mid:g}: batch {last} minus batch {first}"
        made.append(contrasts.directional("C35", what, change))
        what = f"batch {last} minus {before}, temperature {mid:g}"
        made.append(
            contrasts.directional("C36", what, accuracy(mid, last) - accuracy(mid, before), -1)
        )
    return made
