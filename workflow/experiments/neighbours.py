"""Nearest neighbours in h and in z: what do the features find alike? (Not in the paper.)"""

from workflow.grid import Run, check_no_grid

NUMBER = "Neighbours"
TITLE = "the nearest training images, by h and by z"
KIND, ORDER = "beyond the paper", 3
PAPER = ()
CLAIMS = ()
LABELS = ()
FILES = ("neighbours.csv",)
CAPTION = (
    "Test images of some classes (left of each row), and the training images whose h, or z, are "
    "nearest by cosine; framed where the class is another one. First seed. In percent, over all "
    "test images and seeds: how many of the nearest have the class of the test image."
)


def runs(grid: dict) -> list[Run]:
    """The base setting."""
    check_no_grid(grid, "neighbours")
    return [Run("base", "neighbours", {}, {}, starts_from=("pretrain", {}))]


def draw(table, paper, files):
    """Left by h, right by z; a row a test image."""
    from simclr.data.pictures import from_text
    from workflow.figures import contrasts, pictures, plotting

    rows = files.get("neighbours.csv")
    if rows is None:
        figure, axes = plotting.panels(1, 1, height=2.5)
        plotting.no_numbers(axes[0, 0], "no images are there")
        return figure
    rows = rows[rows["seed"] == rows["seed"].min()]
    kinds = [kind for kind in ("h", "z") if kind in set(rows["kind"])]
    queries, ranks = sorted(set(rows["query"])), sorted(set(rows["rank"]))
    shape = len(queries), len(kinds) * len(ranks)
    figure, axes = plotting.panels(*shape, height=0.75 + 0.6 * len(queries))
    for index, kind in enumerate(kinds):
        first_column = index * len(ranks)
        part = rows[rows["kind"] == kind].set_index(["query", "rank"])
        for line, query in enumerate(queries):
            query_label = part.loc[(query, 0), "label"]
            for rank in ranks:
                neighbour = part.loc[(query, rank)]
                pictures.image(
                    axes[line, first_column + rank],
                    from_text(neighbour["pixels"]),
                    framed=neighbour["label"] != query_label,
                )
        mean = contrasts.interval(table[f"neighbours_{kind}"])[0]
        title = f"{kind}: {mean:.0f} % of the class"
        axes[0, first_column].set_title(title, fontsize=9).set_in_layout(False)
    return figure
