"""Figure 4: what the augmentations do to an image (paper 3), on the scale's own images."""

from workflow.grid import Run, check_no_grid

NUMBER = "Figure 4"
TITLE = "augmentations"
KIND, ORDER = "figure", 4
PAPER = ()
CLAIMS = ()
LABELS = ()
FILES = ("examples.csv",)
CAPTION = (
    "Test images of some classes, changed by each operator alone, and two views of each by all "
    "operators of the base setting. (The paper shows a dog; here are the images that are used.)"
)


def runs(grid: dict) -> list[Run]:
    """One run."""
    check_no_grid(grid, "fig4")
    return [Run("examples", "examples", {}, {})]


def draw(table, paper, files):
    """A row for each image and a column for each operator, of the first seed."""
    from simclr.data.pictures import from_text
    from workflow.figures import pictures, plotting

    rows = files.get("examples.csv")
    if rows is None:
        figure, axes = plotting.panels(1, 1, height=2.5)
        plotting.no_numbers(axes[0, 0], "no images are there")
        return figure
    rows = rows[rows["seed"] == rows["seed"].min()]
    rows = rows.assign(column=rows.groupby(["image", "operator"]).cumcount())
    columns = list(dict.fromkeys(zip(rows["operator"], rows["column"], strict=True)))
    images = sorted(set(rows["image"]))
    figure, axes = plotting.panels(len(images), len(columns), height=0.55 + 0.68 * len(images))
    for (operator, column), panels in zip(columns, axes.T, strict=True):
        chosen = rows[(rows["operator"] == operator) & (rows["column"] == column)]
        for panel, text in zip(panels, chosen.sort_values("image")["pixels"], strict=True):
            pictures.image(panel, from_text(text))
        name = f"view {column + 1}" if operator == "views" else operator
        panels[0].set_title(name, fontsize=8, fontweight="normal", loc="center")
    return figure
