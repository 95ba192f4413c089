"""Table B.1 and Figure B.2: how the learning rate grows with the batch (paper B.1).

Linear scaling (base * B / 256) against square-root scaling, equal at one batch size, over batch
sizes and epochs; with the square root up to batches that are large for the data set.
"""

import math
from dataclasses import dataclass

from simclr.config import build, option
from workflow.experiments import Setting

TITLE = "Table B.1, Figure B.2: learning-rate scaling and large batches"
PAPER = "Table B.1"
CLAIMS = ("C28", "C29")
LABELS = ("scaling", "batch", "epochs")
CAPTION = (
    "Linear evaluation over batch sizes, with the learning rate proportional to the batch size or "
    "to its square root, for several lengths of training."
)
METRIC = "linear_h"


@dataclass(frozen=True)
class Grid:
    batches: tuple[int, ...] = option((256, 512, 1024, 2048, 4096, 8192), low=2)
    large: tuple[int, ...] = option((), low=2)  # square root alone, at the longest training
    epochs: tuple[int, ...] = option((100, 200, 400, 800), low=1)
    base_lr: float = option(0.3, above=0.0)  # of linear scaling
    equal_at: int = option(4096, low=2)  # the batch where both give the same rate

    def check(self):
        if not self.batches or not self.epochs:
            return "batches, epochs: give one value or more."
        every = (*self.batches, *self.large)
        return "batches, large: give each once." if len(set(every)) < len(every) else None


def settings(grid: dict) -> list[Setting]:
    """Both scalings for every batch and length, and large batches with the square root."""
    grid = build(Grid, grid, "experiments.figb2")
    root = grid.base_lr * math.sqrt(grid.equal_at) / 256
    cases = [
        (scaling, batch, epochs)
        for epochs in grid.epochs
        for batch in grid.batches
        for scaling in ("linear", "sqrt")
    ]
    cases += [("sqrt", batch, max(grid.epochs)) for batch in grid.large]
    made = []
    for scaling, batch, epochs in cases:
        if scaling == "sqrt" and batch == grid.equal_at:
            continue  # the same as linear
        rate = {"lr_scaling": scaling, "base_lr": grid.base_lr if scaling == "linear" else root}
        how = {"batch_size": batch, "epochs": epochs, "optimizer": rate}
        labels = {"scaling": scaling, "batch": batch, "epochs": epochs}
        made.append(Setting(f"{scaling}-b{batch}-e{epochs}", "pretrain", how, labels))
    return made


def draw(table, paper):
    """Accuracy over the batch size; a line for each scaling and length."""
    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, 2, height=4.2)
    _panel(axes[0], contrasts.summary(table, ["scaling", "batch", "epochs"], METRIC), plotting)
    axes[0].set_title(plotting.OURS)
    axes[0].set_ylabel(f"linear evaluation, {plotting.ACCURACY}")
    _panel(axes[1], _theirs(paper), plotting)
    axes[1].set_title(plotting.PAPER)
    for one in axes:
        one.set_xlabel("batch size")
    plotting.legend(figure, axes[:1], "left", "epochs", 2)
    plotting.legend(figure, axes[1:], "right", "epochs", 2)
    return figure


def _theirs(paper):
    """The paper's rows in the form of ours."""
    return paper.assign(
        batch=paper["row"].str.extract(r"B=(\d+)")[0].astype(int),
        epochs=paper["column"].str.extract(r"(\d+) epochs")[0].astype(int),
        scaling=paper["column"].str.contains("sqrt").map({True: "sqrt", False: "linear"}),
        mean=paper["value"],
    )


def _panel(axes, rows, drawing) -> None:
    for series, epochs in enumerate(sorted(set(rows["epochs"]))):
        for scaling, line, marker in (("linear", ":", "s"), ("sqrt", "-", "o")):
            chosen = rows[(rows["epochs"] == epochs) & (rows["scaling"] == scaling)]
            if len(chosen):
                chosen = chosen.sort_values("batch")
                label = f"{epochs}, {scaling}"
                drawing.points(axes, chosen["batch"], chosen, label, series, line, marker)
    drawing.plain_log(axes, 2, sorted(set(rows["batch"])))


def claims(table) -> list:
    """C28 at the smallest batch and the shortest training; C29 between the two largest batches."""
    from workflow.figures import contrasts

    small, short, long = table["batch"].min(), table["epochs"].min(), table["epochs"].max()
    root = {
        scaling: contrasts.per_seed(table, METRIC, scaling=scaling, batch=small, epochs=short)
        for scaling in ("sqrt", "linear")
    }
    last, largest = sorted(table[table["epochs"] == long]["batch"].unique())[-2:]
    change = contrasts.per_seed(table, METRIC, batch=largest, epochs=long) - contrasts.per_seed(
        table, METRIC, batch=last, epochs=long
    )
    return [
        contrasts.directional(
            "C28",
            f"square-root minus linear scaling, batch {small}, {short} epochs",
            root["sqrt"] - root["linear"],
        ),
        contrasts.equivalence(
            "C29", f"batch {largest} minus {last} at {long} epochs, size", abs(change), 3.0
        ),
    ]
