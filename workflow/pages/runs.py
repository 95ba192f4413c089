"""The page paper_figures/<scale>/runs.html: behind every figure its runs, and where they came from.

For each setting of each experiment: what differs from the scale's base setting, all resolved
settings, and per seed the key, durations, hardware, versions and code fingerprint as published in
data/published/<scale>.jsonl. Only published facts are shown, so the page is the same for everybody.
"""

import csv
import io
import json
from pathlib import Path

from simclr.config import build, merge, to_dict
from simclr.store.instance import Instance
from workflow import catalog
from workflow.figures import states
from workflow.pages import figure_files, ledger
from workflow.pages.rendering import write_page
from workflow.planning.plan import Plan

RUNS = "runs.html"


def write_runs(plan: Plan, published: dict[str, dict], folder: Path) -> bool:
    """Write runs.html. Returns whether it changed.

    published: key -> line, as published.read_published returns.
    """
    planned = {instance.experiment for instance in plan.of_kind("figure")}
    names = [name for name in figure_files.names_in(folder) if name in planned]
    return write_page(
        folder / RUNS,
        "runs.html.j2",
        here=plan.name,
        scales=ledger.published(folder.parent, plan.name),
        experiments=[
            {
                "figure": catalog.entry(name),
                "settings": [
                    _setting(plan, name, setting, runs, published)
                    for setting, runs in _runs(plan, name).items()
                ],
            }
            for name in names
        ],
    )


def _runs(plan: Plan, experiment: str) -> dict[str, list[tuple[int, Instance]]]:
    """Return {setting: [(seed, instance whose metrics the figure shows)]}."""
    runs = {}
    for row, measured in plan.runs(plan.figure(experiment)):
        runs.setdefault(row["setting"], []).append((row["seed"], measured))
    return runs


def _setting(plan: Plan, experiment: str, name: str, runs: list, published: dict) -> dict:
    """What the page says of a setting: its stages by those of the first seed, and all its runs."""
    _, measured = runs[0]
    evaluations = plan.figure(experiment).inputs
    stages = [measured.inputs["encoder"]] if "encoder" in measured.inputs else []
    stages.append(measured)
    return {
        "name": name,
        "stage": stages[0].stage.name,
        "differences": _differences(plan, stages[0]),
        "resolved": {
            instance.stage.name: json.dumps(_seedless_settings(instance), sort_keys=True)
            for instance in stages
        },
        "runs": [
            {
                "seed": seed,
                "key": instance.key,
                "published": published.get(instance.key),
                "state": _state(instance, evaluations.get(f"{name}.s{seed}.encoder"), published),
            }
            for seed, instance in runs
        ],
    }


def _state(instance: Instance, evaluation: Instance | None, published: dict) -> str:
    """Whether its training by contrast learned, or that of the encoder that it started from."""
    if "encoder" not in instance.inputs:
        return ""
    chance = states.chance(instance.inputs["encoder"].settings)
    line = published.get((evaluation or instance).key, {})
    text = line.get("files", {}).get("curves.csv", "")
    return states.state(list(csv.DictReader(io.StringIO(text))), chance)


def _seedless_settings(instance: Instance) -> dict:
    return {name: value for name, value in to_dict(instance.settings).items() if name != "seed"}


def _differences(plan: Plan, instance: Instance) -> dict:
    """Settings by dotted name that differ from the scale's base of the stage."""
    cls = instance.stage.settings
    base = merge(plan.scale.devices(cls), plan.scale.base.get(instance.stage.name, {}))
    return _changed(to_dict(build(cls, base)), _seedless_settings(instance))


def _changed(base: dict, settings: dict, prefix: str = "") -> dict:
    changed = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            changed |= _changed(base.get(name) or {}, value, f"{prefix}{name}.")
        elif base.get(name) != value:
            text = " ".join(map(str, value)) if isinstance(value, list) else value
            changed[prefix + name] = text
    return changed
