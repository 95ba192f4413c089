"""data/published/SCALE.jsonl: the metrics of a scale, for Git."""

import json
from pathlib import Path

from simclr.config import ConfigError
from simclr.files import read_json, read_text
from simclr.registry import STAGES
from simclr.store import results
from simclr.store.instance import Instance
from workflow.planning.plan import Plan

PUBLISHED = Path("data/published")
METRICS = "metrics.json"
# What figures show beside metrics, published with them.
SHARED_CSV = tuple(dict.fromkeys(name for stage in STAGES.values() for name in stage.shared_csv))
# What a line has beside its key and metrics, at least; and what says how its result was made.
TEXTS, ORIGIN = ("name", "stage", "hardware"), ("code", "outputs", "versions", "files")


def published_file(scale: str) -> Path:
    """Return where the metrics of a scale are published."""
    return PUBLISHED / f"{scale}.jsonl"


def measured(plan: Plan) -> list[Instance]:
    """Return the instances whose result is a metrics file, sorted by name."""
    return sorted(plan.of_kind("measurement"), key=lambda i: (i.name, i.stage.name))


def published_line(instance: Instance, store: Path) -> dict | None:
    """Return what is published of one result, None where it is not there. Raises ResultError."""
    path = instance.path(store)
    if not results.is_finished(path):
        return None
    provenance = results.verify(path)
    return {
        "name": instance.name,
        "stage": instance.stage.name,
        "key": instance.key,
        "metrics": read_json(path / METRICS),
        **_shared_files(path),
        **_durations(instance, provenance, store),
        "outputs": provenance["outputs"],
        "hardware": provenance["hardware"],
        "versions": provenance["versions"],
        "code": provenance["code"],
    }


def _durations(instance: Instance, provenance: dict, store: Path) -> dict:
    """Return what the result took, in seconds, and the training of the encoder that it read."""
    durations = {"seconds": provenance["seconds"]} if "seconds" in provenance else {}
    if "encoder" in instance.inputs:
        encoder = instance.inputs["encoder"]
        path = encoder.path(store)
        if results.is_finished(path):
            seconds = results.read_provenance(path).get("seconds")
            durations["training"] = {"key": encoder.key, "seconds": seconds}
    return durations


def _shared_files(path: Path) -> dict:
    present = [name for name in SHARED_CSV if (path / name).is_file()]
    files = {name: read_text(path / name) for name in present}
    return {"files": files} if files else {}


def read_published(scale: str) -> dict[str, dict]:
    """Return {key: published line} of a scale; empty where nothing is. Raises ConfigError."""
    path = published_file(scale)
    return read_records(path) if path.exists() else {}


def read_records(path: Path) -> dict[str, dict]:
    """Return {key: line} of a published file. Raises ConfigError.

    Refuses a line that does not say how its result was made.
    """
    records = {line["key"]: line for line in read_lines(path)}
    for key, line in records.items():
        line = {"files": {}, **line}
        kinds = {name: str if name == "code" else dict for name in ORIGIN}
        wrong = [name for name, kind in kinds.items() if not isinstance(line.get(name), kind)]
        wrong = wrong or [n for n, text in line["files"].items() if not isinstance(text, str)]
        if wrong:
            raise ConfigError(f"{path}: {key} has no {wrong[0]}; restore the line.")
    return records


def read_lines(path: Path) -> list[dict]:
    """Return the lines of a published file. Raises ConfigError, which names a damaged one."""
    if not path.is_file():
        raise ConfigError(f"{path}: a folder or device, no published file; put it elsewhere.")
    lines = []
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            line = json.loads(text)
            key, metrics = line["key"], line["metrics"]
            if not isinstance(key, str) or not all(map(_is_number, metrics.values())):
                raise ValueError("metrics")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ConfigError(f"{path}:{number}: not a published result; restore it.") from None
        for name in TEXTS:
            if not isinstance(line.get(name), str):
                raise ConfigError(f"{path}:{number}: {key} has no {name}; restore the line.")
        lines.append(line)
    return lines


def _is_number(value) -> bool:
    """Tell whether a metric can be compared: an integer of hundreds of digits cannot."""
    is_whole = type(value) is int and abs(value) < 2**63
    return is_whole or isinstance(value, float)
