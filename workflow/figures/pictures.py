"""Images and their crops in a figure."""

from matplotlib.patches import Rectangle

from workflow.figures.plotting import COLORS


def image(axes, pixels, framed: bool = False, color: str = "orange") -> None:
    """Show an image uint8 [S, S, 3] in its panel, every pixel as a square; color: of its frame."""
    axes.imshow(pixels, interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(framed)
        spine.set_color(COLORS[color])
        spine.set_linewidth(2.5)


def crop(axes, box, scale: float, color: str) -> None:
    """Frame a crop (y, x, h, w) in the panel of its image; scale: shown pixels for each of its."""
    y, x, h, w = (scale * value for value in box)
    for line, ink in (("-", "white"), ((0, (3, 2)), COLORS[color])):
        look = {"edgecolor": ink, "linestyle": line, "linewidth": 2.2, "clip_on": False}
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), w, h, fill=False, zorder=3, **look))
