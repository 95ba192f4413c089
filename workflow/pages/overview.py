"""The pages over all scales: what the paper claims, and what holds at which scale.

paper_figures/index.html       all figures as thumbnails, claims against compute, the ledger
paper_figures/figures/*.html   a figure at all scales (figure_pages.py)
paper_figures/claims/*.html    a claim at all scales (claim_pages.py)
"""

from collections import Counter
from pathlib import Path

from simclr.files import write_atomic
from workflow.pages import against_compute, claim_pages, figure_files, figure_pages, ledger
from workflow.pages.rendering import write_page


def write_overview(root: Path) -> int:
    """Write the pages, their tables and pictures over the scales below `root`.

    Returns how many files changed.
    """
    scales = ledger.published(root)
    rows = ledger.over_scales(root, scales)
    changed = write_atomic(root / "claims.csv", ledger.text_of(rows)) + against_compute.write(root)
    took = against_compute.costs(root)
    scales = list(reversed(took))  # from much compute to little
    claims = [_claim(row, scales) for row in rows]
    figures = figure_pages.published(root, scales)
    changed += figure_pages.write_thumbnails(root, figures)
    drawn = f"{against_compute.FIGURE}.svg"
    common = {"here": None, "scales": scales, "hours": took}
    changed += write_page(
        root / "index.html",
        "overview.html.j2",
        **common,
        claims_figure=figure_files.image(root, drawn) if (root / drawn).is_file() else None,
        counts={scale: Counter(row[f"{scale} verdict"] for row in rows) for scale in scales},
        claims=claims,
        figures=figures,
    )
    changed += figure_pages.write(root, figures, claims, common)
    return changed + claim_pages.write(root, figures, claims, common)


def _claim(row: dict, scales: list[str]) -> dict:
    """A claim, with its verdict, count of contrasts and effect at each scale."""
    columns = ("verdict", "contrasts", "effect")
    at = {scale: {name: row[f"{scale} {name}"] for name in columns} for scale in scales}
    return {**row, "at": at, "verdicts": {result["verdict"] for result in at.values()}}
