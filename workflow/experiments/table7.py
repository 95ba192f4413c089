"""Tables 6, 7, B.2, B.4: few labels (paper 6, B.2, B.5). Fine-tuning against training from scratch.

The pre-trained encoder is fine-tuned on 1, 10 and 100 % of the labels, classes balanced, only crop
and flip; beside it the same encoder from new weights, on the same images. (The paper's supervised
baselines with few labels are those of Zhai et al., tuned with more augmentation.)
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run

NUMBER = "Tables 7, B.2, B.4"
TITLE = "fine-tuning with few labels"
KIND, ORDER = "table", 7
PAPER = ("Table B.4", "Table B.2", "Table B.3")
CLAIMS = ("C37", "C38", "C39")
LABELS = ("method", "width", "labels")
CAPTION = (
    "Top-1 accuracy after training on a share of the labels: the pre-trained encoder, and the "
    "same encoder from new weights. (The paper's with all labels: after pre-training with broader "
    "augmentation, Table B.2; from scratch with crops alone, Table B.3.)"
)
METRIC = "finetune_top1"
FINE, NEW = "SimCLR, fine-tuned", "from scratch"


@dataclass(frozen=True)
class Grid:
    widths: tuple[int, ...] = option((1, 2, 4), choices=(1, 2, 4))
    labels: tuple[float, ...] = option((0.01, 0.1, 1.0), above=0.0, high=1.0)
    epochs: tuple[int, ...] = option((60, 30, 30), low=1)  # of fine-tuning, for each share
    scratch_epochs: tuple[int, ...] = option((200, 100, 90), low=1)
    batches: tuple[int, ...] = option((4096, 4096, 4096), low=2)
    lists: tuple[str, ...] = option(())  # of image names, below data/raw; "": drawn by the seed
    lists_sha256: tuple[str, ...] = option(())  # of these files
    base_lr: float = option(0.05, above=0.0)  # of fine-tuning
    scratch_lr: float = option(0.1, above=0.0)

    def check(self):
        lengths = {len(x) for x in (self.labels, self.epochs, self.scratch_epochs, self.batches)}
        if lengths != {len(self.labels)} or not self.labels:
            return "labels, epochs, scratch_epochs, batches: give one of each for every share."
        for name in ("lists", "lists_sha256"):
            if len(getattr(self, name)) not in (0, len(self.labels)):
                return f"{name}: give one for every share ('' where the seed draws), or none."
        return None


def runs(grid: dict) -> list[Run]:
    """Both methods for each width and share of the labels (label `labels`: percent)."""
    grid = build(Grid, grid, "experiments.table7")
    planned, no_lists = [], ("",) * len(grid.labels)
    columns = (
        *(grid.labels, grid.epochs, grid.scratch_epochs, grid.batches),
        *(grid.lists or no_lists, grid.lists_sha256 or no_lists),
    )
    for width in grid.widths:
        encoder = {"encoder": {"width": width}}
        for share, epochs, scratch, batch, names, sha256 in zip(*columns, strict=True):
            labels = {"width": width, "labels": 100 * share}
            name = f"w{width}-{100 * share:g}"
            common = {"labels": share, "batch_size": batch, **encoder}
            if names or sha256:
                common |= {"subset": names, "subset_sha256": sha256}
            fine = {**common, "epochs": epochs, "optimizer": {"base_lr": grid.base_lr}}
            new = {**common, "epochs": scratch, "optimizer": {"base_lr": grid.scratch_lr}}
            start = ("pretrain", encoder)
            planned += [
                Run(f"fine-{name}", "finetune", fine, {**labels, "method": FINE}, start),
                Run(f"new-{name}", "finetune", new, {**labels, "method": NEW}),
            ]
    return planned


def draw(table, paper):
    """Accuracy over the share of the labels, a line for each width and method."""
    from workflow.figures import contrasts, plotting

    figure, ours, theirs = plotting.side_by_side(
        height=4.2, x="labels used (%)", y=plotting.ACCURACY, paper="Paper (ImageNet)"
    )
    _panel(ours, contrasts.summary(table, ["method", "width", "labels"], METRIC))
    _panel(theirs, _theirs(paper))
    plotting.legend(figure, [theirs, ours], ncols=3)
    return figure


def _theirs(paper):
    """The paper's rows in the form of ours; only the default augmentation, where it has that."""
    few = paper["row"].str.match(r"SimCLR R50|Supervised baseline R50")
    tuned = paper["row"].str.contains("broader") & (paper["column"] == "labels 100% top-1")
    scratch = paper["row"].str.contains("90ep") & (paper["column"] == "Crop")
    rows = paper[(few | tuned | scratch) & paper["metric"].str.endswith("top-1")]
    new = rows["row"].str.lower().str.startswith("supervised")
    width = rows["row"].str.extract(r"\((\d)x\)")[0].fillna("1").astype(int)
    share = rows["column"].str.extract(r"(\d+)%")[0].fillna("100").astype(float)
    method = new.map({True: NEW, False: FINE})
    return rows.assign(method=method, width=width, labels=share, mean=rows["value"])


def _panel(axes, rows) -> None:
    from workflow.figures import plotting

    for series, width in enumerate(sorted(set(rows["width"]))):
        for method, line, marker in ((FINE, "-", "o"), (NEW, ":", "s")):
            chosen = rows[(rows["width"] == width) & (rows["method"] == method)]
            if len(chosen):
                chosen = chosen.sort_values("labels")
                label = f"{method}, {width}x"
                plotting.points(axes, chosen["labels"], chosen, label, series, line, marker)
    plotting.plain_log(axes, 10, [int(x) for x in sorted(set(rows["labels"]))])


def of_paper(paper):
    """The paper's numbers in the form of ours."""
    rows = _theirs(paper)
    return rows.assign(**{METRIC: rows["mean"]})


def claims(table) -> list:
    """C37, C38, C39."""
    from workflow.figures.contrasts import directional, per_seed

    narrow, wide = int(table["width"].min()), int(table["width"].max())
    few, full = table["labels"].min(), table["labels"].max()

    def accuracy(method, width, labels):
        return per_seed(table, METRIC, method=method, width=width, labels=labels)

    def gain(width, labels):
        return accuracy(FINE, width, labels) - accuracy(NEW, width, labels)

    judged = [
        directional(
            "C37", f"{share:g} % of the labels: fine-tuned minus from scratch", gain(narrow, share)
        )
        for share in sorted(set(table["labels"]))[:2]
    ]
    if wide > narrow:
        judged.append(
            directional(
                "C38",
                f"{few:g} % of the labels, fine-tuned: width {wide} minus {narrow}",
                accuracy(FINE, wide, few) - accuracy(FINE, narrow, few),
            )
        )
        judged.append(
            directional(
                "C39",
                f"{full:g} % of the labels, widest ({wide}): fine-tuned minus from scratch",
                gain(wide, full),
            )
        )
    judged.append(
        directional(
            "C39",
            f"{full:g} % of the labels, narrowest ({narrow}): fine-tuned minus from scratch",
            gain(narrow, full),
            direction=-1,
        )
    )
    return judged
