"""Figures B.5 and B.6: linear evaluation and fine-tuning rank encoders alike (paper B.7).

Encoders of several lengths of training and widths, by linear evaluation and by fine-tuning on a
share of the labels. The paper shows scatter plots; we add the correlation, within each seed.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Figures B.5, B.6"
TITLE = "linear evaluation and fine-tuning"
KIND, ORDER = "appendix figure", 5
PAPER = ()
CLAIMS = ("C32",)
LABELS = ("encoder", "protocol", "epochs", "width")
CAPTION = (
    "Accuracy by fine-tuning over accuracy by linear evaluation, a point for each encoder: several "
    "lengths of pre-training and widths."
)


@dataclass(frozen=True)
class Grid:
    epochs: tuple[int, ...] = option((100, 200, 400, 800), low=1)  # at width 1
    widths: tuple[int, ...] = option((1, 2, 4), choices=(1, 2, 4))  # at the base length
    base_epochs: int = option(100, low=1)
    labels: float = option(0.1, above=0.0, high=1.0)
    batch_size: int = option(4096, low=2)
    base_lr: float = option(0.05, above=0.0)
    tuning_epochs: int = option(30, low=1)
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """Each encoder evaluated and fine-tuned."""
    grid = build(Grid, grid, "experiments.figb5")
    cases = dict.fromkeys(
        [(epochs, 1) for epochs in grid.epochs] + [(grid.base_epochs, w) for w in grid.widths]
    )
    tuning = {
        "labels": grid.labels,
        "batch_size": grid.batch_size,
        "epochs": grid.tuning_epochs,
        "optimizer": {"base_lr": grid.base_lr},
    }
    planned = []
    for epochs, width in cases:
        name = f"e{epochs}-w{width}"
        labels = {"encoder": name, "epochs": epochs, "width": width}
        pretraining = {"encoder": {"width": width}, "epochs": epochs}
        linear = Run(f"linear-{name}", "pretrain", pretraining, {**labels, "protocol": "linear"})
        tuned = Run(
            name=f"fine-{name}",
            stage="finetune",
            settings={**tuning, "encoder": {"width": width}},
            labels={**labels, "protocol": "fine-tuned"},
            starts_from=("pretrain", pretraining),
        )
        planned += [linear, tuned]
    return planned


def pairs(table):
    """A row per encoder and seed: linear, fine."""
    keys = ["encoder", "epochs", "width", "seed"]
    linear = table[table["protocol"] == "linear"].set_index(keys)["linear_h"]
    fine = table[table["protocol"] == "fine-tuned"].set_index(keys)["finetune_top1"]
    return linear.to_frame("linear").join(fine.rename("fine")).dropna().reset_index()


def draw(table, paper):
    """Draw a scatter plot: means over seeds large, single runs small."""
    from workflow.figures import plotting

    figure, ours, theirs = plotting.side_by_side(
        height=3.8, x="linear evaluation (%)", y="fine-tuned (%)", paper="Paper"
    )
    rows = pairs(table)
    for series, (_, part) in enumerate(rows.groupby("encoder", sort=False)):
        color = plotting.COLORS[plotting.SERIES[series % 6]]
        marker = plotting.MARKERS[series % 6]
        ours.scatter(part["linear"], part["fine"], s=10, color=color, marker=marker, alpha=0.5)
        first = part.iloc[0]
        label = f"{first['epochs']} epochs, {first['width']}x"
        means = part["linear"].mean(), part["fine"].mean()
        ours.scatter(*means, s=55, color=color, marker=marker, label=label, edgecolor="white")
    plotting.no_numbers(
        theirs,
        "The paper shows scatter plots\n(over epochs, and over architectures),\nand no number.",
    )
    plotting.legend(figure, [ours], ncols=3)
    return figure


def claims(table) -> list:
    """C32: Pearson's r over the encoders, within each seed."""
    from workflow.figures.contrasts import directional

    correlation = (
        pairs(table)
        .groupby("seed")[["linear", "fine"]]
        .apply(lambda part: part["linear"].corr(part["fine"]))
    )
    what = "correlation over encoders of linear evaluation with fine-tuning"
    return [directional("C32", what, correlation, unit="r")]
