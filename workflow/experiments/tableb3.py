"""Table B.3: supervised training for longer (paper B.3), with more and more augmentation."""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Table B.3"
TITLE = "longer supervised training"
KIND, ORDER = "appendix table", 3
PAPER = "Table B.3"
CLAIMS = ("C31",)
LABELS = ("augmentation", "epochs")
CAPTION = "Top-1 accuracy of supervised training over its length, for three augmentations."
METRIC = "supervised_top1"
OPERATORS = {
    "Crop": ["crop", "flip"],
    "+Color": ["crop", "flip", "color"],
    "+Color+Blur": ["crop", "flip", "color", "blur"],
}


@dataclass(frozen=True)
class Grid:
    augmentations: tuple[str, ...] = option(tuple(OPERATORS), choices=tuple(OPERATORS))
    epochs: tuple[int, ...] = option((90, 500, 1000), low=1)
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """One training per augmentation and length."""
    grid = build(Grid, grid, "experiments.tableb3")
    return [
        Run(
            name=f"{name.replace('+', 'and-').lower()}-e{epochs}",
            stage="supervise",
            settings={"views": {"operators": OPERATORS[name]}, "epochs": epochs},
            labels={"augmentation": name, "epochs": epochs},
        )
        for name in grid.augmentations
        for epochs in grid.epochs
    ]


def draw(table, paper):
    """Accuracy over epochs, a line per augmentation."""
    from workflow.figures import contrasts, plotting

    x = "training epochs"
    figure, ours, theirs = plotting.side_by_side(height=3.6, x=x, y=plotting.ACCURACY)
    _panel(ours, contrasts.summary(table, ["augmentation", "epochs"], METRIC))
    _panel(theirs, _theirs(paper))
    plotting.legend(figure, [theirs, ours])
    return figure


def _theirs(paper):
    """The paper's rows in the form of ours."""
    rows = paper[~paper["row"].str.contains("4x")]
    return rows.assign(
        augmentation=rows["column"],
        epochs=rows["row"].str.extract(r"(\d+)ep")[0].astype(int),
        mean=rows["value"],
    )


def _panel(axes, rows) -> None:
    from workflow.figures import plotting

    for series, name in enumerate(OPERATORS):
        chosen = rows[rows["augmentation"] == name].sort_values("epochs")
        if len(chosen):
            plotting.points(axes, chosen["epochs"], chosen, name, series)
    plotting.plain_log(axes, 2, sorted(set(rows["epochs"])))


def of_paper(paper):
    """The paper's numbers in the form of ours."""
    rows = _theirs(paper)
    return rows.assign(**{METRIC: rows["mean"]})


def claims(table) -> list:
    """C31: the longest minus the shortest training, for each augmentation."""
    from workflow.figures.contrasts import equivalence, per_seed

    short, long = table["epochs"].min(), table["epochs"].max()
    judged = []
    for name in table["augmentation"].unique():
        after_long, after_short = (
            per_seed(table, METRIC, augmentation=name, epochs=epochs) for epochs in (long, short)
        )
        what = f"{name}: {long} minus {short} epochs, size"
        judged.append(equivalence("C31", what, abs(after_long - after_short), 3.0))
    return judged
