"""data/published/SCALE.jsonl: the metrics of a scale, for Git."""

import json
from pathlib import Path

from simclr.config import ConfigError
from simclr.store import results
from workflow.planning.planner import LISTS, Plan

PUBLISHED = Path("data/published")
METRICS = "metrics.json"
# What figures show beside metrics, published with them.
SHARED_CSV = ("curves", "points", "spectrum", "histograms", "examples", "neighbours")
DRAWN = tuple(f"{name}.csv" for name in SHARED_CSV)


def measured(plan: Plan) -> list:
    """The instances whose result is a metrics file, sorted by name."""
    return sorted(plan.of(*LISTS["evaluate"]), key=lambda i: (i.name, i.stage))


def published_line(instance, store: Path) -> dict | None:
    """What is published of one result, None where it is not there."""
    path = instance.path(store)
    if not results.is_finished(path):
        return None
    provenance = results.verify(path)
    return {
        "name": instance.name,
        "stage": instance.stage,
        "key": instance.key,
        "metrics": json.loads((path / METRICS).read_text()),
        **_drawn(path),
        **_durations(instance, provenance, store),
        "outputs": provenance["outputs"],
        "hardware": provenance["hardware"],
        "versions": provenance["versions"],
        "code": provenance["code"],
    }


def _durations(instance, provenance: dict, store: Path) -> dict:
    """What the result took, in seconds, and the training of the encoder that it looked at."""
    found = {"seconds": provenance["seconds"]} if "seconds" in provenance else {}
    if "encoder" in instance.inputs:
        stage, key = instance.inputs["encoder"]
        path = results.folder(store, stage, key)
        if results.is_finished(path):
            seconds = results.read_provenance(path).get("seconds")
            found["training"] = {"key": key, "seconds": seconds}
    return found


def _drawn(path: Path) -> dict:
    files = {name: (path / name).read_text() for name in DRAWN if (path / name).is_file()}
    return {"files": files} if files else {}


def read_published(scale: str) -> dict[str, dict]:
    """Return {key: published line} of a scale; empty where nothing is published."""
    path = PUBLISHED / f"{scale}.jsonl"
    if not path.is_file():
        return {}
    found = {}
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            line = json.loads(text)
            found[line["key"]] = line
            if not isinstance(line["metrics"], dict):
                raise ValueError("metrics")
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path}:{number}: not a published result; restore it.") from None
    return found
