"""Figure B.3: the matrix of a linear head has few large eigenvalues (paper B.4).

The paper plots the squared real eigenvalues of W (2048 x 2048) and lets the reader see that few
are large. We state its effective rank (simclr/stages/maps.py) against that of a random matrix.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run

NUMBER = "Figure B.3"
TITLE = "spectrum of a linear projection head"
KIND, ORDER = "appendix figure", 3
PAPER = ()
CLAIMS = ("C19",)
LABELS = ()
FILES = ("spectrum.csv",)
CAPTION = (
    "Squared singular values of the linear head's matrix W, and squared real parts of its "
    "eigenvalues where it is square, relative to the largest, from large to small (log scale)."
)


@dataclass(frozen=True)
class Grid:
    out_dim: int = option(2048, low=2)  # of the linear head


def runs(grid: dict) -> list[Run]:
    """The encoder with a linear head."""
    grid = build(Grid, grid, "experiments.figb3")
    encoder = {"head": {"kind": "linear", "out_dim": grid.out_dim}}
    return [Run("linear-head", "maps", {}, {}, starts_from=("pretrain", encoder))]


def draw(table, paper, files):
    """Draw values by rank, a line for each seed."""
    from workflow.figures import contrasts, plotting

    y = "squared, relative to the largest"
    figure, ours, theirs = plotting.side_by_side(height=3.4, x="rank", y=y, paper="Paper")
    rows = files.get("spectrum.csv")
    if rows is not None:
        labels = {"singular": "singular values", "eigen": "eigenvalues, real part"}
        for series, (kind, label) in enumerate(labels.items()):
            for seed, part in rows[rows["kind"] == kind].groupby("seed"):
                color = plotting.COLORS[plotting.SERIES[series]]
                shown = label if seed == rows["seed"].min() else None
                ours.plot(part["rank"], part["value"], color=color, label=shown, linewidth=1)
    ours.set_yscale("log")
    ours.set_ylim(1e-5, 1.5)
    trained, random = (
        contrasts.interval(table[name])[0] for name in ("spectrum_rank", "spectrum_rank_random")
    )
    plotting.no_numbers(
        theirs,
        f"Effective rank, percent of the full one:\ntrained {trained:.0f}, random {random:.0f}.\n\n"
        "The paper shows the spectrum of 2048 values,\nfew of them large, and gives no number.",
    )
    plotting.legend(figure, [ours])
    return figure


def claims(table) -> list:
    """C19: the effective rank is below that of a random matrix of the same shape."""
    from workflow.figures.contrasts import directional, per_seed

    return [
        directional(
            "C19",
            "effective rank of W minus that of a random matrix, percent of the full rank",
            per_seed(table, "spectrum_rank") - per_seed(table, "spectrum_rank_random"),
            direction=-1,
            unit="%",
        )
    ]
