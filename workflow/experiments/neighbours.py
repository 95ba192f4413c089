"""Nearest neighbours in h and in z: what do the features find alike? (Not in the paper.)"""

from simclr.config import ConfigError
from workflow.experiments import Setting

TITLE = "Neighbours: the nearest training images, by h and by z"
PAPER = ()
CLAIMS = ()
LABELS = ()
FILES = ("neighbours.csv",)
CAPTION = (
    "Test images of some classes (left of each row), and the training images whose h, or z, are "
    "nearest by cosine; framed where the class is another one. First seed. In percent, over all "
    "test images and seeds: how many of the nearest have the class of the test image."
)


def settings(grid: dict) -> list[Setting]:
    """The base setting."""
    for name in grid:
        raise ConfigError(f"experiments.neighbours.{name}: unknown; it has no grid: write {{}}.")
    return [Setting("base", "neighbours", {}, {}, ("pretrain", {}))]


def draw(table, paper, files=None):
    """Left by h, right by z; a row a test image."""
    from simclr.data.pictures import from_text
    from workflow.figures import contrasts, plotting

    rows = (files or {}).get("neighbours.csv")
    if rows is None:
        figure, axes = plotting.panels(1, 1, height=2.5)
        plotting.no_numbers(axes[0, 0], "no images are there")
        return figure
    rows = rows[rows["seed"] == rows["seed"].min()]
    kinds = [kind for kind in ("h", "z") if kind in set(rows["kind"])]
    queries, ranks = sorted(set(rows["query"])), sorted(set(rows["rank"]))
    shape = len(queries), len(kinds) * len(ranks)
    figure, axes = plotting.panels(*shape, height=0.75 + 0.6 * len(queries))
    for place, kind in enumerate(kinds):
        part = rows[rows["kind"] == kind].set_index(["query", "rank"])
        for line, query in enumerate(queries):
            wanted = part.loc[(query, 0), "label"]
            for rank in ranks:
                one = part.loc[(query, rank)]
                axis = axes[line, place * len(ranks) + rank]
                plotting.image(axis, from_text(one["pixels"]), framed=one["label"] != wanted)
        mean = contrasts.interval(table[f"neighbours_{kind}"])[0]
        title = f"{kind}: {mean:.0f} % of the class"
        axes[0, place * len(ranks)].set_title(title, fontsize=9).set_in_layout(False)
    return figure


def claims(table) -> list:
    """None: kNN accuracy stands in the numbers of other figures."""
    return []
