"""Does fine-tuning lose to new weights for its learning rate? (Not in the paper.)

Where fine-tuning is beaten by training from scratch (claims C37, C39), either the encoder is worth
little or the rate is too low to move it. Each case here is fine-tuned at several rates, all else
equal, beside the same training from new weights as in Table 7.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.experiments import table7
from workflow.experiments.table7 import FINE, METRIC, NEW
from workflow.grid import Run

NUMBER = "Rates"
TITLE = "fine-tuning by its learning rate"
KIND, ORDER = "beyond the paper", 8
PAPER = ()
CLAIMS = ()
LABELS = ("method", "width", "labels", "rate")
CAPTION = (
    "Top-1 accuracy of the fine-tuned encoder minus that of new weights (C37, C39), over the rate "
    "of fine-tuning, all else equal. Above zero is the paper's side, but for the narrowest encoder "
    "with all labels."
)


@dataclass(frozen=True)
class Grid:
    # A case has one of each of these five.
    widths: tuple[int, ...] = option((1, 2), choices=(1, 2, 4))
    labels: tuple[float, ...] = option((0.1, 1.0), above=0.0, high=1.0)
    epochs: tuple[int, ...] = option((30, 30), low=1)  # of fine-tuning
    scratch_epochs: tuple[int, ...] = option((100, 90), low=1)
    batches: tuple[int, ...] = option((4096, 4096), low=2)
    rates: tuple[float, ...] = option((0.05, 0.2), above=0.0)  # of fine-tuning
    scratch_lr: float = option(0.1, above=0.0)

    def check(self):
        columns = self.widths, self.labels, self.epochs, self.scratch_epochs, self.batches
        if len({len(column) for column in columns}) > 1 or not self.widths:
            return "widths, labels, epochs, scratch_epochs, batches: give one of each per case."
        return "rates: give at least one." if not self.rates else None


def runs(grid: dict) -> list[Run]:
    """Of each case the runs of Table 7: training from scratch, and fine-tuning at every rate."""
    grid = build(Grid, grid, "experiments.rates")
    columns = ("widths", "labels", "epochs", "scratch_epochs", "batches")
    planned = {}
    for case in zip(*(getattr(grid, name) for name in columns), strict=True):
        own = {name: [value] for name, value in zip(columns, case, strict=True)}
        for rate in grid.rates:
            for run in table7.runs({**own, "base_lr": rate, "scratch_lr": grid.scratch_lr}):
                tuned = run.labels["method"] == FINE
                name = f"{run.name}-{rate:g}" if tuned else run.name
                labels = {**run.labels, "rate": rate if tuned else grid.scratch_lr}
                planned[name] = run._replace(name=name, labels=labels)
    return list(planned.values())


def gains(table) -> dict:
    """Return {(width, labels, rate): fine-tuned minus from scratch, one number per seed}."""
    from workflow.figures.contrasts import per_seed

    fine = table[table["method"] == FINE]
    return {
        (width, labels, rate): per_seed(rows, METRIC)
        - per_seed(table, METRIC, method=NEW, width=width, labels=labels)
        for (width, labels, rate), rows in fine.groupby(["width", "labels", "rate"])
    }


def draw(table, paper):
    """A panel for each case, over the rate."""
    from workflow.figures import contrasts, plotting

    rows = contrasts.derived(gains, table, ["width", "labels", "rate"])
    cases = list(rows.groupby(["width", "labels"]))
    figure, (axes,) = plotting.panels(1, len(cases), height=3.2)
    for panel, ((width, labels), its) in zip(axes, cases, strict=True):
        panel.axhline(0, color=plotting.COLORS["gray"], linewidth=1)
        plotting.points(panel, its["rate"], its, FINE)
        plotting.plain_log(panel, 2, sorted(set(its["rate"])))
        panel.set_title(f"width {width}, {labels:g} % of the labels")
        panel.set_xlabel("rate of fine-tuning (at batch 256)")
        panel.set_ylabel("fine-tuned minus from scratch\n(points of accuracy)")
        panel.margins(x=0.15, y=0.2)
    return figure
