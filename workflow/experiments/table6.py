"""Table 6: linear evaluation of wider encoders, beside other methods (paper 6)."""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.experiments import Setting, check_lists

TITLE = "Table 6: linear evaluation of wider encoders"
PAPER = "Table 6"
CLAIMS = ()
LABELS = ("width", "parameters")
CAPTION = (
    "Linear evaluation, top-1 and top-5, of encoders of growing width, and what the paper reports "
    "for SimCLR and the best other method of each size."
)
METRICS = {"top-1": "linear_h", "top-5": "linear_top5_h"}


@dataclass(frozen=True)
class Grid:
    widths: tuple[int, ...] = option((1, 2, 4), choices=(1, 2, 4))
    check = check_lists


def settings(grid: dict) -> list[Setting]:
    """The base setting at each width."""
    grid = build(Grid, grid, "experiments.table6")
    return [
        Setting(f"w{width}", "pretrain", {"encoder": {"width": width}}, {"width": width})
        for width in grid.widths
    ]


def draw(table, paper):
    """Bars, a group a width."""
    import pandas as pd

    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, 2, height=3.6, width_ratios=[1, 1.5])
    rows = [
        (f"SimCLR ({width}x)", name, *contrasts.interval(part[metric])[:3])
        for width, part in table.groupby("width")
        for name, metric in METRICS.items()
    ]
    ours = pd.DataFrame(rows, columns=["category", "series", "mean", "low", "high"])
    plotting.bars(axes[0], ours, list(dict.fromkeys(ours["category"])), list(METRICS))
    axes[0].set_title(plotting.OURS)
    axes[0].set_ylabel("linear evaluation, accuracy (%)")
    theirs = _theirs(paper)
    plotting.bars(axes[1], theirs, list(dict.fromkeys(theirs["category"])), list(METRICS))
    axes[1].set_title("Paper (ImageNet)")
    plotting.legend(figure, axes[:1])
    return figure


def _theirs(paper):
    """SimCLR's rows, and of the other methods those that come nearest."""
    rows = paper[paper["metric"].str.startswith("linear-eval")]
    rows = rows.assign(series=rows["metric"].str.removeprefix("linear-eval "), mean=rows["value"])
    size = rows["column"].str.extract(r"\((\d)x\)")[0].fillna("1") + "x"
    rows = rows.assign(category=rows["row"] + " (" + size + ")")
    own = rows["row"] == "SimCLR"
    near = rows["row"].isin(["CPC v2", "MoCo"]) & ~rows["column"].str.contains("161")
    return rows[own | near].sort_values(["row", "category"], ascending=[False, True])


def claims(table) -> list:
    """None of its own: see Figure 7."""
    return []
