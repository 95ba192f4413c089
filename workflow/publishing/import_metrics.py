"""Bring published metrics into results/ by key."""

import hashlib
import shutil
from pathlib import Path

from simclr.config import ConfigError
from simclr.files import json_text, write_atomic
from simclr.store import results
from simclr.store.instance import Instance
from simclr.store.results import PROVENANCE, ResultError
from workflow.planning.plan import Plan
from workflow.publishing.published import (
    METRICS,
    SHARED_CSV,
    measured,
    published_file,
    read_published,
)


def import_metrics(plan: Plan, published: dict | None = None, source: Path | None = None) -> str:
    """Bring published metrics into results/<scale> by key, so that figures need no computing.

    published: {key: line}, read from `source`; default: what is published here. Returns a text for
    the user. Raises ConfigError where there is nothing, or a line is damaged.
    """
    source = source or published_file(plan.name)
    published = read_published(plan.name) if published is None else published
    if not published:
        found = "has no results" if source.exists() else "missing"
        raise ConfigError(f"{source}: {found}; nothing to import.")
    names = {(line["stage"], line["name"]) for line in published.values()}
    imported = present = outdated = absent = 0
    for instance in measured(plan):
        path = instance.path(plan.store)
        line = published.get(instance.key)
        if results.is_finished(path):
            present += 1
        elif line is None and (instance.stage.name, instance.name) in names:
            outdated += 1
        elif line is None:
            absent += 1
        else:
            _import_one(plan, instance, line, source)
            imported += 1
    text = f"{imported} results imported, {present} were there already."
    if outdated:
        text += f" {outdated} are published of other code or settings."
    if absent:
        text += f" {absent} are not published."
    return text


def _import_one(plan: Plan, instance: Instance, line: dict, source: Path) -> None:
    """Write one imported result folder, after checking the published hash of its files."""
    where = f"{source}: {line['name']}"
    texts = {METRICS: json_text(line["metrics"]), **line.get("files", {})}
    for name, text in texts.items():
        if hashlib.sha256(text.encode()).hexdigest() != line["outputs"].get(name):
            raise ResultError(f"{where}: {name} differs from its recorded SHA-256; restore it.")
    stage = instance.stage.name
    temporary = results.workplace(plan.store, stage) / "tmp" / instance.key
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, text in texts.items():
        if name != METRICS and name not in SHARED_CSV:
            raise ResultError(f"{where}: unexpected file {name}; restore it.")
        write_atomic(temporary / name, text)
    provenance = {
        **instance.record(),
        **{name: line[name] for name in ("hardware", "versions", "code")},
        "imported": True,
        "outputs": {name: line["outputs"][name] for name in texts},
    }
    write_atomic(temporary / PROVENANCE, results.provenance_text(provenance))
    results.commit(temporary, instance.path(plan.store))
