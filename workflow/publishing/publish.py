"""From keyed results to stable names: paper_figures/, the published metrics, DVC's record.

Figures are drawn under their key and published by copying, so a reverted change re-publishes what
was drawn before. A full publication compares its metrics with the published ones and, where this
is a DVC repository, records the results (after verifying every byte).
"""

import tempfile
from pathlib import Path

from simclr import files
from simclr.store import results
from simclr.store.instance import Instance
from workflow.pages.dvc_views import FILES as SUMMARY
from workflow.pages.site import write_pages
from workflow.planning.plan import Plan
from workflow.publishing.compare import compare_with_published
from workflow.publishing.dvc_record import record
from workflow.publishing.published import read_published

FEWEST = 0.2  # of a figure's runs: with fewer it would show little but their absence
DATA_CARD = ("data_card.md", "contact_sheet.png")


def publish(plan: Plan, experiments: list[str] | None = None, partial: bool = False) -> None:
    """Copy finished figures to paper_figures/<scale>: only `experiments`, or all of them.

    Of all, compares the metrics with the published ones and records the results. partial: draws
    what is not finished from the runs that are there. Raises ResultError where a figure is not
    there or damaged.
    """
    folder = Path("paper_figures") / plan.name
    wanted = [plan.figure(name) for name in experiments] if experiments else plan.of_kind("figure")
    changed, drawn = 0, len(wanted)
    for instance in wanted:
        source = instance.path(plan.store)
        if partial and not results.is_finished(source):
            written = _draw_in_part(plan, instance, folder)
            changed += written or 0
            drawn -= written is None
            continue
        for name in results.verify(source)["outputs"]:
            changed += files.copy_atomic(source / name, folder / name)
    source = plan.scale_data.path(plan.store)
    if results.is_finished(source):  # imported metrics come without it: then the card stays
        results.verify(source, DATA_CARD)  # not the images, of which there may be many
        changed += sum(files.copy_atomic(source / name, folder / name) for name in DATA_CARD)
    whole = experiments is None and not partial
    if whole:
        changed += _remove_others(plan, folder)
    write_pages(plan, read_published(plan.name))
    what = "figure or table" if drawn == 1 else "figures and tables"
    print(f"{folder}/index.html: {drawn} {what}, {changed} files changed.")
    if drawn < len(wanted):
        print(f"{len(wanted) - drawn} have hardly a result here: what is published of them stays.")
    if whole:
        print(compare_with_published(plan))
        record(plan)


def _draw_in_part(plan: Plan, figure: Instance, folder: Path) -> int | None:
    """Draw a figure into `folder` from the runs that are there.

    Returns how many files changed, None where hardly a run is there.
    """
    from workflow.figures import stage  # here: complete figures are copied without matplotlib

    paths = {role: run.path(plan.store) for role, run in figure.inputs.items()}
    present = {role: path for role, path in paths.items() if results.is_finished(path)}
    if len(present) < FEWEST * len(paths):
        return None
    for path in present.values():
        results.verify(path)
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        stage.run(figure.settings, present, out, out, lambda *_: None)
        return sum(files.copy_atomic(path, folder / path.name) for path in out.iterdir())


def _remove_others(plan: Plan, folder: Path) -> int:
    """Delete what belongs to experiments that the scale no longer has; returns how many files."""
    keep = {"index.html", "runs.html", "claims.csv", *SUMMARY, *DATA_CARD}
    for instance in plan.of_kind("figure"):
        keep |= set(results.read_provenance(instance.path(plan.store))["outputs"])
    others = [path for path in folder.iterdir() if path.name not in keep and path.is_file()]
    for path in others:
        path.unlink()
    return len(others)
