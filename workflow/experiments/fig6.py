"""Figure 6: colour histograms give an image's crops away, colour distortion does not (paper 3.1).

The paper shows histograms of pixel intensities (all channels together) of four random crops of
two images, without and with colour distortion. We quantify what it lets the reader see: how often
the nearest histogram (chi-squared distance; the CSV has L1 too) is that of another crop of the
same image. No training.
"""

from simclr.config import ConfigError
from workflow.experiments import Setting

TITLE = "Figure 6: telling an image's crops by their colour histograms"
PAPER = "Fig 6"
CLAIMS = ("C06",)
LABELS = ()
CAPTION = (
    "How often the nearest colour histogram, among the crops of many images, belongs to "
    "another crop of the same image, without and with colour distortion."
)
METRICS = {
    "retrieval_plain_chi2": "without colour distortion",
    "retrieval_distorted_chi2": "with it",
}
CHANCE = "retrieval_chance"


def settings(grid: dict) -> list[Setting]:
    """One setting: stage `histograms` compares both cases."""
    for name in grid:
        raise ConfigError(f"experiments.fig6.{name}: unknown; this figure has no grid: write {{}}.")
    return [Setting("histograms", "histograms", {}, {})]


def draw(table, paper):
    """Bars: how often the nearest histogram is of the same image, without and with distortion."""
    from workflow import drawing, statistics

    figure, (axes,) = drawing.panels(1, 2, height=2.9, width_ratios=[1.5, 1])
    for place, (metric, label) in enumerate(METRICS.items()):
        mean, low, high, _ = statistics.interval(table[metric])
        errors = None if low != low else [[mean - low], [high - mean]]
        color = drawing.COLORS[drawing.SERIES[place]]
        axes[0].barh(place, mean, xerr=errors, color=color, height=0.5)
        axes[0].text(1.5, place - 0.3, f"{label}: {mean:.1f} %", va="bottom")
    chance = float(table[CHANCE].mean())
    color = drawing.COLORS["gray"]
    axes[0].axvline(chance, color=color, linestyle="--", label=f"chance ({chance:.1f} %)")
    axes[0].legend(loc="lower right")
    axes[0].set_yticks([])
    axes[0].set_ylim(len(METRICS) - 0.6, -0.7)
    axes[0].set_xlim(0, 100)
    axes[0].set_xlabel("nearest histogram is of the same image (%)")
    axes[0].set_title(drawing.OURS)
    drawing.no_numbers(
        axes[1],
        "The paper shows histograms of four crops\nof two images: alike within an image\n"
        "without colour distortion, not with it.\nIt gives no number.",
    )
    axes[1].set_title("Paper")
    return figure


def claims(table) -> list:
    """C06: what the histograms give away without distortion and not with it."""
    from workflow import statistics as st

    plain, distorted = METRICS
    return [
        st.directional(
            "C06",
            "crops told by their histogram: without minus with colour distortion",
            st.per_seed(table, plain) - st.per_seed(table, distorted),
        )
    ]
