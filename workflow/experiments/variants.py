"""Details in the paper: flip, broader augmentation, online classifier, global batch norm.

One change to the base setting each. Without the random flip (App. A); with Sobel, equalize,
solarize and motion blur sometimes (B.2; the paper gives no probabilities: 0.2 each); with a linear
classifier trained beside, without gradient to the encoder (B.6); with batch norm over only a part
of the batch, as on devices that do not share statistics (2.2), simulated on one.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Variants"
TITLE = "flip, broader augmentation, online classifier, global batch norm"
KIND, ORDER = "beyond the paper", 1
PAPER = ("App. A text", "B.2 text")
CLAIMS = ("C11", "C30", "C41", "C42")
LABELS = ("variant",)
CAPTION = (
    "Linear evaluation of variants of the base setting, minus that of the base setting; of the "
    "online classifier, its accuracy minus that of the classifier trained afterwards."
)


@dataclass(frozen=True)
class Grid:
    operators: tuple[str, ...] = option(("crop", "flip", "color", "blur"))  # of the base setting
    groups: int = option(8, low=2)  # parts of a batch with statistics of their own
    epochs: int = option(0, low=0)  # 0: those of the base setting
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """The base setting and four variants."""
    grid = build(Grid, grid, "experiments.variants")
    without_flip = [name for name in grid.operators if name != "flip"]
    variants = {
        "base": {},
        "no-flip": {"views": {"operators": without_flip}},
        "broader": {"views": {"operators": [*grid.operators, "broad"]}},
        "online": {"online": True, "images": "train"},  # it needs labels
        "groups": {"norm_groups": grid.groups},
    }
    length = {"epochs": grid.epochs} if grid.epochs else {}
    return [
        Run(name, "pretrain", {**change, **length}, {"variant": name})
        for name, change in variants.items()
    ]


def differences(table) -> dict:
    """By seed: what each variant adds."""
    from workflow.figures import contrasts

    linear = {
        name: contrasts.per_seed(table, "linear_h", variant=name) for name in set(table["variant"])
    }
    online = contrasts.per_seed(table, "online_h", variant="online")
    return {
        "with the random flip": linear["base"] - linear["no-flip"],
        "broader augmentation": linear["broader"] - linear["base"],
        "online classifier, minus one trained later": online - linear["online"],
        "global batch norm": linear["base"] - linear["groups"],
    }


def draw(table, paper):
    """Differences with intervals beside the paper's."""
    from workflow.figures import contrasts, plotting

    figure, ours, theirs = plotting.side_by_side(height=2.9, width_ratios=[1.3, 1])
    plotting.differences(ours, contrasts.derived(differences, table, ["name"]))
    ours.set_xlabel("difference in accuracy (points)")
    gains = of_paper(paper).set_index("variant")["linear_h"]
    plotting.no_numbers(
        theirs,
        f"with the random flip: {-gains['no-flip']:+.1f}\n"
        f"broader augmentation: {gains['broader']:+.1f} (ResNet-50 1x)\n"
        "online classifier: about the same\nglobal batch norm: no number",
    )
    return figure


def of_paper(paper):
    """The paper's numbers in the form of ours, less those of its base settings: it has two."""
    import pandas as pd

    value = paper.set_index(["row", "column"])["value"]
    flip = value["default policy", "with flip"] - value["default policy minus flip", "no flip"]
    gains = {"base": 0.0, "no-flip": -flip, "broader": value["ResNet-50", "gain over default"]}
    gains |= {"online": None, "groups": None}
    return pd.DataFrame({"variant": list(gains), "linear_h": list(gains.values())})


def claims(table) -> list:
    """C11, C30, C41 and C42."""
    from workflow.figures.contrasts import directional, equivalence, per_seed

    flip, broader, online, norm = differences(table).values()
    accuracy = {
        name: per_seed(table, "contrastive_accuracy", variant=name) for name in ("base", "groups")
    }
    return [
        directional("C11", "with minus without the random flip", flip),
        directional("C30", "broader augmentation minus the base setting", broader),
        equivalence("C41", "online classifier minus one trained later, size", abs(online), 3.0),
        directional("C42", "global minus partial batch norm, linear evaluation", norm),
        directional(
            "C42",
            "contrastive accuracy: partial minus global batch norm",
            accuracy["groups"] - accuracy["base"],
        ),
    ]
