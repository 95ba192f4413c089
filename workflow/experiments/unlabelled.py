"""What are images worth whose labels are lost? (Not in the paper, but what its method is for.)

A share of the training images loses its labels. SimCLR pre-trains on all images; the linear
classifier sees only those that still have a label. Supervised training from new weights sees only
these, too. Where the scale's `prepare` has `unlabelled: true`, pre-training may see those images
as well: `base: {pretrain: {images: both}}`.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run

NUMBER = "Unlabelled"
TITLE = "training images that have lost their labels"
KIND, ORDER = "beyond the paper", 4
PAPER = ()
CLAIMS = ()
LABELS = ("method", "lost")
CAPTION = (
    "Top-1 accuracy when some of the training images have lost their labels. SimCLR pre-trains on "
    "all images, and its linear classifier learns from those with a label; supervised training "
    "from new weights has only these."
)
METRICS = {"SimCLR (linear evaluation)": "linear_h", "supervised": "finetune_top1"}
SIMCLR, SUPERVISED = METRICS


@dataclass(frozen=True)
class Grid:
    lost: tuple[float, ...] = option((0.0, 0.5, 0.9), low=0.0, high=0.999)  # share of the labels
    linear_batches: tuple[int, ...] = option((4096, 4096, 4096), low=2)  # one for each share
    batches: tuple[int, ...] = option((4096, 4096, 4096), low=2)  # of supervised training
    epochs: tuple[int, ...] = option((90, 90, 100), low=1)
    base_lr: float = option(0.1, above=0.0)

    def check(self):
        lengths = {len(x) for x in (self.linear_batches, self.batches, self.epochs)}
        if lengths != {len(self.lost)} or len(set(self.lost)) < len(self.lost):
            return "lost, linear_batches, batches, epochs: give one of each for every share."
        return None


def runs(grid: dict) -> list[Run]:
    """Both methods for each share (label `lost`: percent)."""
    grid = build(Grid, grid, "experiments.unlabelled")
    planned = []
    columns = grid.lost, grid.linear_batches, grid.batches, grid.epochs
    for lost, linear_batch, batch, epochs in zip(*columns, strict=True):
        share = {"labels": round(1 - lost, 6)}
        percent = 100 * lost
        linear = {**share, "batch_size": linear_batch}
        trained = {**share, "batch_size": batch, "epochs": epochs}
        trained["optimizer"] = {"base_lr": grid.base_lr}
        planned += [
            Run(
                name=f"simclr-{percent:g}",
                stage="evaluate",
                settings=linear,
                labels={"method": SIMCLR, "lost": percent},
                starts_from=("pretrain", {}),
            ),
            Run(
                name=f"supervised-{percent:g}",
                stage="finetune",
                settings=trained,
                labels={"method": SUPERVISED, "lost": percent},
            ),
        ]
    return planned


def draw(table, paper):
    """Accuracy over the share of lost labels, a line for each method."""
    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, 1, height=3.4)
    for series, (method, metric) in enumerate(METRICS.items()):
        rows = contrasts.summary(table[table["method"] == method], ["lost"], metric)
        rows = rows.sort_values("lost")
        plotting.points(axes[0], rows["lost"], rows, method, series)
    axes[0].set_title(plotting.OURS)
    axes[0].set_xlabel("training images without a label (%)")
    axes[0].set_ylabel(plotting.ACCURACY)
    plotting.legend(figure, [axes[0]])
    return figure
