"""results/SCALE/plan and plan.jsonl: the plan on disk, for DVC and for jobs."""

import json
from pathlib import Path

from simclr import files
from simclr.config import ConfigError
from workflow.planning.planner import LISTS, Plan
from workflow.planning.scale import default_scale
from workflow.planning.unused import settle


def write_plan(plan: Plan) -> None:
    """Write the lists of keys that DVC watches, and plan.jsonl, which the jobs read; settle."""
    settle(plan)
    for name, stages in LISTS.items():
        lines = sorted(f"{i.name} {i.stage} {i.key}\n" for i in plan.of(*stages))
        files.write_atomic(plan.store / "plan" / f"{name}.txt", "".join(lines))
        for stage in stages:  # DVC wants its outputs to exist, also where a scale has none of it
            (plan.store / stage).mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(i.line()) + "\n" for i in plan.instances.values())
    files.write_atomic(plan.store / "plan.jsonl", text)


def read_planned(scale: str | None, wanted: list[str]) -> tuple[str, list[dict]]:
    """Return (scale, the lines of plan.jsonl with the keys `wanted`). Raises ConfigError."""
    scale = scale or default_scale()
    path = Path("results") / scale / "plan.jsonl"
    if not path.is_file():
        raise ConfigError(f"{path}: missing; run `simclr plan {scale} --write` first.")
    lines = {}
    for text in path.read_text().splitlines():
        line = json.loads(text)
        lines[line["key"]] = line
    for key in wanted:
        if key not in lines:
            raise ConfigError(f"{key}: not in {path}; plan again.")
    return scale, [lines[key] for key in wanted]
