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
    "Contrasts of claims C14, C20 and C24 over the length of training, all else equal. Above zero "
    "is the paper's side."
)
BASE, LINEAR, MAP = "base", "linear head", "map of base"


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

    def difference(epochs, first: tuple, second: tuple):
        """By seed: a metric of some changes minus one of others."""
        of_first, of_second = (
            per_seed(table, metric, change=change, epochs=epochs)
            for metric, change in (first, second)
        )
        return of_first - of_second

    found = {}
    for epochs in sorted(set(table["epochs"])):
        heads = difference(epochs, ("linear_h", BASE), ("linear_h", LINEAR))
        maps = difference(epochs, ("silhouette_h", MAP), ("silhouette_z", MAP))
        accuracy = "contrastive_accuracy"
        norms = difference(epochs, (accuracy, raw), (accuracy, normalized))
        found |= {("C14", epochs): heads, ("C20", epochs): 100 * maps, ("C24", epochs): norms}
    return found


TITLES = {  # claim -> title and unit of its panel
    "C14": ("C14: non-linear minus\nlinear head, on h", "points of accuracy"),
    "C20": ("C20: silhouette of the\nclasses in h minus in z", "hundredths"),
    "C24": ("C24: contrastive\naccuracy, raw minus l2", "points of accuracy"),
}


def draw(table, paper):
    """A panel for each contrast, over the length of training."""
    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, len(TITLES), height=3.3)
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
