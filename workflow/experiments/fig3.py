"""Figure 3: crops give global and local, and adjacent views (paper 3), drawn from real crops.

As in the paper: A and B, one within the other; C and D, beside each other. How often a pair is of
either kind, and how much two crops overlap, the paper does not say.
"""

from workflow.grid import Run, check_no_grid

NUMBER = "Figure 3"
TITLE = "views that crops give"
KIND, ORDER = "figure", 3
PAPER = ()
CLAIMS = ()
LABELS = ()
FILES = ("examples.csv", "crops.csv")
CAPTION = (
    "A test image (solid) and pairs of its random crops (dashed), chosen by rule among all that "
    "were drawn. Left: one crop lies within the other, and is the smallest part of it. Middle: the "
    "crops overlap least, and of such pairs have the nearest centres. A pair counts as global and "
    "local if 90 % or more of one crop lies in the other, as adjacent if they overlap by less than "
    "10 %. Right: the overlap of all pairs (IoU: the common area over the area of both together)."
)
BINS = 20


def runs(grid: dict) -> list[Run]:
    """One run."""
    check_no_grid(grid, "fig3")
    return [Run("examples", "examples", {}, {})]


def draw(table, paper, files):
    """Draw the two pairs, and a histogram of the overlap of all pairs."""
    import numpy as np

    from simclr.data.pictures import from_text
    from workflow.figures import contrasts, pictures, plotting

    figure, (panels,) = plotting.panels(1, 3, height=2.9, width_ratios=[1, 1, 1.5])
    pairs, rows = files.get("crops.csv"), files.get("examples.csv")
    if pairs is None or rows is None:
        for panel in panels:
            plotting.no_numbers(panel, "no images are there")
        return figure
    original = rows[(rows["operator"] == "original") & (rows["image"] == 0)].iloc[0]
    pixels = from_text(original["pixels"])
    names = ("crops_nested", "crops_apart", "crops_iou")
    nested, apart, iou = (contrasts.interval(table[name])[0] for name in names)
    shown = (
        ("AB", _nested(pairs), f"global and local\n{nested:.0f} % of pairs"),
        ("CD", _adjacent(pairs), f"adjacent\n{apart:.1f} % of pairs"),
    )
    for panel, (letters, pair, title) in zip(panels, shown, strict=False):
        scale = len(pixels) / pair["side"]
        pictures.image(panel, pixels, framed=True, color="gray")
        boxes = [[pair[name + view] for name in "yxhw"] for view in "12"]
        boxes.sort(key=lambda box: -box[2] * box[3])  # the larger first
        for letter, box, color in zip(letters, boxes, ("blue", "orange"), strict=True):
            pictures.crop(panel, box, scale, color)
            _letter(panel, letter, box, scale, color)
        panel.set_title(title, fontsize=9)
    overlap = 100 * pairs["iou"]
    weights = np.full(len(overlap), 100 / len(overlap))
    bins = np.linspace(0, 100, BINS + 1)
    axes = panels[2]
    axes.hist(overlap, bins, weights=weights, color=plotting.COLORS["sky"], edgecolor="white")
    axes.axvline(iou, color=plotting.COLORS["gray"], linestyle="--", label=f"mean: {iou:.0f} %")
    axes.set_title(f"overlap\nof {len(pairs):,} pairs", fontsize=9)
    axes.set_xlabel("IoU of the two crops (%)")
    axes.set_ylabel("pairs (%)")
    axes.legend(loc="upper right")
    return figure


def _nested(pairs):
    """Return the pair of greatest containment, and of these the one with the smallest part."""
    return pairs.sort_values(["inside", "iou"], ascending=[False, True], kind="stable").iloc[0]


def _adjacent(pairs):
    """Return the pair that overlaps least, and of these the one with the nearest centres."""
    centres = [
        (pairs[f"{at}{v}"] + pairs[f"{size}{v}"] / 2) for at, size in ("yh", "xw") for v in "12"
    ]
    y1, y2, x1, x2 = centres
    far = (y1 - y2) ** 2 + (x1 - x2) ** 2
    return pairs.assign(far=far).sort_values(["iou", "far"], kind="stable").iloc[0]


def _letter(panel, letter: str, box, scale: float, color: str) -> None:
    """Write a letter into the upper left corner of a crop."""
    from workflow.figures import plotting

    y, x, _, _ = (scale * value for value in box)
    look = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    ink = {"color": plotting.COLORS[color], "fontweight": "bold", "fontsize": 9}
    panel.annotate(
        letter, (x - 0.5, y - 0.5), (4, -4), textcoords="offset points", va="top", bbox=look, **ink
    )
