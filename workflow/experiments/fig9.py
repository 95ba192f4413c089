"""Figure 9: batch size and length of training (paper 5.2).

Linear evaluation over batch sizes and epochs, with the linear scaling of the learning rate
(base * B / 256), as in the main text of the paper.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Figure 9"
TITLE = "batch size and training epochs"
KIND, ORDER = "figure", 9
PAPER = "Fig 9"
CLAIMS = ("C25", "C26", "C27")
LABELS = ("batch", "epochs")
CAPTION = (
    "Linear evaluation over the length of pre-training, for several batch sizes, with linear "
    "scaling of the learning rate."
)
METRIC = "linear_h"


@dataclass(frozen=True)
class Grid:
    batches: tuple[int, ...] = option((256, 512, 1024, 2048, 4096, 8192), low=2)
    epochs: tuple[int, ...] = option(tuple(range(100, 1001, 100)), low=1)
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """One pre-training per batch size and number of epochs."""
    grid = build(Grid, grid, "experiments.fig9")
    return [
        Run(
            name=f"b{batch}-e{epochs}",
            stage="pretrain",
            settings={"batch_size": batch, "epochs": epochs, "optimizer": {"lr_scaling": "linear"}},
            labels={"batch": batch, "epochs": epochs},
        )
        for epochs in grid.epochs
        for batch in grid.batches
    ]


def draw(table, paper):
    """Accuracy over epochs, one line per batch size."""
    from workflow.figures import contrasts, plotting

    y = f"linear evaluation, {plotting.ACCURACY}"
    figure, ours, theirs = plotting.side_by_side(height=4.2, x="training epochs", y=y)
    panel(ours, contrasts.summary(table, ["batch", "epochs"], METRIC))
    panel(theirs, _theirs(paper))
    plotting.legend(figure, [ours], "left", "batch size", 3)
    plotting.legend(figure, [theirs], "right", "batch size", 3)
    return figure


def _theirs(paper):
    """The paper's rows in the form of ours: batch, epochs, mean."""
    return paper.assign(
        batch=paper["row"].str.extract(r"B=(\d+)")[0].astype(int),
        epochs=paper["column"].str.extract(r"(\d+) epochs")[0].astype(int),
        mean=paper["value"],
    )


def panel(axes, rows) -> None:
    """Draw accuracy over epochs, a line for each batch size. rows: batch, epochs, mean, ..."""
    from workflow.figures import plotting

    for series, batch in enumerate(sorted(set(rows["batch"]))):
        chosen = rows[rows["batch"] == batch].sort_values("epochs")
        plotting.points(axes, chosen["epochs"], chosen, f"{batch}", series)
    epochs = sorted(set(rows["epochs"]))
    shown = epochs if len(epochs) < 6 else [e for e in epochs if e in (100, 200, 400, 600, 1000)]
    plotting.plain_log(axes, 2, shown)


def of_paper(paper):
    """The paper's numbers in the form of ours, up to the batch of its claim."""
    rows = _theirs(paper).assign(linear_h=paper["value"])
    return rows[rows["batch"] <= 4096]


def claims(table) -> list:
    """C25 to C27, between the extremes of the grid."""
    from workflow.figures.contrasts import directional, per_seed

    small, large = int(table["batch"].min()), int(table["batch"].max())
    short, long = int(table["epochs"].min()), int(table["epochs"].max())

    def gain(epochs):
        """By seed: the largest batch minus the smallest."""
        return per_seed(table, METRIC, batch=large, epochs=epochs) - per_seed(
            table, METRIC, batch=small, epochs=epochs
        )

    length = per_seed(table, METRIC, epochs=long) - per_seed(table, METRIC, epochs=short)
    batches = f"batch {large} minus {small}"
    return [
        directional("C25", f"{batches}, at {short} epochs", gain(short)),
        directional(
            "C26", f"{batches}: at {short} epochs minus at {long} epochs", gain(short) - gain(long)
        ),
        directional("C27", f"{long} minus {short} epochs, mean over batch sizes", length),
    ]
