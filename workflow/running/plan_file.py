"""results/SCALE/plan and plan.jsonl: the plan on disk, for DVC and for jobs."""

import json
from pathlib import Path

from simclr.config import ConfigError
from simclr.files import read_text, write_atomic
from simclr.store.instance import Instance, from_line
from workflow.planning.plan import Plan
from workflow.running.locks import driving
from workflow.running.unused import settle
from workflow.stages import DVC_STAGES, STAGES, covered_by


def write_plan(plan: Plan) -> None:
    """Write the lists of keys that DVC watches, and plan.jsonl, which the jobs read; settle.

    Raises ConfigError where this would change them while another run is at work.
    """
    settle(plan)
    lines = [json.dumps(instance.line()) + "\n" for instance in plan.instances.values()]
    texts = {plan.store / "plan.jsonl": "".join(lines)}
    for name in DVC_STAGES:
        stages = covered_by(name)
        lines = sorted(f"{i.name} {i.stage.name} {i.key}\n" for i in plan.of(*stages))
        texts[plan.store / "plan" / f"{name}.txt"] = "".join(lines)
        for stage in stages:  # DVC wants its outputs to exist, also where a scale has none of it
            (plan.store / stage).mkdir(parents=True, exist_ok=True)
    if any(not path.is_file() or read_text(path) != text for path, text in texts.items()):
        with driving(plan.store):
            for path, text in texts.items():
                write_atomic(path, text)


def read_planned(scale: str, wanted: list[str]) -> list[Instance]:
    """Return the instances of results/<scale>/plan.jsonl with the keys `wanted`.

    Raises ConfigError where the file or a key is not there.
    """
    path = Path("results") / scale / "plan.jsonl"
    if not path.is_file():
        raise ConfigError(f"{path}: missing; run `simclr plan {scale} --write` first.")
    lines = {}
    for text in read_text(path).splitlines():
        line = json.loads(text)
        lines[line["key"]] = line
    instances = {}

    def planned(key: str) -> Instance:
        if key not in lines:
            raise ConfigError(f"{key}: not in {path}; plan again.")
        if key not in instances:
            line = lines[key]
            inputs = {role: planned(needed) for role, (_, needed) in line["inputs"].items()}
            instances[key] = from_line(line, STAGES[line["stage"]], inputs)
        return instances[key]

    return [planned(key) for key in wanted]
