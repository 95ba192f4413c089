"""Figure 2: the framework (paper 2.1), drawn from views and shapes of the base setting.

An image x becomes two views by t, t' ~ T; the same encoder f makes h of each and the same head g
makes z; the loss draws the two z together.
"""

from workflow.grid import Run, check_no_grid

NUMBER = "Figure 2"
TITLE = "the framework"
KIND, ORDER = "figure", 2
PAPER = ()
CLAIMS = ()
LABELS = ("encoder", "parameters", "dim_h", "dim_z", "operators", "loss", "temperature")
FILES = ("examples.csv", "crops.csv")
CAPTION = (
    "A test image, the part of it that each of two views shows (dashed), the views, and what "
    "becomes of them in the base setting; shapes are in brackets. The views are those of the first "
    "seed."
)
MIDDLE = 2.8  # of the drawing
# Of each view: the middle of its row, its index, its colour, its transformation.
ROWS = ((4.35, "i", "blue", "t"), (1.25, "j", "orange", "t'"))
LOSSES = {"nt_xent": "NT-Xent", "nt_logistic": "NT-Logistic", "margin": "margin triplet"}


def runs(grid: dict) -> list[Run]:
    """One run."""
    check_no_grid(grid, "fig2")
    return [Run("examples", "examples", {}, {})]


def draw(table, paper, files):
    """Left to right: image, two views, f, h, g, z, loss."""
    from simclr.data.pictures import from_text
    from workflow.figures import pictures, plotting

    figure, ((axes,),) = plotting.panels(1, 1, height=3.6)
    rows, crops = files.get("examples.csv"), files.get("crops.csv")
    if rows is None or crops is None:
        plotting.no_numbers(axes, "no images are there")
        return figure
    axes.set(xlim=(0, 14.4), ylim=(0, 5.6), aspect="equal")
    axes.set_axis_off()
    run = table.iloc[0]
    rows = rows[(rows["seed"] == rows["seed"].min()) & (rows["image"] == 0)]
    side = int(crops["side"].iloc[0])
    shape = f"[3, {side}, {side}]"

    original = rows[rows["operator"] == "original"].iloc[0]
    pixels = from_text(original["pixels"])
    panel = _picture(axes, pixels, 1.25, MIDDLE, 2.3, "gray")
    _text(axes, 1.25, 4.1, f"image $x$ {shape}")
    _text(axes, 2.65, MIDDLE, f"$T$: {run['operators']}", "left")
    for index, view in enumerate(rows[rows["operator"] == "views"].itertuples()):
        y, name, color, t = ROWS[index]
        outside = 1 if y > MIDDLE else -1  # of the row: labels stand there
        box = [int(value) for value in view.box.split()]
        pictures.crop(panel, box, len(pixels) / side, color)
        _picture(axes, from_text(view.pixels), 5.3, y, 1.7, color)
        for x, height, label in (
            (9.5, 1.5, f"$h_{name}$ [{run['dim_h']}]"),
            (12.7, 1.0, f"$z_{name}$ [{run['dim_z']}]"),
        ):
            axes.bar(x, height, 0.3, y - height / 2, color=plotting.COLORS[color])
            _text(axes, x, y + 1.1 * outside, label)
        _text(axes, 5.3, y + 1.1 * outside, f"view $\\tilde{{x}}_{name}$ {shape}")
        _arrow(axes, (2.5, MIDDLE + 0.5 * outside), (4.3, y))
        _text(axes, 3.2, y - 0.3 * outside, f"${t} \\sim T$")
        for start, end in ((6.25, 7.0), (8.65, 9.3), (9.7, 10.3), (11.95, 12.5)):
            _arrow(axes, (start, y), (end, y))
    encoder = f"encoder\n\n{run['encoder']}\n{run['parameters']:,}\nparameters"
    _network(axes, 7.8, "$f(\\cdot)$", encoder)
    _network(axes, 11.1, "$g(\\cdot)$", "projection\nhead\n\nin training\nonly")
    _arrow(axes, (12.7, ROWS[1][0] + 0.65), (12.7, ROWS[0][0] - 0.65), "<->")
    loss = f"maximize\nagreement\n\n{LOSSES[run['loss']]}\n$\\tau$ = {run['temperature']:g}"
    _text(axes, 12.95, MIDDLE, loss, "left")
    return figure


def _picture(axes, pixels, x: float, y: float, size: float, color: str):
    """Show an image around (x, y); returns its panel."""
    from workflow.figures import pictures

    panel = axes.inset_axes([x - size / 2, y - size / 2, size, size], transform=axes.transData)
    pictures.image(panel, pixels, framed=True, color=color)
    return panel


def _text(axes, x: float, y: float, text: str, ha: str = "center") -> None:
    axes.text(x, y, text, ha=ha, va="center", fontsize=8)


def _arrow(axes, start, end, kind: str = "->") -> None:
    style = {"arrowstyle": kind, "color": "#333333", "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", end, start, arrowprops=style)


def _network(axes, x: float, name: str, text: str) -> None:
    """Draw a box beside both views: they share its weights."""
    axes.bar(x, 5.2, 1.6, 0.2, color="#EEEEEE", edgecolor="#333333", linewidth=1.0)
    axes.text(x, ROWS[0][0], name, ha="center", va="center", fontsize=11)
    _text(axes, x, MIDDLE, text)
