"""Figures B.5 and B.6: linear evaluation and fine-tuning rank encoders alike (paper B.7).

Encoders of several lengths of training and widths, by linear evaluation and by fine-tuning on a
share of the labels. The paper shows scatter plots; we add the correlation, within each seed.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.experiments import Setting, check_lists

TITLE = "Figures B.5, B.6: linear evaluation and fine-tuning"
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


def settings(grid: dict) -> list[Setting]:
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
    made = []
    for epochs, width in cases:
        encoder = {"encoder": {"width": width}, "epochs": epochs}
        labels = {"encoder": f"e{epochs}-w{width}", "epochs": epochs, "width": width}
        one = {**labels, "protocol": "linear"}
        made.append(Setting(f"linear-{labels['encoder']}", "pretrain", encoder, one))
        other = {**labels, "protocol": "fine-tuned"}
        how = {**tuning, "encoder": {"width": width}}
        of = ("pretrain", encoder)
        made.append(Setting(f"fine-{labels['encoder']}", "finetune", how, other, of))
    return made


def pairs(table):
    """A row per encoder and seed: linear, fine."""
    keys = ["encoder", "epochs", "width", "seed"]
    linear = table[table["protocol"] == "linear"].set_index(keys)["linear_h"]
    fine = table[table["protocol"] == "fine-tuned"].set_index(keys)["finetune_top1"]
    return linear.to_frame("linear").join(fine.rename("fine")).dropna().reset_index()


def draw(table, paper):
    """A scatter plot, means over seeds joined by nothing, single runs small."""
    from workflow.figures import plotting

    figure, (axes,) = plotting.panels(1, 2, height=3.8)
    rows = pairs(table)
    for series, (name, part) in enumerate(rows.groupby("encoder", sort=False)):
        color = plotting.COLORS[plotting.SERIES[series % 6]]
        marker = plotting.MARKERS[series % 6]
        axes[0].scatter(part["linear"], part["fine"], s=10, color=color, marker=marker, alpha=0.5)
        first = part.iloc[0]
        label = f"{first['epochs']} epochs, {first['width']}x"
        where = part["linear"].mean(), part["fine"].mean()
        axes[0].scatter(*where, s=55, color=color, marker=marker, label=label, edgecolor="white")
        del name
    axes[0].set_xlabel("linear evaluation (%)")
    axes[0].set_ylabel("fine-tuned (%)")
    axes[0].set_title(plotting.OURS)
    plotting.no_numbers(
        axes[1],
        "The paper shows scatter plots\n(over epochs, and over architectures),\nand no number.",
    )
    axes[1].set_title("Paper")
    plotting.legend(figure, axes[:1], ncols=3)
    return figure


def claims(table) -> list:
    """C32: Pearson's r over the encoders, within each seed."""
    from workflow.figures import contrasts

    correlation = (
        pairs(table)
        .groupby("seed")[["linear", "fine"]]
        .apply(lambda part: part["linear"].corr(part["fine"]))
    )
    what = "correlation over encoders of linear evaluation with fine-tuning"
    return [contrasts.directional("C32", what, correlation, unit="r")]
