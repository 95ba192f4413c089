"""Figure 6: colour histograms give an image's crops away, colour distortion does not (paper 3.1).

The paper shows histograms of pixel intensities (all channels together) of four random crops of
two images, without and with colour distortion. We quantify what it lets the reader see: how often
the nearest histogram (chi-squared distance; the CSV has L1 too) is that of another crop of the
same image. No training.
"""

from workflow.grid import Run, check_no_grid

NUMBER = "Figure 6"
TITLE = "telling an image's crops by their colour histograms"
KIND, ORDER = "figure", 6
PAPER = "Fig 6"
CLAIMS = ("C06",)
LABELS = ()
CAPTION = (
    "How often the nearest colour histogram, among the crops of many images, belongs to "
    "another crop of the same image, without and with colour distortion."
)
FILES = ("histograms.csv",)
METRICS = {
    "retrieval_plain_chi2": "without colour distortion",
    "retrieval_distorted_chi2": "with it",
}
CHANCE = "retrieval_chance"


def runs(grid: dict) -> list[Run]:
    """One run: stage `histograms` compares both cases."""
    check_no_grid(grid, "fig6")
    return [Run("histograms", "histograms", {}, {})]


def draw(table, paper, files):
    """Draw how often the nearest histogram is of the same image, beside some histograms."""
    import numpy as np

    from workflow.figures import contrasts, plotting

    cells = [["bars", "00", "01"], ["bars", "10", "11"]]
    figure, panels = plotting.mosaic(cells, height=2.9, width_ratios=[2.6, 1, 1])
    bars = panels["bars"]
    for index, (metric, label) in enumerate(METRICS.items()):
        mean, low, high, _ = contrasts.interval(table[metric])
        errors = None if np.isnan(low) else [[mean - low], [high - mean]]
        color = plotting.COLORS[plotting.SERIES[index]]
        bars.barh(index, mean, xerr=errors, color=color, height=0.5)
        bars.text(1.5, index - 0.3, f"{label}: {mean:.1f} %", va="bottom")
    chance = float(table[CHANCE].mean())
    color = plotting.COLORS["gray"]
    bars.axvline(chance, color=color, linestyle="--", label=f"chance ({chance:.1f} %)")
    bars.legend(loc="lower right")
    bars.set_yticks([])
    bars.set_ylim(len(METRICS) - 0.6, -0.7)
    bars.set_xlim(0, 100)
    bars.set_xlabel("nearest histogram is of the same image (%)")
    bars.set_title(plotting.OURS)
    _histograms(panels, files.get("histograms.csv"))
    return figure


def _histograms(panels, rows) -> None:
    """As in the paper, draw four crops (lines) of two images, without and with distortion."""
    from workflow.figures import plotting

    for image in (0, 1):
        for distorted in (0, 1):
            axes = panels[f"{image}{distorted}"]
            if rows is not None:
                chosen = rows[(rows["seed"] == rows["seed"].min()) & (rows["image"] == image)]
                chosen = chosen[chosen["distorted"] == distorted]
                for crop, part in chosen.groupby("crop"):
                    color = plotting.COLORS[plotting.SERIES[crop % len(plotting.SERIES)]]
                    axes.plot(part["bin"], part["density"], color=color, linewidth=0.8)
            axes.tick_params(labelsize=6.5)
            axes.set_yticks([])
            if image == 0:
                axes.set_title("with distortion" if distorted else "without", fontsize=8)
                axes.set_xticklabels([])
            else:
                axes.set_xlabel("intensity (bin)", fontsize=7.5)
            if distorted == 0:
                axes.set_ylabel(f"image {image + 1}", fontsize=8)


def claims(table) -> list:
    """C06: what the histograms give away without distortion and not with it."""
    from workflow.figures.contrasts import directional, per_seed

    plain, distorted = METRICS
    return [
        directional(
            "C06",
            "crops told by their histogram: without minus with colour distortion",
            per_seed(table, plain) - per_seed(table, distorted),
        )
    ]
