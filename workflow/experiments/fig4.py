"""Figure 4: what the augmentations do to an image (paper 3), on the scale's own images."""

from simclr.config import ConfigError
from workflow.experiments import Setting

TITLE = "Figure 4: augmentations"
PAPER = ()
CLAIMS = ()
LABELS = ()
FILES = ("examples.csv",)
CAPTION = (
    "Test images of some classes, changed by each operator alone, and two views of each by all "
    "operators of the base setting. (The paper shows a dog; here are the images that are used.)"
)


def settings(grid: dict) -> list[Setting]:
    """One setting."""
    for name in grid:
        raise ConfigError(f"experiments.fig4.{name}: unknown; this figure has no grid: write {{}}.")
    return [Setting("examples", "examples", {}, {})]


def draw(table, paper, files=None):
    """A row an image, a column an operator; of the first seed."""
    from simclr.data.pictures import from_text
    from workflow.figures import plotting

    rows = (files or {}).get("examples.csv")
    if rows is None:
        figure, axes = plotting.panels(1, 1, height=2.5)
        plotting.no_numbers(axes[0, 0], "no images are there")
        return figure
    rows = rows[rows["seed"] == rows["seed"].min()]
    rows = rows.assign(column=rows.groupby(["image", "operator"]).cumcount())
    columns = list(dict.fromkeys(zip(rows["operator"], rows["column"], strict=True)))
    images = sorted(set(rows["image"]))
    figure, axes = plotting.panels(len(images), len(columns), height=0.55 + 0.68 * len(images))
    for (operator, column), line in zip(columns, axes.T, strict=True):
        chosen = rows[(rows["operator"] == operator) & (rows["column"] == column)]
        for axis, text in zip(line, chosen.sort_values("image")["pixels"], strict=True):
            plotting.image(axis, from_text(text))
        name = f"view {column + 1}" if operator == "views" else operator
        line[0].set_title(name, fontsize=8, fontweight="normal", loc="center")
    return figure


def claims(table) -> list:
    """None."""
    return []
