"""Table 6: linear evaluation of wider encoders, beside other methods (paper 6)."""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Table 6"
TITLE = "linear evaluation of wider encoders"
KIND, ORDER = "table", 6
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


def runs(grid: dict) -> list[Run]:
    """The base setting at each width."""
    grid = build(Grid, grid, "experiments.table6")
    return [
        Run(f"w{width}", "pretrain", {"encoder": {"width": width}}, {"width": width})
        for width in grid.widths
    ]


def means(table) -> dict:
    """By width and metric: the values of all seeds."""
    return {
        (f"SimCLR ({width}x)", name): part[metric]
        for width, part in table.groupby("width")
        for name, metric in METRICS.items()
    }


def draw(table, paper):
    """Draw bars, a group for each width."""
    from workflow.figures import contrasts, plotting

    figure, ours, theirs = plotting.side_by_side(
        height=3.6,
        y="linear evaluation, accuracy (%)",
        paper="Paper (ImageNet)",
        width_ratios=[1, 1.5],
    )
    rows = contrasts.derived(means, table, ["category", "series"])
    plotting.bars(ours, rows, list(dict.fromkeys(rows["category"])), list(METRICS))
    rows = _theirs(paper)
    plotting.bars(theirs, rows, list(dict.fromkeys(rows["category"])), list(METRICS))
    plotting.legend(figure, [ours])
    return figure


def _theirs(paper):
    """SimCLR's rows, and of the other methods those that come nearest."""
    rows = paper[paper["metric"].str.startswith("linear-eval")]
    rows = rows.assign(series=rows["metric"].str.removeprefix("linear-eval "), mean=rows["value"])
    size = rows["column"].str.extract(r"\((\d)x\)")[0].fillna("1") + "x"
    rows = rows.assign(category=rows["row"] + " (" + size + ")")
    simclr = rows["row"] == "SimCLR"
    nearest = rows["row"].isin(["CPC v2", "MoCo"]) & ~rows["column"].str.contains("161")
    return rows[simclr | nearest].sort_values(["row", "category"], ascending=[False, True])
