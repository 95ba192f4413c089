"""Write the metrics of a scale to data/published, for Git."""

import json
from pathlib import Path

from simclr.config import ConfigError
from simclr.files import check_destination, write_atomic
from workflow.pages.site import write_pages
from workflow.planning.plan import Plan
from workflow.publishing.published import (
    measured,
    published_file,
    published_line,
    read_published,
)


def export_metrics(plan: Plan, partial: bool = False) -> str:
    """Write data/published/<scale>.jsonl from the results; return a line for the user.

    partial: where a result is not computed here, keep what was published under its name, with the
    key that it has there. Otherwise raises ConfigError where some are not computed yet.
    """
    check_destination(published_file(plan.name))
    instances = measured(plan)
    lines = [published_line(instance, plan.store) for instance in instances]
    kept, before = lines.count(None), read_published(plan.name)
    if partial:
        former = {(line["stage"], line["name"]): line for line in before.values()}
        names = [(instance.stage.name, instance.name) for instance in instances]
        lines = [line or former.get(name) for name, line in zip(names, lines, strict=True)]
        lines = [line for line in lines if line is not None]
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
    text = f"{published_file(plan.name)}: {len(lines)} results."
    return f"{text} {kept} are not computed here: kept as published." if kept else text
