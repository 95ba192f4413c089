"""Figure B.4: classes are better separated in h than in z (paper B.4). t-SNE, with a number.

The number is the mean silhouette of the classes among l2-normalised features, h and z themselves,
not their map: 1 far apart, 0 mixed.
"""

from workflow.grid import Run, check_no_grid

NUMBER = "Figure B.4"
TITLE = "t-SNE of h and of z = g(h)"
KIND, ORDER = "appendix figure", 4
PAPER = ()
CLAIMS = ("C20",)
LABELS = ()
FILES = ("points.csv",)
CAPTION = (
    "Test images placed by t-SNE of h and of z (first seed), a colour and a mark for each class, "
    "and the mean silhouette of the classes in h and in z over all seeds."
)


def runs(grid: dict) -> list[Run]:
    """The base setting."""
    check_no_grid(grid, "figb4")
    return [Run("base", "maps", {}, {}, starts_from=("pretrain", {}))]


def draw(table, paper, files):
    """Two maps of the first seed."""
    from workflow.figures import contrasts, plotting

    figure, (axes,) = plotting.panels(1, 2, height=4.0)
    rows = files.get("points.csv")
    for panel, (kind, name) in zip(axes, (("h", "h"), ("z", "z = g(h)")), strict=True):
        if f"silhouette_{kind}" not in table:  # z of a base setting without a head
            plotting.no_numbers(panel, "no projection head")
            continue
        mean = contrasts.interval(table[f"silhouette_{kind}"])[0]
        panel.set_title(f"{name}: silhouette {mean:.2f}")
        panel.set_xticks([])
        panel.set_yticks([])
        if rows is None:
            continue
        part = rows[(rows["seed"] == rows["seed"].min()) & (rows["kind"] == kind)]
        for index, (_, points) in enumerate(part.groupby("label")):
            color = plotting.COLORS[plotting.SERIES[index % 6]]
            marker = plotting.MARKERS[(index + index // 6) % 6]
            panel.scatter(points["x"], points["y"], s=12, color=color, marker=marker, linewidths=0)
    return figure


def claims(table) -> list:
    """C20."""
    from workflow.figures.contrasts import directional, per_seed

    return [
        directional(
            "C20",
            "silhouette of the classes in h minus in z",
            per_seed(table, "silhouette_h") - per_seed(table, "silhouette_z"),
            unit="",
        )
    ]
