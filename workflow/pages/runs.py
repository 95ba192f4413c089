"""The page paper_figures/<scale>/runs.html: behind every figure its runs, and where they came from.

For each setting of each experiment: what differs from the scale's base setting, all resolved
settings, and per seed the key, durations, hardware, versions and code fingerprint as published in
data/published/<scale>.jsonl. Only published facts are shown, so the page is the same for everybody.
"""

import json
from pathlib import Path

from simclr.config import build, merge, to_dict
from simclr.settings import STAGES
from workflow import catalog
from workflow.pages import figure_files, ledger
from workflow.pages.rendering import write_page

RUNS = "runs.html"


def write_runs(plan, published: dict[str, dict], folder: Path) -> bool:
    """Write runs.html. Returns whether it changed.

    published: key -> line, as published.read_published returns.
    """
    planned = {instance.name for instance in plan.of("figures")}
    names = [name for name in figure_files.names_in(folder) if name in planned]
    return write_page(
        folder / RUNS,
        "runs.html.j2",
        here=plan.scale,
        scales=ledger.published(folder.parent, plan.scale),
        experiments=[
            {
                "figure": catalog.entry(name),
                "settings": [
                    _setting(plan, setting, runs, published)
                    for setting, runs in _runs(plan, name).items()
                ],
            }
            for name in names
        ],
    )


def _runs(plan, experiment: str) -> dict[str, list]:
    """Return {setting: [(seed, instance whose metrics the figure shows)]}."""
    figure = plan.figure(experiment)
    runs = {}
    for row in figure.settings["rows"]:
        _, key = figure.inputs[f"{row['setting']}.s{row['seed']}"]
        runs.setdefault(row["setting"], []).append((row["seed"], plan.instances[key]))
    return runs


def _setting(plan, name: str, runs: list, published: dict) -> dict:
    """What the page says of a setting: its stages by those of the first seed, and all its runs."""
    _, measured = runs[0]
    stages = [measured]
    if "encoder" in measured.inputs:
        _, key = measured.inputs["encoder"]
        stages.insert(0, plan.instances[key])
    return {
        "name": name,
        "stage": stages[0].stage,
        "differences": _differences(plan, stages[0]),
        "resolved": {
            instance.stage: json.dumps(_seedless_settings(instance), sort_keys=True)
            for instance in stages
        },
        "runs": [
            {"seed": seed, "key": instance.key, "published": published.get(instance.key)}
            for seed, instance in runs
        ],
    }


def _seedless_settings(instance) -> dict:
    return {name: value for name, value in instance.settings.items() if name != "seed"}


def _differences(plan, instance) -> dict:
    """Settings by dotted name that differ from the scale's base of the stage."""
    cls, _ = STAGES[instance.stage]
    base = merge(plan.settings.devices(cls), plan.settings.base.get(instance.stage, {}))
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
