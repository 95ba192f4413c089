"""From keyed results to stable names: paper_figures/, the published metrics, DVC's record.

Figures are drawn under their key and published by copying, so a reverted change re-publishes what
was drawn before. A full publication compares its metrics with the published ones and, where this
is a DVC repository, records the results (after verifying every byte).
"""

from pathlib import Path

from simclr import files
from simclr.store import results
from workflow.pages.dvc_views import FILES as SUMMARY
from workflow.pages.site import write_pages
from workflow.planning.plan import Plan
from workflow.publishing.compare import compare_with_published
from workflow.publishing.dvc_record import record
from workflow.publishing.published import read_published

DATA_CARD = ("data_card.md", "contact_sheet.png")


def publish(plan: Plan, experiments: list[str] | None = None) -> None:
    """Copy finished figures to paper_figures/<scale>; all of them (then also compare and record)
    or the named `experiments` alone. Raises ResultError where a figure is not there or damaged.
    """
    folder = Path("paper_figures") / plan.name
    wanted = [plan.figure(name) for name in experiments] if experiments else plan.of_kind("figure")
    changed = 0
    for instance in wanted:
        source = instance.path(plan.store)
        for name in results.verify(source)["outputs"]:
            changed += files.copy_atomic(source / name, folder / name)
    for instance in (i for i in plan.instances.values() if i.is_scale_data):
        source = instance.path(plan.store)
        if results.is_finished(source):  # imported metrics come without it: then the card stays
            results.verify(source, DATA_CARD)  # not the images, of which there may be many
            changed += sum(files.copy_atomic(source / name, folder / name) for name in DATA_CARD)
    if experiments is None:
        changed += _remove_others(plan, folder)
    write_pages(plan, read_published(plan.name))
    what = "figure or table" if len(wanted) == 1 else "figures and tables"
    print(f"{folder}/index.html: {len(wanted)} {what}, {changed} files changed.")
    if experiments is None:
        print(compare_with_published(plan))
        record(plan)


def _remove_others(plan: Plan, folder: Path) -> int:
    """Delete what belongs to experiments that the scale no longer has; returns how many files."""
    keep = {"index.html", "runs.html", "claims.csv", *SUMMARY, *DATA_CARD}
    for instance in plan.of_kind("figure"):
        keep |= set(results.read_provenance(instance.path(plan.store))["outputs"])
    others = [path for path in folder.iterdir() if path.name not in keep and path.is_file()]
    for path in others:
        path.unlink()
    return len(others)
