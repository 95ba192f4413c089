"""Table B.1 and Figure B.2: how the learning rate grows with the batch (paper B.1).

Linear scaling (base * B / 256) against square-root scaling, equal at one batch size, over batch
sizes and epochs; with the square root up to batches that are large for the data set.
"""

import itertools
import math
from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run

NUMBER = "Table B.1, Figure B.2"
TITLE = "learning-rate scaling and large batches"
KIND, ORDER = "appendix figure", 2
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
    large: tuple[int, ...] = option((), low=2)  # only the square root, at the longest training
    epochs: tuple[int, ...] = option((100, 200, 400, 800), low=1)
    base_lr: float = option(0.3, above=0.0)  # of linear scaling
    equal_at: int = option(4096, low=2)  # the batch where both give the same rate

    def check(self):
        if not self.batches or not self.epochs:
            return "batches, epochs: give one value or more."
        batches = (*self.batches, *self.large)
        return "batches, large: give each once." if len(set(batches)) < len(batches) else None


def runs(grid: dict) -> list[Run]:
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
    planned = []
    for scaling, batch, epochs in cases:
        if scaling == "sqrt" and batch == grid.equal_at:
            continue  # the same as linear
        rate = {"lr_scaling": scaling, "base_lr": grid.base_lr if scaling == "linear" else root}
        values = {"batch_size": batch, "epochs": epochs, "optimizer": rate}
        labels = {"scaling": scaling, "batch": batch, "epochs": epochs}
        planned.append(Run(f"{scaling}-b{batch}-e{epochs}", "pretrain", values, labels))
    return planned


def draw(table, paper):
    """Accuracy over the batch size; a line for each scaling and length."""
    from workflow.figures import contrasts, plotting

    y = f"linear evaluation, {plotting.ACCURACY}"
    figure, ours, theirs = plotting.side_by_side(height=4.2, x="batch size", y=y)
    _panel(ours, contrasts.summary(table, ["scaling", "batch", "epochs"], METRIC))
    _panel(theirs, _theirs(paper))
    plotting.legend(figure, [ours], "left", "epochs", 2)
    plotting.legend(figure, [theirs], "right", "epochs", 2)
    return figure


def _theirs(paper):
    """The paper's rows in the form of ours."""
    return paper.assign(
        batch=paper["row"].str.extract(r"B=(\d+)")[0].astype(int),
        epochs=paper["column"].str.extract(r"(\d+) epochs")[0].astype(int),
        scaling=paper["column"].str.contains("sqrt").map({True: "sqrt", False: "linear"}),
        mean=paper["value"],
    )


def _panel(axes, rows) -> None:
    from workflow.figures import plotting

    for series, epochs in enumerate(sorted(set(rows["epochs"]))):
        for scaling, line, marker in (("linear", ":", "s"), ("sqrt", "-", "o")):
            chosen = rows[(rows["epochs"] == epochs) & (rows["scaling"] == scaling)]
            if len(chosen):
                chosen = chosen.sort_values("batch")
                label = f"{epochs}, {scaling}"
                plotting.points(axes, chosen["batch"], chosen, label, series, line, marker)
    plotting.plain_log(axes, 2, sorted(set(rows["batch"])))


def of_paper(paper):
    """The paper's numbers in the form of ours."""
    rows = _theirs(paper)
    return rows.assign(**{METRIC: rows["mean"]})


def claims(table) -> list:
    """C28 at the smallest batch and the shortest training; C29 between the two largest batches."""
    from workflow.figures.contrasts import directional, equivalence, per_seed

    small, short, long = table["batch"].min(), table["epochs"].min(), table["epochs"].max()
    accuracy = {
        scaling: per_seed(table, METRIC, scaling=scaling, batch=small, epochs=short)
        for scaling in ("sqrt", "linear")
    }
    judged = [
        directional(
            "C28",
            f"square-root minus linear scaling, batch {small}, {short} epochs",
            accuracy["sqrt"] - accuracy["linear"],
        )
    ]
    batches = sorted(table[table["epochs"] == long]["batch"].unique())
    for last, largest in itertools.pairwise(batches[-2:]):  # none, of one batch
        change = per_seed(table, METRIC, batch=largest, epochs=long) - per_seed(
            table, METRIC, batch=last, epochs=long
        )
        what = f"batch {largest} minus {last} at {long} epochs, size"
        judged.append(equivalence("C29", what, abs(change), 3.0))
    return judged
