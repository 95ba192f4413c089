"""Figure 7: deeper and wider encoders (paper 4.1).

Linear evaluation of SimCLR against the number of the encoder's parameters, for several depths and
widths, beside supervised training of the same encoders (in the paper of ResNet-50 at three widths,
90 epochs). The paper's red stars (1,000 epochs) are our `long_epochs`.
"""

from dataclasses import dataclass

from simclr.config import build, option
from simclr.settings.training import DEPTHS
from workflow.grid import Run, check_lists

NUMBER = "Figure 7"
TITLE = "depth and width of the encoder"
KIND, ORDER = "figure", 7
PAPER = "Fig 7"
CLAIMS = ("C12", "C13")
LABELS = ("regime", "epochs", "depth", "width", "parameters")
CAPTION = (
    "Accuracy over the size of the encoder: linear evaluation of SimCLR, and the same encoder "
    "trained with labels. R18 is a ResNet of 18 layers, 2x one of twice the width."
)
KINDS = (  # regime, epochs, line, marker
    ("SimCLR", "base", "-", "o"),
    ("SimCLR", "long", "none", "*"),
    ("supervised", "base", ":", "s"),
)


@dataclass(frozen=True)
class Grid:
    depths: tuple[int, ...] = option((18, 34, 50, 101, 152), choices=DEPTHS)
    widths: tuple[int, ...] = option((1, 2, 4), choices=(1, 2, 4))
    cross: bool = option(True)  # every depth at every width; else vary one at a time
    long_epochs: int = option(0, low=0)  # also train that long; 0: don't
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """Every encoder in both regimes. Label `epochs` is 'base' or 'long'."""
    grid = build(Grid, grid, "experiments.fig7")
    planned = []
    for depth in grid.depths:
        for width in grid.widths:
            if not grid.cross and depth > min(grid.depths) and width > min(grid.widths):
                continue
            encoder = {"encoder": {"depth": depth, "width": width}}
            labels = {"depth": depth, "width": width}
            name = f"d{depth}-w{width}"
            simclr = {**labels, "regime": "SimCLR", "epochs": "base"}
            planned.append(Run(f"simclr-{name}", "pretrain", encoder, simclr))
            if grid.long_epochs:
                longer = {**encoder, "epochs": grid.long_epochs}
                planned.append(
                    Run(f"long-{name}", "pretrain", longer, {**simclr, "epochs": "long"})
                )
            supervised = {**labels, "regime": "supervised", "epochs": "base"}
            planned.append(Run(f"supervised-{name}", "supervise", encoder, supervised))
    return planned


def draw(table, paper):
    """Accuracy over the number of parameters: a line per width, supervised in outline."""
    from workflow.figures import plotting

    figure, ours, theirs = plotting.side_by_side(
        height=4.7,
        x="parameters of the encoder (millions)",
        y=plotting.ACCURACY,
        paper="Paper (ImageNet)",
    )
    _panel(ours, _ours(table))
    _panel(theirs, _theirs(paper))
    plotting.legend(figure, [theirs, ours], ncols=3)
    return figure


def _ours(table):
    """mean, low, high by regime, epochs, depth, width; parameters in millions."""
    import pandas as pd

    from workflow.figures import contrasts

    keys = ["regime", "epochs", "depth", "width", "parameters"]
    metrics = {"SimCLR": "linear_h", "supervised": "supervised_top1"}
    rows = pd.concat(
        contrasts.summary(table[table["regime"] == regime], keys, metric)
        for regime, metric in metrics.items()
    )
    return rows.assign(parameters=rows["parameters"] / 1e6)


def _theirs(paper):
    """The paper's rows in the form of ours."""
    values = {(r.row, r.column, r.metric): r.value for r in paper.itertuples()}
    names = paper["row"].str.extract(r"R(\d+)(?:\((\d)x\))?").fillna("1").astype(int)
    rows = paper.assign(
        depth=names[0],
        width=names[1],
        mean=paper["value"],
        regime=paper["column"].str.split().str[0],
        epochs=paper["column"].str.contains("1000").map({True: "long", False: "base"}),
        parameters=[values.get((name, "SimCLR 100ep", "params")) for name in paper["row"]],
    )
    return rows[rows["metric"] != "params"]


def _panel(axes, rows) -> None:
    from workflow.figures import plotting

    for series, width in enumerate(sorted(set(rows["width"]))):
        for regime, epochs, line, marker in KINDS:
            chosen = rows[
                (rows["width"] == width) & (rows["regime"] == regime) & (rows["epochs"] == epochs)
            ].sort_values("depth")
            if chosen.empty:
                continue
            label = f"{regime} {width}x{', long training' if epochs == 'long' else ''}"
            plotting.points(axes, chosen["parameters"], chosen, label, series, line, marker)
            if (line, epochs) == ("-", "base"):
                for row in chosen.itertuples():
                    axes.annotate(
                        f"R{row.depth}",
                        (row.parameters, row.mean),
                        xytext=(5, -10),
                        textcoords="offset points",
                        fontsize=7,
                        color="#333333",
                    )
    plotting.plain_log(axes, 10)
    axes.margins(x=0.12, y=0.12)


def of_paper(paper):
    """The paper's numbers in the form of ours."""
    rows = _theirs(paper)
    simclr = rows["regime"] == "SimCLR"
    return rows.assign(
        linear_h=rows["mean"].where(simclr), supervised_top1=rows["mean"].where(~simclr)
    )


def claims(table) -> list:
    """C12 and C13, on the runs of the base length. The gap is supervised minus SimCLR."""
    from workflow.figures.contrasts import directional

    table = table[table["epochs"] == "base"]
    judged = []
    for axis, larger, smaller in (
        ("depth", "deepest", "shallowest"),
        ("width", "widest", "narrowest"),
    ):
        low, high = table[axis].min(), table[axis].max()
        if low == high:
            continue
        simclr = _gain(table, "SimCLR", "linear_h", axis)
        supervised = _gain(table, "supervised", "supervised_top1", axis)
        judged += [
            directional(
                "C12",
                f"SimCLR: {larger} ({high}) minus {smaller} ({low}) encoder",
                simclr.groupby("seed").mean(),
            ),
            directional(
                "C13",
                f"gap to supervised: {smaller} ({low}) minus {larger} ({high}) encoder",
                (simclr - supervised).dropna().groupby("seed").mean(),
            ),
        ]
    return judged


def _gain(table, regime: str, metric: str, axis: str):
    """The largest minus the smallest along `axis`, by seed and value of the other axis."""
    rows = table[table["regime"] == regime]
    other = "width" if axis == "depth" else "depth"
    ends = (table[axis].max(), table[axis].min())
    high, low = (rows[rows[axis] == end].set_index(["seed", other])[metric] for end in ends)
    return (high - low).dropna()
