"""Bring published metrics into results/ by key."""

import hashlib
import json
import shutil
from pathlib import Path

from simclr.config import ConfigError
from simclr.store import results
from simclr.store.results import PROVENANCE, ResultError
from workflow.planning.planner import Plan
from workflow.publishing.published import DRAWN, METRICS, PUBLISHED, measured, read_published


def import_metrics(plan: Plan) -> str:
    """Bring published metrics into results/<scale> by key, so that figures need no computing."""
    published = read_published(plan.scale)
    if not published:
        raise ConfigError(f"{PUBLISHED / plan.scale}.jsonl: missing; nothing to import.")
    made = there = absent = 0
    for instance in measured(plan):
        path = instance.path(plan.store)
        line = published.get(instance.key)
        if results.is_finished(path):
            there += 1
        elif line is None:
            absent += 1
        else:
            _import_one(instance, line, path)
            made += 1
    text = f"{made} results imported, {there} were there already."
    if absent:
        text += f" {absent} are not among the published ones (settings or code differ)."
    return text


def _import_one(instance, line: dict, path: Path) -> None:
    """Write one imported result folder, after checking the published hash of its metrics."""
    texts = {METRICS: metrics_text(line["metrics"]), **line.get("files", {})}
    for name, text in texts.items():
        if hashlib.sha256(text.encode()).hexdigest() != line["outputs"].get(name):
            raise ResultError(
                f"{PUBLISHED}: {line['name']}: {name} differs from its recorded SHA-256."
            )
    temporary = path.parent.parent / "tmp" / instance.key
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, text in texts.items():
        if name != METRICS and name not in DRAWN:
            raise ResultError(f"{PUBLISHED}: {line['name']}: unexpected file {name}.")
        (temporary / name).write_text(text)
    provenance = {
        **{name: value for name, value in instance.line().items() if name != "seconds"},
        **{name: line[name] for name in ("hardware", "versions", "code")},
        "imported": True,
        "outputs": {name: line["outputs"][name] for name in texts},
    }
    (temporary / PROVENANCE).write_text(results.provenance_text(provenance))
    results.commit(temporary, path)


def metrics_text(metrics: dict) -> str:
    """The bytes of a metrics.json; the stages write it the same way."""
    return json.dumps(metrics, indent=1, sort_keys=True) + "\n"
