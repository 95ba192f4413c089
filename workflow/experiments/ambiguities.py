"""Does it matter which one you follow? Where paper and code differ or are silent (SPEC: section 9).

One change to a base setting each: blur's width drawn for each image (as the paper reads) or once a
batch (as the code does); brightness additive (first code) or multiplicative (later code, PyTorch);
batch norm in the head (code) or not (the paper's formula); negatives from both views (equation 1)
or from the other view only (the comparison of losses).
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Ambiguities"
TITLE = "does it matter which one you follow?"
KIND, ORDER = "beyond the paper", 2
PAPER = ()
CLAIMS = ()
LABELS = ("choice",)
CAPTION = "Linear evaluation: one way to read the paper minus the other."
PAIRS = {  # what is shown -> the two choices
    "blur's width per batch, minus per image": ("blur-batch", "blur-image"),
    "brightness additive, minus multiplicative": ("additive", "multiplicative"),
    "head without batch norm, minus with it": ("head-plain", "head-norm"),
    "negatives of the other view, minus of both": ("one-view", "both-views"),
}


@dataclass(frozen=True)
class Grid:
    operators: tuple[str, ...] = option(("crop", "flip", "color"))  # of the base setting
    epochs: int = option(0, low=0)  # 0: those of the base setting
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """Both choices of each pair."""
    grid = build(Grid, grid, "experiments.ambiguities")
    blurred = [*grid.operators, "blur"]
    choices = {
        "blur-image": {"views": {"operators": blurred}},
        "blur-batch": {"views": {"operators": blurred, "blur_sigma": "batch"}},
        "multiplicative": {"views": {"brightness": "multiplicative"}},
        "additive": {"views": {"brightness": "additive"}},
        "head-norm": {"head": {"batch_norm": True}},
        "head-plain": {"head": {"batch_norm": False}},
        "both-views": {"loss": {"negatives": "both_views"}},
        "one-view": {"loss": {"negatives": "other_view"}},
    }
    length = {"epochs": grid.epochs} if grid.epochs else {}
    return [
        Run(name, "pretrain", {**change, **length}, {"choice": name})
        for name, change in choices.items()
    ]


def differences(table) -> dict:
    """By seed: what each choice adds."""
    from workflow.figures import contrasts

    linear = {
        name: contrasts.per_seed(table, "linear_h", choice=name) for name in set(table["choice"])
    }
    return {text: linear[first] - linear[second] for text, (first, second) in PAIRS.items()}


def draw(table, paper):
    """Differences with intervals; the paper has no numbers."""
    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, 1, height=2.6)
    plotting.differences(axes[0], contrasts.derived(differences, table, ["name"]))
    axes[0].set_title(plotting.OURS)
    axes[0].set_xlabel("difference in linear evaluation (points)")
    return figure
