"""Estimated against recorded durations.

benchmarks/results/ has both: durations-<scale>.json, and in scales/ the scale as it was then. Names
of results stay when a scale's settings change, so today's plan says nothing about these durations.
"""

import datetime
import json
from pathlib import Path

from simclr import files
from workflow.docs import markdown
from workflow.planning.planner import build_plan
from workflow.planning.scale import SCALES
from workflow.publishing.published import read_published


def recorded(scale: str) -> dict:
    """Return hardware, the day of the record, and seconds by '<stage> <name>' of each result."""
    return files.read_json(_path(scale))


def _path(scale: str) -> Path:
    return files.ROOT / "benchmarks" / "results" / f"durations-{scale}.json"


def _scales() -> Path:
    """Return the folder of the scales that were measured."""
    return files.ROOT / "benchmarks" / "results" / "scales"


def record(scale: str) -> None:
    """Record the durations of the published runs, their scale and their hardware."""
    plan, seconds = build_plan(scale), {}
    published = {(line["stage"], line["name"]): line for line in read_published(scale).values()}
    for instance in plan.instances.values():
        line = published.get((instance.stage.name, instance.name), {})
        if "seconds" in line:
            seconds[instance.label] = line["seconds"]
            if "training" in line:
                seconds[instance.inputs["encoder"].label] = line["training"]["seconds"]
    about = {
        "hardware": ", ".join(sorted({line["hardware"] for line in published.values()})),
        "recorded": datetime.date.today().isoformat(),
        "seconds": dict(sorted(seconds.items())),
    }
    files.write_atomic(_path(scale), json.dumps(about, indent=1) + "\n")
    files.copy_atomic(SCALES / f"{scale}.yaml", _scales() / f"{scale}.yaml")


def check(scale: str) -> dict[str, list[tuple[float, float]]]:
    """Return {stage: [(estimated, measured) seconds]} of the recorded runs."""
    measured, pairs = recorded(scale)["seconds"], {}
    for instance in build_plan(scale, _scales()).instances.values():
        if instance.label in measured:
            pair = instance.seconds, measured[instance.label]
            pairs.setdefault(instance.stage.name, []).append(pair)
    return pairs


def check_table(scale: str) -> str:
    """Return the ratios of estimated to measured seconds in Markdown: each stage, and all."""
    by_stage = check(scale)
    by_stage["all"] = [pair for pairs in by_stage.values() for pair in pairs]
    lines = [["stage", "results", "estimated, s", "measured, s", "ratio", "least", "most"]]
    for stage, pairs in by_stage.items():
        estimated, measured = (sum(column) for column in zip(*pairs, strict=True))
        ratios = [each / max(other, 0.01) for each, other in pairs]  # recorded in hundredths
        lines.append(
            [
                stage,
                f"{len(pairs)}",
                f"{estimated:,.1f}",
                f"{measured:,.1f}",
                f"{estimated / measured:.2f}",
                f"{min(ratios):.2f}",
                f"{max(ratios):.2f}",
            ]
        )
    return markdown.table(lines)
