"""All pages of a scale, and the page over all scales."""

from pathlib import Path

from workflow.pages import dvc_views, extent, overview, runs, scale_page


def write_pages(plan, published: dict[str, dict]) -> None:
    """Write the pages that browse the published figures of the scale, and of all scales.

    published: key -> line of data/published/<scale>.jsonl.
    """
    folder = Path("paper_figures") / plan.name
    runs.write_runs(plan, published, folder)
    results = extent.counts(plan, published.values())
    scale_page.write_index(folder, plan.name, plan.scale.title, results)
    dvc_views.write_summary(folder, plan, published, results)
    overview.write_overview(folder.parent)
