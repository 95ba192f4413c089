"""Write the metrics of a scale to data/published, for Git."""

import json
from pathlib import Path

from simclr.config import ConfigError
from simclr.files import check_destination, write_atomic
from simclr.store.instance import Instance
from workflow.pages.site import write_pages
from workflow.planning.plan import Plan
from workflow.publishing.published import (
    measured,
    published_file,
    published_line,
    read_published,
)


def export_metrics(plan: Plan, partial: bool = False) -> str:
    """Write data/published/<scale>.jsonl from the results; return a text for the user.

    partial: where a result is not here, keep what is published under its key, or else under its
    name, with the key of the code or settings that it was of. Otherwise raises ConfigError where
    some are not computed yet.
    """
    check_destination(published_file(plan.name))
    instances = measured(plan)
    lines = [published_line(instance, plan.store) for instance in instances]
    before, notes = read_published(plan.name), []
    if partial:
        lines, notes = _with_published(instances, lines, before)
    if None in lines:
        raise ConfigError(
            f"{lines.count(None)} of {len(lines)} results are not computed yet: "
            f"run `snakemake --cores all --config scale={plan.name}` first, or use --partial."
        )
    for line in lines:  # an imported result, or one without its encoder, keeps what was published
        known = before.get(line["key"], {})
        line.update({k: known[k] for k in ("seconds", "training") if k in known and k not in line})
    text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
    write_atomic(published_file(plan.name), text)
    if (Path("paper_figures") / plan.name).is_dir():
        write_pages(plan, read_published(plan.name))
    return "\n".join([f"{published_file(plan.name)}: {len(lines)} results.", *notes])


def _with_published(instances: list[Instance], here: list, before: dict) -> tuple[list, list]:
    """Return (lines of results that are here and of those that are kept, what to say of them).

    here: a line or None for each instance; before: key -> line, as published.
    """
    former = {(line["stage"], line["name"]): line for line in before.values()}
    lines, kept, outdated = [], 0, []
    for instance, line in zip(instances, here, strict=True):
        old = former.pop((instance.stage.name, instance.name), None)
        if line is None and (line := before.get(instance.key)):
            kept += 1
        elif line is None and (line := old):
            outdated.append(instance.label)
        lines += [line] if line else []
    absent, notes = len(instances) - len(lines), []
    if kept:
        notes.append(f"{kept} are not here: kept as published.")
    if absent:
        notes.append(f"{absent} are not computed yet.")
    if outdated:
        notes.append(
            f"{len(outdated)} are of other code or settings, e.g. {outdated[0]}: kept until they "
            "are computed again; figures do not show them."
        )
    if former:
        notes.append(f"{len(former)} are not in the plan any more: left out.")
    return lines, notes
