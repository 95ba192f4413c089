"""What does a contradiction hang on? The same contrasts, by the length of training.

(Not in the paper.) Some claims are contradicted at a scale whose trainings are a thousandth of the
paper's. Each contrast here is one of those, computed at several lengths with all else equal: where
it moves to the paper's side as training gets longer, the contradiction hangs on the length.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Longer"
TITLE = "contradicted contrasts by the length of training"
KIND, ORDER = "beyond the paper", 7
PAPER = ()
CLAIMS = ()
LABELS = ("change", "epochs")
CAPTION = (
    "Contrasts of claims C07, C10, C14, C20 and C24 over the length of training, all else equal. "
    "Above zero is the paper's side."
)
BASE, LINEAR, MAP = "base", "linear head", "map of base"
WEAK, STRONG, AUTO = "colour 0.125", "colour 1", "AutoAugment"


@dataclass(frozen=True)
class Grid:
    epochs: tuple[int, ...] = option((100, 300), low=1)
    normalized: float = option(0.1, above=0.0)  # temperature with l2 norm, as is best in Table 5
    raw: tuple[float, ...] = option((10.0, 100.0), above=0.0)  # without it
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """The base setting, what it is compared with, and its map, at every length."""
    grid = build(Grid, grid, "experiments.longer")
    changes = {
        BASE: {},
        LINEAR: {"head": {"kind": "linear"}},
        WEAK: {"views": {"operators": ["crop", "flip", "color"], "color_strength": 0.125}},
        STRONG: {"views": {"operators": ["crop", "flip", "color"], "color_strength": 1.0}},
        AUTO: {"views": {"operators": ["crop", "flip", "autoaugment"]}},
        f"l2-{grid.normalized:g}": {"loss": {"normalize": True, "temperature": grid.normalized}},
    }
    for temperature in grid.raw:
        changes[f"raw-{temperature:g}"] = {"loss": {"normalize": False, "temperature": temperature}}
    trained = [
        Run(
            name=f"{change.replace(' ', '-')}-e{epochs}",
            stage="pretrain",
            settings={**settings, "epochs": epochs},
            labels={"change": change, "epochs": epochs},
        )
        for epochs in grid.epochs
        for change, settings in changes.items()
    ]
    maps = [
        Run(
            name=f"map-e{epochs}",
            stage="maps",
            settings={},
            labels={"change": MAP, "epochs": epochs},
            starts_from=("pretrain", {"epochs": epochs}),
        )
        for epochs in grid.epochs
    ]
    return trained + maps


def effects(table) -> dict:
    """Return {(claim, epochs): numbers, one per seed}; positive on the paper's side."""
    from workflow.figures.contrasts import per_seed

    changes = list(dict.fromkeys(table["change"]))
    raw = [change for change in changes if change.startswith("raw-")]
    normalized = [change for change in changes if change.startswith("l2-")]

    accuracy, told = "linear_h", "contrastive_accuracy"
    pairs = {  # claim -> (metric, changes) that are compared with (metric, changes), times
        "C07": ((accuracy, STRONG), (accuracy, WEAK), 1),
        "C10": ((accuracy, STRONG), (accuracy, AUTO), 1),
        "C14": ((accuracy, BASE), (accuracy, LINEAR), 1),
        "C20": (("silhouette_h", MAP), ("silhouette_z", MAP), 100),
        "C24": ((told, raw), (told, normalized), 1),
    }
    return {
        (claim, epochs): factor
        * (
            per_seed(table, first[0], change=first[1], epochs=epochs)
            - per_seed(table, second[0], change=second[1], epochs=epochs)
        )
        for epochs in sorted(set(table["epochs"]))
        for claim, (first, second, factor) in pairs.items()
    }


TITLES = {  # claim -> title and unit of its panel
    "C07": ("C07: colour strength\n1 minus 1/8", "points of accuracy"),
    "C10": ("C10: colour strength 1\nminus AutoAugment", "points of accuracy"),
    "C14": ("C14: non-linear minus\nlinear head, on h", "points of accuracy"),
    "C20": ("C20: silhouette of the\nclasses in h minus in z", "hundredths"),
    "C24": ("C24: contrastive\naccuracy, raw minus l2", "points of accuracy"),
}


def draw(table, paper):
    """A panel for each contrast, over the length of training."""
    from workflow.figures import contrasts, plotting

    figure, axes = plotting.panels(2, 3, height=5.6)
    *axes, unused = axes.flat
    unused.set_axis_off()
    rows = contrasts.derived(effects, table, ["claim", "epochs"])
    for panel, (claim, (title, unit)) in zip(axes, TITLES.items(), strict=True):
        its = rows[rows["claim"] == claim]
        panel.axhline(0, color=plotting.COLORS["gray"], linewidth=1)
        plotting.points(panel, its["epochs"], its, claim)
        plotting.plain_log(panel, 2, sorted(set(its["epochs"])))
        panel.set_title(title, fontsize=9)
        panel.set_ylabel(unit)
        panel.set_xlabel("training epochs")
        panel.margins(x=0.15, y=0.2)
    return figure
