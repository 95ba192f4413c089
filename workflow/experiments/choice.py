"""How the scale's base setting was chosen: on images that are held out of training. (No claim.)

Each candidate trains on another number of images, for a length that costs about the same, at
several learning rates. Neither the test set nor a contrast that the paper claims has a say.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run

NUMBER = "Choice"
TITLE = "the base setting, chosen on held-out images"
KIND, ORDER = "beyond the paper", 5
PAPER = ()
CLAIMS = ()
LABELS = ("images", "epochs", "rate")
CAPTION = (
    "Linear evaluation of candidates for the base setting, on held-out images: training images "
    "that none of them trains on, or generated ones of another seed than the scale's. "
    "All train for about the same time. The scale takes the one with the highest mean less its "
    "standard deviation over seeds."
)
METRIC = "linear_h"


@dataclass(frozen=True)
class Grid:
    images: tuple[int, ...] = option((45000,), low=2)  # to train on
    epochs: tuple[int, ...] = option((100,), low=1)  # one for each number of images
    rates: tuple[float, ...] = option((0.3,), above=0.0)  # base_lr of the pre-training
    warmup: float = option(0.1, low=0.0, high=1.0)  # share of the epochs
    held_out: int = option(5000, low=0)  # images of the training set, to judge by
    data_seed: int = option(0, low=0)  # in its place, of generated images: another set of them

    def check(self):
        if bool(self.held_out) == bool(self.data_seed):
            return "held_out, data_seed: give one of them, and 0 for the other."
        if len(self.images) != len(self.epochs) or not self.rates:
            return "images, epochs: give one length for each number of images, and a rate."
        return None


def runs(grid: dict) -> list[Run]:
    """Every number of images at every rate."""
    grid = build(Grid, grid, "experiments.choice")
    if grid.held_out:
        others = {"held_out": grid.held_out, "test_images": 0}
    else:
        others = {"seed": grid.data_seed}
    return [
        Run(
            name=f"n{images}-e{epochs}-r{rate:g}",
            stage="pretrain",
            settings={
                "epochs": epochs,
                "optimizer": {"base_lr": rate, "warmup_epochs": grid.warmup * epochs},
            },
            labels={"images": images, "epochs": epochs, "rate": rate},
            data={"train_images": images, **others},
        )
        for images, epochs in zip(grid.images, grid.epochs, strict=True)
        for rate in grid.rates
    ]


def draw(table, paper):
    """Accuracy over the rate, a line for each number of images."""
    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, 1, height=3.4)
    rows = contrasts.summary(table, list(LABELS), METRIC)
    for series, ((images, epochs), part) in enumerate(rows.groupby(["images", "epochs"])):
        part = part.sort_values("rate")
        label = f"{images:,} images, epochs: {epochs}"
        plotting.points(axes[0], part["rate"], part, label, series)
    axes[0].set_title(plotting.OURS)
    axes[0].set_xlabel("base learning rate of the pre-training")
    axes[0].set_ylabel("accuracy on held-out images (%)")
    rates = sorted(set(rows["rate"]))
    plotting.plain_log(axes[0], 2, [int(rate) if rate.is_integer() else rate for rate in rates])
    plotting.legend(figure, [axes[0]])
    return figure
