"""Figure B.4: classes are better separated in h than in z (paper B.4). t-SNE, with a number.

The number is the mean silhouette of the classes among l2-normalised features, h and z themselves,
not their map: 1 far apart, 0 mixed.
"""

from simclr.config import ConfigError
from workflow.experiments import Setting

TITLE = "Figure B.4: t-SNE of h and of z = g(h)"
PAPER = ()
CLAIMS = ("C20",)
LABELS = ()
FILES = ("points.csv",)
CAPTION = (
    "Test images placed by t-SNE of h and of z (first seed), a colour and a mark for each class, "
    "and the mean silhouette of the classes in h and in z over all seeds."
)


def settings(grid: dict) -> list[Setting]:
    """The base setting."""
    for name in grid:
        raise ConfigError(
            f"experiments.figb4.{name}: unknown; this figure has no grid: write {{}}."
        )
    return [Setting("base", "maps", {}, {}, ("pretrain", {}))]


def draw(table, paper, files=None):
    """Two maps of the first seed."""
    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, 2, height=4.0)
    rows = (files or {}).get("points.csv")
    for one, (kind, name) in zip(axes, (("h", "h"), ("z", "z = g(h)")), strict=True):
        mean = contrasts.interval(table[f"silhouette_{kind}"])[0]
        one.set_title(f"{name}: silhouette {mean:.2f}")
        one.set_xticks([])
        one.set_yticks([])
        if rows is None:
            continue
        part = rows[(rows["seed"] == rows["seed"].min()) & (rows["kind"] == kind)]
        for place, (label, points) in enumerate(part.groupby("label")):
            color = plotting.COLORS[plotting.SERIES[place % 6]]
            marker = plotting.MARKERS[(place + place // 6) % 6]
            one.scatter(points["x"], points["y"], s=12, color=color, marker=marker, linewidths=0)
            del label
    return figure


def claims(table) -> list:
    """C20."""
    from workflow.figures import contrasts

    return [
        contrasts.directional(
            "C20",
            "silhouette of the classes in h minus in z",
            contrasts.per_seed(table, "silhouette_h") - contrasts.per_seed(table, "silhouette_z"),
            unit="",
        )
    ]
