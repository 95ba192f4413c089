"""What does a contradiction hang on? The same contrasts, by the length of training.

(Not in the paper.) Some claims are contradicted at a scale whose trainings are a thousandth of the
paper's. Each contrast here is one of those, computed at several lengths with all else equal: where
it moves to the paper's side as training gets longer, the contradiction hangs on the length.
"""

import itertools
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
    "Contrasts of claims C07, C10, C14, C20, C24, C31, C33, C41 and C42 over the length of "
    "training, all else equal. Above zero is the paper's side."
)
BASE, LINEAR, MAP = "base", "linear head", "map of base"
WEAK, STRONG, AUTO = "colour 0.125", "colour 1", "AutoAugment"
SUPERVISED, ONLINE, GROUPS = "supervised", "online classifier", "partial batch norm"
MARGIN = 3.0  # points: the most that C31, C33 and C41 allow


@dataclass(frozen=True)
class Grid:
    epochs: tuple[int, ...] = option((100, 300), low=1)
    normalized: float = option(0.1, above=0.0)  # temperature with l2 norm, as is best in Table 5
    raw: tuple[float, ...] = option((10.0, 100.0), above=0.0)  # without it
    groups: int = option(8, low=2)  # parts of a batch with batch statistics of their own
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
        ONLINE: {"online": True, "images": "train"},  # it needs labels
        GROUPS: {"norm_groups": grid.groups},
        f"l2-{grid.normalized:g}": {"loss": {"normalize": True, "temperature": grid.normalized}},
    }
    for temperature in grid.raw:
        changes[f"raw-{temperature:g}"] = {"loss": {"normalize": False, "temperature": temperature}}
    planned = []
    for epochs in grid.epochs:
        planned += [
            Run(
                name=f"{change.replace(' ', '-')}-e{epochs}",
                stage="pretrain",
                settings={**settings, "epochs": epochs},
                labels={"change": change, "epochs": epochs},
            )
            for change, settings in changes.items()
        ]
        planned.append(
            Run(
                name=f"supervised-e{epochs}",
                stage="supervise",
                settings={"epochs": epochs},
                labels={"change": SUPERVISED, "epochs": epochs},
            )
        )
        planned.append(
            Run(
                name=f"map-e{epochs}",
                stage="maps",
                settings={},
                labels={"change": MAP, "epochs": epochs},
                starts_from=("pretrain", {"epochs": epochs}),
            )
        )
    return planned


def effects(table) -> dict:
    """Return {(claim, epochs): numbers, one per seed}; positive on the paper's side."""
    lengths = dict(tuple(table.groupby("epochs")))
    found = {
        (claim, epochs): numbers
        for epochs, rows in lengths.items()
        for claim, numbers in _of_one_length(rows).items()
    }
    for before, epochs in itertools.pairwise(lengths):
        gain = _supervised(lengths[epochs]) - _supervised(lengths[before])
        found["C31", epochs] = MARGIN - abs(gain)
    return found


def _of_one_length(rows) -> dict:
    """Return {claim: numbers, one per seed}, from the rows of one length."""
    from workflow.figures.contrasts import per_seed

    changes = list(dict.fromkeys(rows["change"]))
    raw = [change for change in changes if change.startswith("raw-")]
    normalized = [change for change in changes if change.startswith("l2-")]

    def linear(change):
        return per_seed(rows, "linear_h", change=change)

    def told(change):
        return per_seed(rows, "contrastive_accuracy", change=change)

    h, z = (per_seed(rows, f"silhouette_{name}", change=MAP) for name in "hz")
    online = per_seed(rows, "online_h", change=ONLINE)
    return {
        "C07": linear(STRONG) - linear(WEAK),
        "C10": linear(STRONG) - linear(AUTO),
        "C14": linear(BASE) - linear(LINEAR),
        "C20": 100 * (h - z),
        "C24": told(raw) - told(normalized),
        "C33": MARGIN - (_supervised(rows) - linear(BASE)),
        "C41": MARGIN - abs(online - linear(ONLINE)),
        "C42": told(GROUPS) - told(BASE),
    }


def _supervised(rows):
    from workflow.figures.contrasts import per_seed

    return per_seed(rows, "supervised_top1", change=SUPERVISED)


TITLES = {  # claim -> title and unit of its panel
    "C07": ("C07: colour strength\n1 minus 1/8", "points of accuracy"),
    "C10": ("C10: colour strength 1\nminus AutoAugment", "points of accuracy"),
    "C14": ("C14: non-linear minus\nlinear head, on h", "points of accuracy"),
    "C20": ("C20: silhouette of the\nclasses in h minus in z", "hundredths"),
    "C24": ("C24: contrastive\naccuracy, raw minus l2", "points of accuracy"),
    "C31": ("C31: supervised,\n3 minus the gain", "points of accuracy"),
    "C33": ("C33: 3 minus supervised's\nlead over SimCLR", "points of accuracy"),
    "C41": ("C41: 3 minus the gap of\nthe online classifier", "points of accuracy"),
    "C42": ("C42: contrastive task,\npartial minus global", "points of accuracy"),
}


def draw(table, paper):
    """A panel for each contrast, over the length of training."""
    from workflow.figures import contrasts, plotting

    figure, axes = plotting.panels(3, 3, height=8.0)
    rows = contrasts.derived(effects, table, ["claim", "epochs"])
    for panel, (claim, (title, unit)) in zip(axes.flat, TITLES.items(), strict=True):
        its = rows[rows["claim"] == claim]
        panel.axhline(0, color=plotting.COLORS["gray"], linewidth=1)
        plotting.points(panel, its["epochs"], its, claim)
        plotting.plain_log(panel, 2, sorted(set(its["epochs"])))
        panel.set_title(title, fontsize=9)
        panel.set_ylabel(unit)
        panel.set_xlabel("training epochs")
        panel.margins(x=0.15, y=0.2)
    return figure
