"""The page paper_figures/index.html: what the paper claims, and what holds at which scale.

It has every claim with its verdict at each published scale, and every figure with a switch between
the scales.
"""

from collections import Counter
from pathlib import Path

from simclr.files import write_atomic
from workflow import catalog
from workflow.pages import against_compute, figure_files, hours, ledger
from workflow.pages.rendering import write_page


def write_overview(root: Path) -> int:
    """Write the page, its tables and its figure over the scales below `root`.

    Returns how many files changed.
    """
    scales = ledger.published(root)
    rows = ledger.over_scales(root, scales)
    changed = write_atomic(root / "claims.csv", ledger.text_of(rows)) + against_compute.write(root)
    drawn = f"{against_compute.FIGURE}.svg"
    return changed + write_page(
        root / "index.html",
        "overview.html.j2",
        here=None,
        scales=scales,
        hours={name: hours.text(took) for name, took in against_compute.in_order(root).items()},
        claims_figure=figure_files.image(root, drawn) if (root / drawn).is_file() else None,
        counts={scale: Counter(row[f"{scale} verdict"] for row in rows) for scale in scales},
        claims=[_claim(row, scales) for row in rows],
        figures=_figures(root, scales),
    )


def _claim(row: dict, scales: list[str]) -> dict:
    """A claim, with its verdict, count of contrasts and effect at each scale."""
    columns = ("verdict", "contrasts", "effect")
    at = {scale: {name: row[f"{scale} {name}"] for name in columns} for scale in scales}
    return {**row, "at": at, "verdicts": {result["verdict"] for result in at.values()}}


def _figures(root: Path, scales: list[str]) -> list[dict]:
    """Each published figure, with its image at every scale that has it."""
    names = {scale: figure_files.names_in(root / scale) for scale in scales}
    return [
        {
            "figure": catalog.entry(name),
            "images": {
                scale: figure_files.image(root, f"{scale}/{name}.svg")
                for scale in scales
                if name in names[scale]
            },
        }
        for name in sorted(set().union(*names.values()), key=catalog.paper_order)
    ]
