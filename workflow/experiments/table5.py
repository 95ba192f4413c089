"""Table 5: l2 normalisation and temperature (paper 5.1).

NT-Xent with cosine similarity at several temperatures, and with the raw dot product. Beside the
linear evaluation stand two summaries of the last epoch of pre-training, computed as in the
authors' code: contrastive accuracy (is the other view the most similar of the N candidates of a
batch?) and the entropy of that softmax in nats. Both depend on the batch size: N = 4096 there.
"""

from dataclasses import dataclass

from simclr.config import build, option
from workflow.grid import Run, check_lists

NUMBER = "Table 5"
TITLE = "l2 normalisation and temperature"
KIND, ORDER = "table", 5
PAPER = "Table 5"
CLAIMS = ("C23", "C24")
LABELS = ("l2_norm", "temperature")
CAPTION = (
    "Linear evaluation, and contrastive accuracy and entropy in the last epoch of pre- "
    "training, over the temperature, with and without l2 normalisation of z. The contrastive "
    "quantities depend on the batch size."
)
METRICS = {  # ours -> axis, name in the paper's numbers
    "linear_h": ("linear evaluation (%)", "linear-eval top-1"),
    "contrastive_accuracy": ("contrastive accuracy (%)", "contrastive accuracy"),
    "contrastive_entropy": ("contrastive entropy (nats)", "contrastive entropy"),
}


@dataclass(frozen=True)
class Grid:
    normalized: tuple[float, ...] = option((0.05, 0.1, 0.5, 1.0), above=0.0)  # temperatures
    raw: tuple[float, ...] = option((10.0, 100.0), above=0.0)  # without l2 norm
    check = check_lists


def runs(grid: dict) -> list[Run]:
    """One pre-training per (l2 norm, temperature)."""
    grid = build(Grid, grid, "experiments.table5")
    rows = [("yes", t) for t in grid.normalized] + [("no", t) for t in grid.raw]
    return [
        Run(
            name=f"{'l2' if norm == 'yes' else 'raw'}-{t:g}",
            stage="pretrain",
            settings={"loss": {"normalize": norm == "yes", "temperature": t}},
            labels={"l2_norm": norm, "temperature": t},
        )
        for norm, t in rows
    ]


def draw(table, paper):
    """Ours above, the paper's below: linear evaluation, contrastive accuracy and entropy."""
    from workflow.figures import plotting

    figure, axes = plotting.panels(2, len(METRICS), height=5.6)
    for column, (metric, (label, paper_metric)) in enumerate(METRICS.items()):
        _panel(axes[0, column], _ours(table, metric))
        _panel(axes[1, column], _theirs(paper, paper_metric))
        for row in (0, 1):
            axes[row, column].set_ylabel(label)
        axes[1, column].set_xlabel("temperature")
    axes[0, 0].set_title(plotting.OURS)
    axes[1, 0].set_title(plotting.PAPER)
    plotting.legend(figure, axes[1])
    return figure


def _ours(table, metric):
    from workflow.figures import contrasts

    if metric not in table:
        return table[["l2_norm", "temperature"]].iloc[:0].assign(mean=[])
    return contrasts.summary(table, ["l2_norm", "temperature"], metric)


def _theirs(paper, metric):
    """The paper's rows in the form of ours: l2_norm, temperature, mean."""
    rows = paper[paper["metric"] == metric]
    return rows.assign(
        l2_norm=rows["row"].str.removeprefix("l2norm="),
        temperature=rows["column"].str.removeprefix("tau=").astype(float),
        mean=rows["value"],
    )


def _panel(axes, rows) -> None:
    from workflow.figures import plotting

    temperatures = list(dict.fromkeys(zip(rows["l2_norm"], rows["temperature"], strict=True)))
    for series, (norm, label) in enumerate((("yes", "l2-normalised"), ("no", "raw dot product"))):
        chosen = rows[rows["l2_norm"] == norm]
        x = [temperatures.index((norm, t)) for t in chosen["temperature"]]
        if len(chosen):
            plotting.points(axes, x, chosen, label, series)
    axes.set_xticks(range(len(temperatures)), [f"{t:g}" for _, t in temperatures])
    axes.set_xlim(-0.5, len(temperatures) - 0.5)
    axes.margins(y=0.15)


def of_paper(paper):
    """The paper's numbers in the form of ours."""
    keys = ["l2_norm", "temperature"]
    values = [
        _theirs(paper, name).set_index(keys)["mean"].rename(metric)
        for metric, (_, name) in METRICS.items()
    ]
    return values[0].to_frame().join(values[1:]).reset_index()


def claims(table) -> list:
    """C23 and C24. The best temperature is chosen on other seeds than the one it is judged on."""
    from workflow.figures.contrasts import directional, held_out_best, matrix, per_seed

    normal, raw = table[table["l2_norm"] == "yes"], table[table["l2_norm"] == "no"]
    temperatures = sorted(normal["temperature"].unique())
    low, high = temperatures[0], temperatures[-1]
    ends = normal["temperature"].isin([low, high])
    linear = matrix(normal, "linear_h")
    best_inside = held_out_best(matrix(normal[~ends], "linear_h"))
    best_end = held_out_best(matrix(normal[ends], "linear_h"))
    contrastive = matrix(normal, "contrastive_accuracy")
    return [
        directional(
            "C23",
            f"best temperature between minus the better of {low:g} and {high:g}",
            best_inside - best_end,
        ),
        directional(
            "C24",
            "contrastive accuracy: without l2 norm minus with it at its best temperature",
            per_seed(raw, "contrastive_accuracy") - held_out_best(contrastive, linear),
        ),
        directional(
            "C24",
            "linear evaluation: best without l2 norm minus best with it",
            held_out_best(matrix(raw, "linear_h")) - held_out_best(linear),
            direction=-1,
        ),
    ]
