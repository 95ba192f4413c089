"""Figure 1: linear evaluation over the size of the encoder, beside other methods (paper 1)."""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Figure 1"
TITLE = "accuracy over the size of the encoder"
KIND, ORDER = "figure", 1
PAPER = ("Table 6", "Fig 7")
CLAIMS = ()
LABELS = ("regime", "width", "parameters")
CAPTION = (
    "Linear evaluation of SimCLR at growing width, over the number of parameters of the encoder, "
    "and the same encoders trained with labels. Right: what the paper's Table 6 says of SimCLR and "
    "of other methods, and its Figure 7 of supervised training (its Figure 1 has width 1 only)."
)
METRICS = {"SimCLR": "linear_h", "supervised": "supervised_top1"}
MARKERS = {"SimCLR": "*", "supervised": "X", "other methods": "o"}


@dataclass(frozen=True)
class Grid:
    widths: tuple[int, ...] = option((1, 2, 4), choices=(1, 2, 4))
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """The base setting at each width, in both regimes."""
    grid = build(Grid, grid, "experiments.fig1")
    planned = []
    for width in grid.widths:
        encoder = {"encoder": {"width": width}}
        for regime, stage in (("SimCLR", "pretrain"), ("supervised", "supervise")):
            labels = {"regime": regime, "width": width}
            planned.append(Run(f"{regime.lower()}-w{width}", stage, encoder, labels))
    return planned


def draw(table, paper):
    """Draw points over the number of parameters, ours and the paper's."""
    from workflow.figures import plotting

    figure, ours, theirs = plotting.side_by_side(
        height=4.0,
        x="parameters of the encoder (millions)",
        y=plotting.ACCURACY,
        paper="Paper (ImageNet)",
        width_ratios=[1, 1.5],
    )
    _panel(ours, _ours(table))
    _panel(theirs, _theirs(paper))
    plotting.legend(figure, [theirs, ours])
    return figure


def _ours(table):
    """method, name, mean, low, high; parameters in millions."""
    import pandas as pd

    from workflow.figures import contrasts

    keys = ["regime", "width", "parameters"]
    rows = pd.concat(
        contrasts.summary(table[table["regime"] == regime], keys, metric)
        for regime, metric in METRICS.items()
    )
    return rows.assign(
        method=rows["regime"],
        name=[f"{width}x" for width in rows["width"]],
        parameters=rows["parameters"] / 1e6,
    )


def _theirs(paper):
    """The paper's rows in the form of ours."""
    import pandas as pd

    listed = paper[paper["id"] == "Table 6"].pivot(
        index=["row", "column"], columns="metric", values="value"
    )
    names = {"params": "parameters", "linear-eval top-1": "mean"}
    listed = listed.rename(columns=names).reset_index()
    width = listed["column"].str.extract(r"\((\d)x\)")[0].fillna("1") + "x"
    other = listed["row"] + (" (" + width + ")").where(width != "1x", "")
    simclr = listed["row"] == "SimCLR"
    kinds = simclr.map({True: "SimCLR", False: "other methods"})
    listed = listed.assign(method=kinds, name=width.where(simclr, other))
    labelled = paper[paper["column"].str.startswith("supervised")]
    labelled = pd.DataFrame(
        {
            "method": "supervised",
            "mean": labelled["value"],
            "column": labelled["row"].str.replace("R50", "ResNet-50"),
        }
    )
    sizes = listed[simclr][["column", "parameters", "name"]]
    return pd.concat([listed, labelled.merge(sizes, on="column")])


def _panel(axes, rows) -> None:
    from workflow.figures import plotting

    for series, (method, marker) in enumerate(MARKERS.items()):
        chosen = rows[rows["method"] == method].sort_values(["parameters", "mean"])
        if chosen.empty:
            continue
        line = "none" if method == "other methods" else "-"
        plotting.points(axes, chosen["parameters"], chosen, method, series, line, marker)
        if method == "SimCLR":
            _names(axes, chosen, [(6, -10)] * len(chosen))
        elif method == "other methods":
            # Left and right in turns where several networks have one size, else below and above.
            crowded = chosen["parameters"].duplicated(keep=False)
            beside, apart = chosen[crowded], chosen[~crowded]
            _names(axes, beside, [(-7, 0), (7, 0)] * len(beside))
            _names(axes, apart, [(0, -10), (0, 10)] * len(apart))
    plotting.plain_log(axes, 10)
    axes.margins(x=0.27, y=0.12)


def _names(axes, rows, offsets: list[tuple[int, int]]) -> None:
    """Write names beside the points, at these distances (right, up) in printer's points."""
    look = {"textcoords": "offset points", "va": "center", "fontsize": 7, "color": "#333333"}
    for row, (right, up) in zip(rows.itertuples(), offsets, strict=False):
        side = "left" if right > 0 else "right" if right < 0 else "center"
        axes.annotate(row.name, (row.parameters, row.mean), (right, up), ha=side, **look)
