"""Figure 8: projection heads and their output dimension (paper 4.2), and h against z.

Linear evaluation on h, the input of the head, for no head (z = h), a linear head and a non-linear
head with one hidden layer, over the dimension of z. The paper adds in the text that with the
non-linear head h beats z = g(h) by more than 10 points; its table shows no numbers for that, the
dashed lines here are ours.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Figure 8"
TITLE = "projection heads"
KIND, ORDER = "figure", 8
PAPER = "Fig 8"
CLAIMS = ("C14", "C15", "C16", "C17")
LABELS = ("head", "dim")
CAPTION = (
    "Linear evaluation on h, the input of the projection head, for three kinds of head over "
    "the dimension of its output z; for the non-linear head also on z itself (the paper gives "
    "no numbers for that, only a difference of more than 10 points)."
)
KINDS = ("none", "linear", "nonlinear")


@dataclass(frozen=True)
class Grid:
    dims: tuple[int, ...] = option((32, 64, 128, 256, 512, 1024, 2048), low=1)  # of z
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """`none` once (dim 0: z is h), and both heads at every dimension."""
    grid = build(Grid, grid, "experiments.fig8")
    heads = {"none": ("none", 0)}
    heads |= {f"{kind}-{dim}": (kind, dim) for kind in KINDS[1:] for dim in grid.dims}
    return [
        Run(
            name=name,
            stage="pretrain",
            settings={"head": {"kind": kind, "out_dim": dim}},
            labels={"head": kind, "dim": dim},
        )
        for name, (kind, dim) in heads.items()
    ]


def draw(table, paper):
    """Accuracy on h over the dimension of z for each head; ours also on z."""
    from workflow.figures import contrasts, plotting

    y = f"linear evaluation, {plotting.ACCURACY}"
    figure, ours, theirs = plotting.side_by_side(height=3.9, x="dimension of z", y=y)
    _panel(ours, contrasts.summary(table, ["head", "dim"], "linear_h"))
    if "linear_z" in table:
        heads = table[table["head"] == "nonlinear"]
        on_z = contrasts.summary(heads, ["dim"], "linear_z").sort_values("dim")
        plotting.points(ours, on_z["dim"], on_z, "non-linear, on z", 3, ":")
    _panel(theirs, _theirs(paper))
    ours.margins(y=0.12)
    theirs.margins(y=0.12)
    plotting.legend(figure, [theirs, ours])
    return figure


def _theirs(paper):
    """The paper's rows in the form of ours: head, dim, mean."""
    heads = paper["row"].map({"None": "none", "Linear": "linear", "Non-linear": "nonlinear"})
    dims = paper["column"].str.extract(r"(\d+)")[0].astype(int)
    return paper.assign(head=heads, dim=dims.where(heads != "none", 0), mean=paper["value"])


def _panel(axes, rows) -> None:
    from workflow.figures import plotting

    dims = sorted(set(rows["dim"]) - {0})
    for series, kind in ((0, "nonlinear"), (1, "linear")):
        chosen = rows[rows["head"] == kind].sort_values("dim")
        if len(chosen):
            label = "non-linear, on h" if kind == "nonlinear" else "linear, on h"
            plotting.points(axes, chosen["dim"], chosen, label, series)
    none = rows[rows["head"] == "none"]
    if len(none) and dims:
        color = plotting.COLORS[plotting.SERIES[2]]
        axes.axhline(float(none["mean"].iloc[0]), color=color, linestyle="--", label="none (z = h)")
        if "low" in none and none["low"].notna().all():
            low, high = float(none["low"].iloc[0]), float(none["high"].iloc[0])
            axes.axhspan(low, high, color=color, alpha=0.15, lw=0)
    plotting.plain_log(axes, 2, dims)


def of_paper(paper):
    """The paper's numbers in the form of ours."""
    return _theirs(paper).assign(linear_h=paper["value"])


def claims(table) -> list:
    """C14 to C17. Heads are compared by their mean over the output dimensions."""
    from workflow.figures.contrasts import directional, equivalence, per_seed

    heads = {kind: per_seed(table, "linear_h", head=kind) for kind in KINDS}
    sizes = table[table["head"] != "none"].groupby(["seed", "dim"])["linear_h"].mean().unstack()
    after = per_seed(table, "linear_z", head="nonlinear")
    return [
        directional(
            "C14", "non-linear minus linear head, on h", heads["nonlinear"] - heads["linear"]
        ),
        directional("C15", "non-linear head minus none, on h", heads["nonlinear"] - heads["none"]),
        directional("C15", "linear head minus none, on h", heads["linear"] - heads["none"]),
        equivalence(
            "C16",
            "range over output dimensions of the mean of both heads, noise between runs included",
            sizes.max(axis=1) - sizes.min(axis=1),
            margin=3.0,  # the paper's effect of non-linear against linear
        ),
        directional("C17", "non-linear head: on h minus on z", heads["nonlinear"] - after),
    ]
