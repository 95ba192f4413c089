"""Figure 5: linear evaluation under single operators and ordered pairs of them (paper 3.1).

The paper trains ImageNet ResNet-50 encoders in an asymmetric setting: a base crop is shared by
both branches, one branch is then transformed by the row's operator and the column's, the other is
left as it is. The diagonal is a single operator. Found: no single operator gives good features,
crop with colour distortion is the best pair.

Left unsaid by the paper, chosen here: operators are always applied (colour keeps its own gates of
0.8 and 0.2, blur has probability 1); "crop" includes the flip; where all images have one size, as
in CIFAR-10, there is no base crop and x is the image itself (`base_crop`).
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Figure 5"
TITLE = "composing two operators (linear evaluation)"
KIND, ORDER = "figure", 5
PAPER = "Fig 5"
CLAIMS = ("C01", "C02", "C03", "C04", "C05")
LABELS = ("first", "second")
CAPTION = (
    "Accuracy of a linear classifier on the frozen encoder, after pre-training under one "
    "operator (diagonal) or two (row first, then column), applied to one of the two views "
    "only. Last column: average of the row."
)
METRIC = "linear_h"
BEST_PAIR = {"crop", "color"}
OPERATORS = ("crop", "cutout", "color", "sobel", "noise", "blur", "rotate")


@dataclass(frozen=True)
class Grid:
    operators: tuple[str, ...] = option(OPERATORS, choices=OPERATORS)  # rows and columns
    base_crop: bool = option(False)  # ImageNet: a crop first, shared by both branches
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """One pre-training per ordered pair; a pair of the same operator applies it once."""
    grid = build(Grid, grid, "experiments.fig5")
    return [
        Run(
            name=first if first == second else f"{first}+{second}",
            stage="pretrain",
            settings={"views": _views(first, second, grid.base_crop)},
            labels={"first": first, "second": second},
        )
        for first in grid.operators
        for second in grid.operators
    ]


def _views(first: str, second: str, base_crop: bool) -> dict:
    names = [first] if first == second else [first, second]
    operators = [op for name in names for op in (("crop", "flip") if name == "crop" else (name,))]
    return {
        "operators": operators,
        "asymmetric": True,
        "base_crop": base_crop,
        "blur_probability": 1.0,
    }


def draw(table, paper):
    """Two matrices: rows the first operator, columns the second; the last column is the average."""
    import numpy as np

    from workflow.figures import contrasts, marks, plotting

    labels = {"x": "second operator", "y": "first operator"}
    figure, ours, theirs = plotting.side_by_side(height=3.9, **labels)
    rows = contrasts.summary(table, ["first", "second"], METRIC)
    operators = list(dict.fromkeys(rows["first"]))
    cells = rows.set_index(["first", "second"])
    means = [[cells["mean"].get((a, b), np.nan) for b in operators] for a in operators]
    seeds = table["seed"].nunique()
    notes = [[_note(cells.loc[(a, b)], seeds) for b in operators] for a in operators]
    marked = [[marks.dagger(cells.loc[(a, b)]) for b in operators] for a in operators]
    plotting.heat(ours, means, operators, notes, marked)
    reported = of_paper(paper)[METRIC].to_numpy().reshape(len(OPERATORS), -1)
    plotting.heat(theirs, reported, OPERATORS)
    theirs.set_ylabel("first operator")
    return figure


def _note(cell, seeds: int) -> str:
    """Return half the interval of a cell (mean, low, high, n), and n where seeds are missing."""
    half = (cell["high"] - cell["low"]) / 2
    spread = "" if half != half else f"±{half:.1f}"
    return spread if cell["n"] == seeds else f"{spread} n={cell['n']:.0f}".strip()


def of_paper(paper):
    """The paper's numbers in the form of ours."""
    import pandas as pd

    value = paper.set_index(["row", "column"])["value"]
    rows = [{"setting": run.name, **run.labels} for run in runs({})]
    for row in rows:
        row[METRIC] = value[f"1st={row['first'].title()}", f"2nd={row['second'].title()}"]
    return pd.DataFrame(rows)


def claims(table) -> list:
    """C01 to C05, on the accuracy over the cells of the matrix."""
    from workflow.figures.contrasts import EMPTY, directional, equivalence, held_out_best, matrix

    cells = matrix(table, METRIC)  # seeds x cells
    operators = table.drop_duplicates("setting").set_index("setting")[["first", "second"]]
    single = [name for name in cells if operators["first"][name] == operators["second"][name]]
    pairs = [name for name in cells if name not in single]
    best_pair = [name for name in pairs if set(operators.loc[name]) == BEST_PAIR]
    other_pairs = [name for name in pairs if name not in best_pair]
    other_single = [name for name in single if name != "crop"]
    row_means = cells.T.groupby(operators["first"].reindex(cells.columns)).mean().T
    other_rows = row_means.drop(columns="crop", errors="ignore")
    order_effects = [
        (cells[f"{a}+{b}"] - cells[f"{b}+{a}"]).abs()
        for a in row_means
        for b in row_means
        if a < b and {f"{a}+{b}", f"{b}+{a}"} <= set(pairs)
    ]
    best = cells[best_pair].mean(axis=1)
    crop, color = (cells.get(name, EMPTY) for name in ("crop", "color"))
    crop_row = row_means.get("crop", EMPTY)
    what = "rank correlation over cells of contrastive with linear accuracy"
    return [
        directional(
            "C01",
            "best pair minus best single operator",
            held_out_best(cells[pairs]) - held_out_best(cells[single]),
        ),
        directional("C01", "crop with colour minus crop alone", best - crop),
        directional("C01", "crop with colour minus colour alone", best - color),
        directional(
            "C02",
            "crop with colour minus the best other pair",
            best - held_out_best(cells[other_pairs]),
        ),
        directional(
            "C03",
            "crop alone minus the best other single operator",
            crop - held_out_best(cells[other_single]),
        ),
        directional(
            "C03",
            "row average of crop minus the best other row average",
            crop_row - held_out_best(other_rows),
        ),
        directional("C04", what, _correlations(table), direction=-1, unit="Spearman rho"),
        equivalence(
            "C05",
            "mean |A then B minus B then A| over pairs, noise between runs included",
            sum(order_effects) / len(order_effects) if order_effects else EMPTY,
            margin=3.0,
        ),
    ]


def _correlations(table):
    """Return by seed Spearman's rho over the cells."""
    import pandas as pd

    rho = {}
    for seed, rows in table.groupby("seed"):
        if "contrastive_accuracy" in rows and len(rows) > 2:
            ranks = rows[["contrastive_accuracy", METRIC]].rank()
            rho[seed] = float(ranks.corr().iloc[0, 1])
    return pd.Series(rho, dtype=float)
