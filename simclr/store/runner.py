"""Compute one result: check its inputs, run its stage, record where it came from.

An *instance* is a planned result, as a line of results/<scale>/plan.jsonl:

    {"stage", "key", "name", "settings", "inputs": {role: [stage, key]}, "modules", "seconds"}

The stage writes into a temporary folder, which is renamed when complete: a crash at any moment
leaves either the whole result or none. What varies from run to run (times, host) stands in
provenance.json alone; every other file is the same, bit for bit, on the same kind of device.
"""

import contextlib
import datetime
import fcntl
import importlib
import importlib.metadata
import json
import os
import shutil
import sys
import time
from pathlib import Path

from simclr.config import ConfigError, build
from simclr.determinism import make_deterministic
from simclr.settings import STAGES
from simclr.store import keys, results
from simclr.store.provenance import installed_version, write_provenance

TRAINING = ("pretrain", "supervise", "finetune")  # what several ranks can share


def compute(instance: dict, store: Path, report=lambda done, text: None) -> bool:
    """Compute `instance` into `store` (results/<scale>) unless it is there. Returns whether it ran.

    Of several ranks (see `together`) the first does what others must not do twice; they only train.
    Raises ConfigError for a user's mistake, ResultError for a damaged input.
    """
    if int(os.environ.get("RANK", "0")):
        return _join(instance, store)
    final = results.folder(store, instance["stage"], instance["key"])
    with _exclusive(store, instance):
        if _agreed(results.is_finished(final)):
            return False
        inputs = _inputs(instance, store)
        for path in inputs.values():
            results.verify(path)
        _check_versions(instance)
        run, settings = _stage(instance)
        _check_code(instance)
        make_deterministic()
        out = _empty(store / "tmp" / instance["key"])
        final.parent.mkdir(exist_ok=True)
        checkpoint = store / "checkpoints" / f"{instance['key']}.safetensors"
        checkpoint.parent.mkdir(exist_ok=True)
        started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
        try:
            run(settings, inputs, out, checkpoint, report)
            seconds = time.perf_counter() - clock
            write_provenance(instance, out, started, seconds)
            results.commit(out, final)
        finally:
            shutil.rmtree(out, ignore_errors=True)
        checkpoint.unlink(missing_ok=True)
        _journal(store, instance, started, seconds)
        return True


def together(instances: list[dict]):
    """The context in which to compute `instances`: with other ranks where torchrun started some."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return contextlib.nullcontext()
    from simclr import distributed

    devices = {instance["settings"].get("device", "cpu") for instance in instances}
    return distributed.process_group("cuda" if "cuda" in devices else "cpu")


def _agreed(finished: bool) -> bool:
    """What the first rank knows, on all ranks."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return finished
    from simclr import distributed

    return distributed.broadcast(finished)


def _join(instance: dict, store: Path) -> bool:
    """Train with the first rank, and leave nothing; wait where only the first has work."""
    if not _agreed(False) and instance["stage"] in TRAINING:
        inputs = _inputs(instance, store)
        run, settings = _stage(instance)
        make_deterministic()
        out = _empty(store / "tmp" / f"{instance['key']}.{os.environ['RANK']}")
        checkpoint = store / "checkpoints" / f"{instance['key']}.safetensors"
        try:
            run(settings, inputs, out, checkpoint, lambda done, text: None)
        finally:
            shutil.rmtree(out, ignore_errors=True)
    return False  # the first rank says what was computed


def _inputs(instance: dict, store: Path) -> dict[str, Path]:
    """Role -> folder of each result that the instance reads."""
    return {
        role: results.folder(store, stage, key) for role, (stage, key) in instance["inputs"].items()
    }


def _empty(folder: Path) -> Path:
    """The folder, new; what a crashed attempt left there goes: nobody else is at work there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextlib.contextmanager
def _exclusive(store: Path, instance: dict):
    """Hold a lock on this result while it is computed; the lock dies with the process."""
    locks = store / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with open(locks / instance["key"], "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{instance['name']}: another process computes it; waiting.", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _stage(instance: dict):
    """Return (run function, settings) of the instance's stage."""
    if instance["stage"] == "figures":
        return importlib.import_module("workflow.figures.stage").run, instance["settings"]
    cls, module = STAGES[instance["stage"]]
    return importlib.import_module(module).run, build(cls, instance["settings"])


def _check_versions(instance: dict) -> None:
    """Refuse to record under the locked versions what other versions would compute."""
    if os.environ.get("SIMCLR_ANY_VERSIONS"):
        return
    for name, locked in keys.pinned_versions(tuple(instance["modules"])).items():
        installed = installed_version(name)
        if installed != locked:
            raise ConfigError(
                f"{name} {installed} is installed but requirements.lock pins {locked}: "
                f"install the lock file, or set SIMCLR_ANY_VERSIONS=1 to accept the difference."
            )


def _check_code(instance: dict) -> None:
    """Refuse to record under the planned key what code edited since would compute."""
    used = {role: key for role, (_, key) in instance["inputs"].items()}
    modules = tuple(instance["modules"])
    keyed = keyed_settings(instance["settings"])
    if keys.result_key(instance["stage"], keyed, used, modules) != instance["key"]:
        raise ConfigError(f"{instance['name']}: the code changed since it was planned; run again.")


def keyed_settings(settings: dict) -> dict:
    """The settings that belong into the key: all but places, whose content is hashed."""
    return {name: value for name, value in settings.items() if name not in ("file", "subset")}


def _journal(store: Path, instance: dict, started, seconds: float) -> None:
    """Append a line for every stage that was really executed; one write, so lines never mix."""
    line = {
        "stage": instance["stage"],
        "key": instance["key"],
        "name": instance["name"],
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
    }
    with open(store / "journal.jsonl", "a") as file:
        file.write(json.dumps(line) + "\n")
