"""Tables 8 and B.5: transfer to other data (paper 6, B.8). SimCLR, supervised, new weights.

Encoders of two widths, trained by SimCLR, with labels, or not at all, on the scale's data set; on
another one logistic regression on their features (L-BFGS, penalty chosen on held-out images), and
fine-tuning. The paper transfers to twelve data sets; a scale names one.
"""

from dataclasses import dataclass

from simclr.config import build, option
from simclr.sources import SOURCES
from workflow.grid import Run, check_lists

NUMBER = "Tables 8 and B.5"
TITLE = "transfer to other data"
KIND, ORDER = "table", 8
PAPER = ("Table 8", "Table B.5")
CLAIMS = ("C40",)
LABELS = ("training", "width", "protocol")
CAPTION = (
    "Accuracy on another data set: logistic regression on frozen features, and fine-tuning, of "
    "encoders trained by SimCLR, with labels, or not at all."
)
SIMCLR, LABELLED, NEW = "SimCLR", "supervised", "new weights"
METRICS = {"linear": "transfer_top1", "fine-tuned": "finetune_top1"}


@dataclass(frozen=True)
class Grid:
    widths: tuple[int, ...] = option((1, 4), choices=(1, 2, 4))
    source: str = option("folder", choices=tuple(SOURCES))  # of the other set
    family: str = option("figures", choices=("textures", "figures"))  # of patterns
    file: str = option("")  # of a folder
    sha256: str = option("")
    base_lr: float = option(0.05, above=0.0)  # of fine-tuning
    scratch_lr: float = option(0.1, above=0.0)  # from new weights
    train_images: int = option(0, low=0)  # 0: all that the other set has
    test_images: int = option(0, low=0)

    def check(self):
        if SOURCES[self.source].needs_counts and not (self.train_images and self.test_images):
            return f"train_images, test_images: must be given with source '{self.source}'."
        return check_lists(self)


def runs(grid: dict) -> list[Run]:
    """Both protocols for every training and width."""
    grid = build(Grid, grid, "experiments.table8")
    # Whatever is a matter of the source is not the scale's.
    names = ("source", "file", "sha256", "train_images", "test_images")
    other = {name: getattr(grid, name) for name in names}
    other |= {"unlabelled": False, "unlabelled_images": 0}  # they are for pre-training only
    if grid.source == "patterns":
        other["family"] = grid.family
    if not SOURCES[grid.source].can_stretch:
        other["fit"] = "crop"
    planned = []
    for width in grid.widths:
        encoder = {"encoder": {"width": width}}
        starts = {SIMCLR: ("pretrain", encoder), LABELLED: ("supervise", encoder), NEW: None}
        for training, start in starts.items():
            name = f"{training.replace(' ', '-')}-w{width}"
            labels = {"training": training, "width": width}
            if start:
                linear = {**labels, "protocol": "linear"}
                planned.append(Run(f"{name}-transfer", "transfer", {}, linear, start, other))
            rate = grid.base_lr if start else grid.scratch_lr
            values = {**encoder, "optimizer": {"base_lr": rate}}
            tuned = {**labels, "protocol": "fine-tuned"}
            planned.append(Run(f"{name}-finetune", "finetune", values, tuned, start, other))
    return planned


def means(table) -> dict:
    """By protocol, width and training: the values of all seeds."""
    return {
        (f"{protocol} {width}x", training): part[METRICS[protocol]]
        for (training, width, protocol), part in table.groupby(["training", "width", "protocol"])
    }


def draw(table, paper):
    """Bars: training and width, both protocols; the paper's means over its data sets."""
    from workflow.figures import contrasts, plotting

    figure, ours, theirs = plotting.side_by_side(
        height=3.8, y=plotting.ACCURACY, paper="Paper (mean of 12 data sets)"
    )
    rows = contrasts.derived(means, table, ["category", "series"])
    plotting.bars(ours, rows, _in_order(rows), [SIMCLR, LABELLED, NEW])
    rows = _theirs(paper)
    plotting.bars(theirs, rows, _in_order(rows), [SIMCLR, LABELLED, NEW])
    plotting.legend(figure, [ours])
    return figure


def _in_order(rows) -> list[str]:
    """Logistic regression first, then fine-tuning; by width."""
    return sorted(set(rows["category"]), key=lambda name: ("linear" not in name, name))


def _theirs(paper):
    """Means over the paper's data sets, by protocol, width and training."""
    linear = paper["row"].str.contains("linear", case=False)
    rows = paper.assign(
        protocol=linear.map({True: "linear", False: "fine-tuned"}),
        width=paper["row"].str.extract(r"(\d)x")[0].fillna("1"),
        series=paper["row"].map(_training),
    )
    rows = rows.dropna(subset="series")
    rows["category"] = rows["protocol"] + " " + rows["width"] + "x"
    means = rows.groupby(["category", "series"], as_index=False)["value"].mean()
    return means.rename(columns={"value": "mean"})


def _training(row: str) -> str | None:
    for word, training in (("simclr", SIMCLR), ("supervised", LABELLED), ("random", NEW)):
        if word in row.lower():
            return training
    return None


def of_paper(paper):
    """The paper's means over its data sets in the form of ours."""
    rows = _theirs(paper)
    names = rows["category"].str.extract(r"(?P<protocol>.+) (?P<width>\d)x")
    rows = rows.assign(training=rows["series"], **names).astype({"width": int})
    return rows.assign(
        **{m: rows["mean"].where(rows["protocol"] == name) for name, m in METRICS.items()}
    )


def claims(table) -> list:
    """C40: the widest, fine-tuned; the narrowest, linear evaluation."""
    from workflow.figures.contrasts import directional, per_seed

    narrow, wide = int(table["width"].min()), int(table["width"].max())

    def gain(width, protocol):
        rows = table[(table["width"] == width) & (table["protocol"] == protocol)]
        simclr, supervised = (
            per_seed(rows, METRICS[protocol], training=training) for training in (SIMCLR, LABELLED)
        )
        return simclr - supervised

    return [
        directional(
            "C40", f"fine-tuned, width {wide}: SimCLR minus supervised", gain(wide, "fine-tuned")
        ),
        directional(
            "C40",
            f"logistic regression, width {narrow}: SimCLR minus supervised",
            gain(narrow, "linear"),
            direction=-1,
        ),
    ]
