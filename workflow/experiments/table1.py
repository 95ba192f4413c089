"""Table 1: strength of colour distortion, SimCLR against supervised training (paper 3.2).

Crop and flip with colour distortion of strength s, the strongest also with blur, and AutoAugment
in place of colour. SimCLR: linear evaluation (100 epochs); supervised: the same encoder trained
with labels under the same augmentation (90 epochs). The paper keeps crop and flip beside
AutoAugment only by implication; so do we. The policy is the scale's (`views.policy`).
"""

import functools
from dataclasses import dataclass
from fractions import Fraction

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Table 1"
TITLE = "strength of colour distortion"
KIND, ORDER = "table", 1
PAPER = "Table 1"
CLAIMS = ("C07", "C08", "C09", "C10")
LABELS = ("regime", "augmentation")
CAPTION = (
    "Accuracy under crop and flip with colour distortion of growing strength, with blur, and "
    "with AutoAugment instead: linear evaluation of SimCLR, and the same encoder trained with "
    "labels."
)
REGIMES = {"SimCLR": "pretrain", "supervised": "supervise"}  # label -> stage
METRICS = {"SimCLR": "linear_h", "supervised": "supervised_top1"}


@dataclass(frozen=True)
class Grid:
    strengths: tuple[float, ...] = option((0.125, 0.25, 0.5, 1.0), above=0.0, high=2.0)
    blur: bool = option(True)  # the strongest colour distortion, with blur
    autoaugment: bool = option(True)
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """Every augmentation in both regimes. Label `augmentation` is named as in the paper: 1/8 ..."""
    grid = build(Grid, grid, "experiments.table1")
    rows = [
        (f"{s:g}", str(Fraction(s).limit_denominator(64)), ["color"], s) for s in grid.strengths
    ]
    if grid.blur:
        _, label, _, s = max(rows, key=lambda row: row[3])
        rows.append((f"{s:g}+blur", f"{label}+blur", ["color", "blur"], s))
    if grid.autoaugment:
        rows.append(("autoaugment", "AutoAugment", ["autoaugment"], None))
    return [
        Run(
            name=f"{regime.lower()}-{name}",
            stage=stage,
            settings={"views": _views(operators, s)},
            labels={"regime": regime, "augmentation": label},
        )
        for regime, stage in REGIMES.items()
        for name, label, operators, s in rows
    ]


def _views(operators: list[str], strength: float | None) -> dict:
    views = {"operators": ["crop", "flip", *operators]}
    return views if strength is None else {**views, "color_strength": strength}


def draw(table, paper):
    """Accuracy over the augmentations, one series per regime."""
    from workflow.figures import plotting

    x = "strength of colour distortion"
    figure, ours, theirs = plotting.side_by_side(height=3.9, x=x, y=plotting.ACCURACY)
    _panel(ours, _ours(table))
    _panel(theirs, _theirs(paper))
    plotting.legend(figure, [theirs, ours])
    return figure


def _ours(table):
    import pandas as pd

    from workflow.figures import contrasts

    return pd.concat(
        contrasts.summary(table[table["regime"] == regime], ["regime", "augmentation"], metric)
        for regime, metric in METRICS.items()
    )


def _theirs(paper):
    """The paper's rows in the form of ours: regime, augmentation, mean."""
    names = paper["column"].str.removeprefix("color strength ")
    names = names.replace({"1(+Blur)": "1+blur", "AutoAug": "AutoAugment"})
    regimes = paper["row"].str.startswith("SimCLR").map({True: "SimCLR", False: "supervised"})
    return paper.assign(augmentation=names, regime=regimes, mean=paper["value"])


def _panel(axes, rows) -> None:
    from workflow.figures import plotting

    names = list(dict.fromkeys(rows["augmentation"]))
    for series, regime in enumerate(REGIMES):
        chosen = rows[rows["regime"] == regime]
        label = "SimCLR (linear evaluation)" if regime == "SimCLR" else "supervised"
        # the strengths are joined by a line, blur and AutoAugment stand apart
        joined = chosen["augmentation"].map(lambda name: name[0].isdigit() and "+" not in name)
        for part, text in ((chosen[joined], label), (chosen[~joined], None)):
            if len(part):
                x = [names.index(name) for name in part["augmentation"]]
                plotting.points(axes, x, part, text, series, "-" if text else "none")
    axes.set_xticks(range(len(names)), [_tick(name) for name in names])
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.margins(y=0.15)


def _tick(name: str) -> str:
    return name.replace("+blur", "\n+blur").replace("AutoAugment", "Auto-\nAugment")


def of_paper(paper):
    """The paper's numbers in the form of ours."""
    rows = _theirs(paper)
    return rows.assign(
        **{metric: rows["mean"].where(rows["regime"] == name) for name, metric in METRICS.items()}
    )


def claims(table) -> list:
    """C07 to C10. The strengths are those of the scale: weakest and strongest without blur."""
    from workflow.figures.contrasts import directional, per_seed

    names = list(table["augmentation"].unique())
    plain = sorted((n for n in names if n[0].isdigit() and "+" not in n), key=Fraction)
    weak, strong = plain[0], plain[-1]

    def difference(regime, augmentation, other):
        accuracy, other_accuracy = (
            per_seed(table, METRICS[regime], regime=regime, augmentation=name)
            for name in (augmentation, other)
        )
        return accuracy - other_accuracy

    simclr = functools.partial(difference, "SimCLR")
    supervised = functools.partial(difference, "supervised")

    span = f"strength {strong} minus {weak}"
    blur, auto = f"{strong}+blur", "AutoAugment"
    return [
        directional("C07", f"SimCLR: {span}", simclr(strong, weak)),
        directional("C08", f"supervised: {span}", supervised(strong, weak), direction=-1),
        directional(
            "C08",
            f"{span}: gain of SimCLR minus gain of supervised",
            simclr(strong, weak) - supervised(strong, weak),
        ),
        directional("C09", f"SimCLR: {blur} minus {strong}", simclr(blur, strong)),
        directional(
            "C09", f"supervised: {blur} minus {strong}", supervised(blur, strong), direction=-1
        ),
        directional(
            "C10", f"SimCLR: {auto} minus strength {strong}", simclr(auto, strong), direction=-1
        ),
        directional("C10", f"supervised: {auto} minus strength {strong}", supervised(auto, strong)),
    ]
