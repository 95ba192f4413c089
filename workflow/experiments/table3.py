"""Table 3: what the head discards (paper 4.2). Transformations told from h, and from z = g(h).

A classifier with a hidden layer tells from frozen features whether and how an image was
transformed. dim(z) = dim(h), so that z has room for it. For noise and for Sobel filtering the
encoder was pre-trained with that transformation added, to every second view (the paper says
"additionally and independently", not how often).
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Table 3"
TITLE = "transformations told from h and from g(h)"
KIND, ORDER = "table", 3
PAPER = "Table 3"
CLAIMS = ("C18",)
LABELS = ("task",)
CAPTION = (
    "Accuracy of a classifier with one hidden layer that predicts from h, or from z = g(h), which "
    "transformation was applied to an image."
)
TASKS = {  # task -> name in the paper, chance in percent, operator added to pre-training
    "gray": ("Color vs grayscale", 80, None),
    "rotation": ("Rotation", 25, None),
    "noise": ("Orig. vs corrupted", 50, "noise"),
    "sobel": ("Orig. vs Sobel filtered", 50, "sobel"),
}
SERIES = ["chance", "h", "g(h)"]


@dataclass(frozen=True)
class Grid:
    operators: tuple[str, ...] = option(("crop", "flip", "color", "blur"))  # of the base setting
    out_dim: int = option(2048, low=1)  # of z: that of h
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """A probe for each task, of the encoder that saw its transformation."""
    grid = build(Grid, grid, "experiments.table3")
    planned = []
    for task, (_, _, added) in TASKS.items():
        encoder = {"head": {"out_dim": grid.out_dim}}
        if added:
            encoder["views"] = {"operators": [*grid.operators, added], "gate": 0.5}
        run = Run(task, "probe", {"tasks": [task]}, {"task": task}, ("pretrain", encoder))
        planned.append(run)
    return planned


def means(table) -> dict:
    """By task: chance, and the values of all seeds from h and g(h)."""
    from workflow.figures import contrasts

    values = {}
    for task, (_, chance, _) in TASKS.items():
        values[task, "chance"] = [chance]
        values[task, "h"] = contrasts.per_seed(table, f"probe_{task}_h")
        values[task, "g(h)"] = contrasts.per_seed(table, f"probe_{task}_z")
    return values


def draw(table, paper):
    """Bars: chance, h and g(h) for each task."""
    from workflow.figures import contrasts, plotting

    figure, ours, theirs = plotting.side_by_side(height=3.6, y="accuracy (%)")
    rows = contrasts.derived(means, table, ["category", "series"])
    plotting.bars(ours, rows, list(TASKS), SERIES)
    names = {name: task for task, (name, _, _) in TASKS.items()}
    rows = paper.assign(
        category=paper["row"].map(names),
        series=paper["column"].replace({"random guess": "chance"}),
        mean=paper["value"],
    )
    plotting.bars(theirs, rows, list(TASKS), SERIES)
    plotting.legend(figure, [ours])
    return figure


def of_paper(paper):
    """The paper's numbers in the form of ours, all tasks in one row."""
    import pandas as pd

    reported = paper.set_index(["row", "column"])["value"]
    row = {
        f"probe_{task}_{name}": reported[said, column]
        for task, (said, _, _) in TASKS.items()
        for name, column in (("h", "h"), ("z", "g(h)"))
    }
    return pd.DataFrame([row])


def claims(table) -> list:
    """C18, for each transformation."""
    from workflow.figures.contrasts import directional, per_seed

    return [
        directional(
            "C18",
            f"{task}: told from h minus from g(h)",
            per_seed(table, f"probe_{task}_h") - per_seed(table, f"probe_{task}_z"),
        )
        for task in TASKS
    ]
