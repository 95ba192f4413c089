"""Table 4: losses (paper 5.1, B.10). NT-Xent, NT-Logistic and margin triplets, without and with
semi-hard negatives, each at its own best of a grid. All use only the other view's negatives.

The paper tunes the learning rate too. The best of a grid is chosen on other seeds than the one it
is judged on (workflow/figures/contrasts.py).
"""

import itertools
from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Table 4"
TITLE = "losses, each at its best setting"
KIND, ORDER = "table", 4
PAPER = "Table 4"
CLAIMS = ("C21", "C22")
LABELS = ("objective", "value", "lr")
CAPTION = (
    "Linear evaluation after training with each loss, at the best temperature or margin (and "
    "learning rate) of its grid, chosen on the other seeds. sh: semi-hard negatives."
)
LOSSES = {  # label -> kind, semi-hard, name in the paper
    "Margin": ("margin", False, "Margin"),
    "NT-Logistic": ("nt_logistic", False, "NT-Logistic"),
    "Margin (sh)": ("margin", True, "Margin (semi-hard)"),
    "NT-Logistic (sh)": ("nt_logistic", True, "NT-Logistic (semi-hard)"),
    "NT-Xent": ("nt_xent", False, "NT-Xent (one-view negatives)"),
}


@dataclass(frozen=True)
class Grid:
    temperatures: tuple[float, ...] = option((0.1, 0.2, 0.5, 1.0), above=0.0)  # of NT-Logistic
    margins: tuple[float, ...] = option((0.0, 0.4, 0.8, 1.6), low=0.0)
    xent: tuple[float, ...] = option((0.1,), above=0.0)  # temperatures of NT-Xent
    rates: tuple[float, ...] = option((0.01, 0.1, 0.3, 0.5, 1.0), above=0.0)  # base_lr
    epochs: int = option(100, low=1)
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """Every loss at every value of its grid. Label `value`: temperature, or margin."""
    grid = build(Grid, grid, "experiments.table4")
    values = {"margin": grid.margins, "nt_logistic": grid.temperatures, "nt_xent": grid.xent}
    planned = []
    for label, (kind, semi_hard, _) in LOSSES.items():
        field = "margin" if kind == "margin" else "temperature"
        loss, prefix = {"kind": kind, "negatives": "other_view"}, kind
        if semi_hard:
            loss["semi_hard"], prefix = True, f"{kind}-sh"
        for value, rate in itertools.product(values[kind], grid.rates):
            run = Run(
                name=f"{prefix}-{value:g}-lr{rate:g}",
                stage="pretrain",
                settings={
                    "loss": {**loss, field: value},
                    "optimizer": {"base_lr": rate},
                    "epochs": grid.epochs,
                },
                labels={"objective": label, "value": value, "lr": rate},
            )
            planned.append(run)
    return planned


def best(table) -> dict:
    """By loss, by seed: accuracy at the setting that is best on the other seeds."""
    from workflow.figures import contrasts

    return {
        label: contrasts.held_out_best(
            contrasts.matrix(table[table["objective"] == label], "linear_h")
        )
        for label in LOSSES
    }


def draw(table, paper):
    """Draw a bar for each loss."""
    from workflow.figures import contrasts, plotting

    series = "linear evaluation"
    figure, ours, theirs = plotting.side_by_side(height=3.4, y=f"{series}, {plotting.ACCURACY}")
    rows = contrasts.derived(best, table, ["category"])
    plotting.bars(ours, rows.assign(series=series), list(LOSSES), [series])
    labels = {name: label for label, (_, _, name) in LOSSES.items()}
    rows = paper.assign(category=paper["row"].map(labels), series=series, mean=paper["value"])
    plotting.bars(theirs, rows, list(LOSSES), [series])
    return figure


def of_paper(paper):
    """The paper's numbers in the form of ours."""
    labels = {name: label for label, (_, _, name) in LOSSES.items()}
    return paper.assign(objective=paper["row"].map(labels), linear_h=paper["value"])


def claims(table) -> list:
    """C21: NT-Xent against the best other loss; C22: semi-hard negatives against all."""
    from workflow.figures.contrasts import directional, held_out_best, matrix

    accuracy = best(table)
    others = matrix(table[table["objective"] != "NT-Xent"], "linear_h")
    return [
        directional(
            "C21", "NT-Xent minus the best other loss", accuracy["NT-Xent"] - held_out_best(others)
        ),
        *(
            directional(
                "C22",
                f"{loss}: semi-hard negatives minus all",
                accuracy[f"{loss} (sh)"] - accuracy[loss],
            )
            for loss in ("Margin", "NT-Logistic")
        ),
    ]
