"""Table 3: what the head discards (paper 4.2). Transformations told from h, and from z = g(h).

A classifier with a hidden layer tells from frozen features whether and how an image was
transformed. dim(z) = dim(h), so that z has room for it. For noise and for Sobel filtering the
encoder was pre-trained with that transformation added, to every second view (the paper says
"additionally and independently", not how often).
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.experiments import Setting, check_lists

TITLE = "Table 3: transformations told from h and from g(h)"
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


def settings(grid: dict) -> list[Setting]:
    """A probe for each task, of the encoder that saw its transformation."""
    grid = build(Grid, grid, "experiments.table3")
    made = []
    for task, (_, _, added) in TASKS.items():
        encoder = {"head": {"out_dim": grid.out_dim}}
        if added:
            encoder["views"] = {"operators": [*grid.operators, added], "gate": 0.5}
        of = ("pretrain", encoder)
        made.append(Setting(task, "probe", {"tasks": [task]}, {"task": task}, of))
    return made


def draw(table, paper):
    """Bars: chance, h and g(h) for each task."""
    import pandas as pd

    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, 2, height=3.6)
    rows = []
    for task, (_, chance, _) in TASKS.items():
        rows.append((task, "chance", chance, None, None))
        for name, series in (("h", "h"), ("z", "g(h)")):
            values = contrasts.per_seed(table, f"probe_{task}_{name}")
            rows.append((task, series, *contrasts.interval(values)[:3]))
    rows = pd.DataFrame(rows, columns=["category", "series", "mean", "low", "high"])
    plotting.bars(axes[0], rows.astype({"low": float, "high": float}), list(TASKS), SERIES)
    axes[0].set_title(plotting.OURS)
    axes[0].set_ylabel("accuracy (%)")
    names = {said: task for task, (said, _, _) in TASKS.items()}
    theirs = paper.assign(
        category=paper["row"].map(names),
        series=paper["column"].replace({"random guess": "chance"}),
        mean=paper["value"],
    )
    plotting.bars(axes[1], theirs, list(TASKS), SERIES)
    axes[1].set_title(plotting.PAPER)
    plotting.legend(figure, axes[:1])
    return figure


def claims(table) -> list:
    """C18, for each transformation."""
    from workflow.figures import contrasts

    return [
        contrasts.directional(
            "C18",
            f"{task}: told from h minus from g(h)",
            contrasts.per_seed(table, f"probe_{task}_h")
            - contrasts.per_seed(table, f"probe_{task}_z"),
        )
        for task in TASKS
    ]
