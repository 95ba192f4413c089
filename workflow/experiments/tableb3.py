"""Table B.3: supervised training for longer (paper B.3), with more and more augmentation."""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.experiments import Setting, check_lists

TITLE = "Table B.3: longer supervised training"
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


def settings(grid: dict) -> list[Setting]:
    """One training per augmentation and length."""
    grid = build(Grid, grid, "experiments.tableb3")
    return [
        Setting(
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

    figure, (axes,) = plotting.panels(1, 2, height=3.6)
    _panel(axes[0], contrasts.summary(table, ["augmentation", "epochs"], METRIC), plotting)
    axes[0].set_title(plotting.OURS)
    axes[0].set_ylabel(plotting.ACCURACY)
    _panel(axes[1], _theirs(paper), plotting)
    axes[1].set_title(plotting.PAPER)
    for each in axes:
        each.set_xlabel("training epochs")
    plotting.legend(figure, axes[::-1])
    return figure


def _theirs(paper):
    """The paper's rows in the form of ours."""
    one = paper[~paper["row"].str.contains("4x")]
    return one.assign(
        augmentation=one["column"],
        epochs=one["row"].str.extract(r"(\d+)ep")[0].astype(int),
        mean=one["value"],
    )


def _panel(axes, rows, drawing) -> None:
    for series, name in enumerate(OPERATORS):
        chosen = rows[rows["augmentation"] == name].sort_values("epochs")
        if len(chosen):
            drawing.points(axes, chosen["epochs"], chosen, name, series)
    drawing.plain_log(axes, 2, sorted(set(rows["epochs"])))


def claims(table) -> list:
    """C31: the longest minus the shortest training, for each augmentation."""
    from workflow.figures import contrasts

    short, long = table["epochs"].min(), table["epochs"].max()
    made = []
    for name in table["augmentation"].unique():
        one, other = (
            contrasts.per_seed(table, METRIC, augmentation=name, epochs=epochs)
            for epochs in (long, short)
        )
        what = f"{name}: {long} minus {short} epochs, size"
        made.append(contrasts.equivalence("C31", what, abs(one - other), 3.0))
    return made
