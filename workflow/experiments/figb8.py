"""Figures B.7 and B.8: batch size, epochs, temperature and learning rate on CIFAR-10 (paper B.9).

Linear evaluation over batch sizes at several lengths of training, and over temperatures and batch
sizes at the longest; means over the learning rates of the grid. Beside them the same encoder
trained with labels. (At scales without CIFAR-10 the same contrasts on the scale's data.)
"""

from dataclasses import dataclass

from simclr.config import build, setting
from workflow.experiments import Setting

TITLE = "Figures B.7, B.8: epochs, temperature and batch size"
PAPER = "B.9 text"
CLAIMS = ("C33", "C34", "C35", "C36")
LABELS = ("regime", "temperature", "batch", "epochs", "lr")
CAPTION = (
    "Linear evaluation over the batch size for several lengths of training, and over the "
    "temperature at the longest; means over learning rates. Dashed: supervised training of the "
    "same encoder."
)


@dataclass(frozen=True)
class Grid:
    temperatures: tuple[float, ...] = setting((0.1, 0.5, 1.0), above=0.0)  # three: low, mid, high
    batches: tuple[int, ...] = setting((256, 512, 1024, 2048, 4096), low=2)
    epochs: tuple[int, ...] = setting((100, 200, 300, 400, 500, 1000), low=1)
    rates: tuple[float, ...] = setting((), above=0.0)  # base_lr; none: that of the base setting

    def check(self):
        if len(set(self.temperatures)) != 3 or list(self.temperatures) != sorted(self.temperatures):
            return "temperatures: give three, from low to high."
        for values, name in ((self.batches, "batches"), (self.epochs, "epochs")):
            if not values or len(set(values)) < len(values):
                return f"{name}: give one value or more, each once."
        return None


def settings(grid: dict) -> list[Setting]:
    """Every temperature at every batch size for the longest training; the middle one for all."""
    grid = build(Grid, grid, "experiments.figb8")
    middle, longest, made = grid.temperatures[1], max(grid.epochs), []
    for epochs in grid.epochs:
        for batch in grid.batches:
            for temperature in grid.temperatures if epochs == longest else (middle,):
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


def draw(table, paper):
    """Left over batch sizes, a line a length; right over temperatures, a line a batch size."""
    from workflow import drawing, statistics

    figure, (axes,) = drawing.panels(1, 2, height=4.2)
    rows = _averaged(table)
    middle = sorted(rows["temperature"].unique())[1]
    some = rows[rows["temperature"] == middle]
    lengths = statistics.summary(some, ["epochs", "batch"], "linear_h")
    for series, epochs in enumerate(sorted(set(lengths["epochs"]))):
        chosen = lengths[lengths["epochs"] == epochs].sort_values("batch")
        drawing.points(axes[0], chosen["batch"], chosen, f"{epochs} epochs", series, "--")
    drawing.plain_log(axes[0], 2, sorted(set(rows["batch"])))
    axes[0].set_xlabel(f"batch size (temperature {middle:g})")
    axes[0].set_ylabel(f"linear evaluation, {drawing.ACCURACY}")
    longest = rows["epochs"].max()
    some = statistics.summary(rows[rows["epochs"] == longest], ["batch", "temperature"], "linear_h")
    for series, batch in enumerate(sorted(set(some["batch"]))):
        chosen = some[some["batch"] == batch].sort_values("temperature")
        drawing.points(axes[1], chosen["temperature"], chosen, f"batch {batch}", series)
    drawing.plain_log(axes[1], 10, sorted(set(some["temperature"])))
    axes[1].set_xlabel(f"temperature ({longest} epochs)")
    with_labels = statistics.per_seed(table, "supervised_top1", regime="supervised").mean()
    for one in axes:
        one.axhline(with_labels, color=drawing.COLORS["gray"], linestyle=":", label="supervised")
    axes[0].set_title("B.7, " + drawing.OURS.lower())
    axes[1].set_title("B.8, " + drawing.OURS.lower())
    drawing.legend(figure, axes[:1], "left", ncols=2)
    drawing.legend(figure, axes[1:], "right", ncols=2)
    return figure


def claims(table) -> list:
    """C33 to C36, at the longest training; the paper's figures have bars without numbers."""
    from workflow import statistics as st

    rows = _averaged(table)
    longest = rows[rows["epochs"] == rows["epochs"].max()]
    low, mid, high = sorted(longest["temperature"].unique())
    batches = sorted(longest["batch"].unique())

    def accuracy(temperature, batch):
        return st.per_seed(longest, "linear_h", temperature=temperature, batch=batch)

    supervised = st.per_seed(table, "supervised_top1", regime="supervised")
    every = longest.assign(setting=longest["temperature"].map(str) + longest["batch"].map(str))
    best = st.held_out_best(st.matrix(every, "linear_h"))
    what = "supervised minus best SimCLR, less 3 points"
    made = [st.directional("C33", what, supervised - best - 3, -1)]
    for batch in sorted({batches[0], batches[-1]}):
        ends = every[(every["batch"] == batch) & every["temperature"].isin([low, high])]
        what = f"batch {batch}: temperature {mid:g} minus the better of {low:g} and {high:g}"
        other = st.held_out_best(st.matrix(ends, "linear_h"))
        made.append(st.directional("C34", what, accuracy(mid, batch) - other))
    if len(batches) > 1:
        first, last, before = batches[0], batches[-1], batches[-2]
        change = (accuracy(low, last) - accuracy(mid, last)) - (
            accuracy(low, first) - accuracy(mid, first)
        )
        what = f"temperature {low:g} minus {mid:g}: batch {last} minus batch {first}"
        made.append(st.directional("C35", what, change))
        what = f"batch {last} minus {before}, temperature {mid:g}"
        made.append(st.directional("C36", what, accuracy(mid, last) - accuracy(mid, before), -1))
    return made
