"""Table 4: losses (paper 5.1, B.10). NT-Xent, NT-Logistic and margin triplets, without and with
semi-hard negatives, each at its own best of a grid. Negatives are the other view's alone, in all.

The paper tunes the learning rate too. The best of a grid is chosen on other seeds than the one it
is judged on (workflow/figures/contrasts.py).
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.experiments import Setting, check_lists

TITLE = "Table 4: losses, each at its best setting"
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


def settings(grid: dict) -> list[Setting]:
    """Every loss at every value of its grid. Label `value`: temperature, or margin."""
    grid = build(Grid, grid, "experiments.table4")
    values = {"margin": grid.margins, "nt_logistic": grid.temperatures, "nt_xent": grid.xent}
    made = []
    for label, (kind, semi_hard, _) in LOSSES.items():
        for value in values[kind]:
            for rate in grid.rates:
                field = "margin" if kind == "margin" else "temperature"
                loss = {"kind": kind, "negatives": "other_view", field: value}
                if semi_hard:
                    loss["semi_hard"] = True
                how = {"loss": loss, "optimizer": {"base_lr": rate}, "epochs": grid.epochs}
                name = f"{kind}{'-sh' if semi_hard else ''}-{value:g}-lr{rate:g}"
                labels = {"objective": label, "value": value, "lr": rate}
                made.append(Setting(name, "pretrain", how, labels))
    return made


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
    """Bars, one a loss."""
    import pandas as pd

    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, 2, height=3.4)
    names = list(LOSSES)
    rows = [(name, *contrasts.interval(values)[:3]) for name, values in best(table).items()]
    ours = pd.DataFrame(rows, columns=["category", "mean", "low", "high"])
    plotting.bars(axes[0], ours.assign(series="linear evaluation"), names, ["linear evaluation"])
    axes[0].set_title(plotting.OURS)
    axes[0].set_ylabel(f"linear evaluation, {plotting.ACCURACY}")
    said = {name: label for label, (_, _, name) in LOSSES.items()}
    theirs = paper.assign(
        category=paper["row"].map(said), series="linear evaluation", mean=paper["value"]
    )
    plotting.bars(axes[1], theirs, names, ["linear evaluation"])
    axes[1].set_title(plotting.PAPER)
    return figure


def claims(table) -> list:
    """C21: NT-Xent against the best other loss; C22: semi-hard negatives against all."""
    from workflow.figures import contrasts

    found = best(table)
    others = contrasts.matrix(table[table["objective"] != "NT-Xent"], "linear_h")
    return [
        contrasts.directional(
            "C21",
            "NT-Xent minus the best other loss",
            found["NT-Xent"] - contrasts.held_out_best(others),
        ),
        *(
            contrasts.directional(
                "C22",
                f"{loss}: semi-hard negatives minus all",
                found[f"{loss} (sh)"] - found[loss],
            )
            for loss in ("Margin", "NT-Logistic")
        ),
    ]
