"""Compute one result: check its inputs, run its stage, record where it came from.

The stage writes into a temporary folder, which is renamed when complete: a crash at any moment
leaves either the whole result or none. What varies from run to run (times, host) stands only in
provenance.json; every other file is the same, bit for bit, on the same kind of device.
"""

import contextlib
import datetime
import importlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

from filelock import FileLock, Timeout

from simclr import determinism, files
from simclr.config import ConfigError
from simclr.store import keys, provenance, results
from simclr.store.instance import Instance


def compute(
    instance: Instance, store: Path, report=lambda *_: None, final: Path | None = None
) -> bool:
    """Compute `instance` into `store` (results/<scale>) unless it is there. Returns whether it ran.

    final: another folder than its own, to compare the two. Of several ranks (see `together`) only
    the first locks, checks and records; the others train. Raises ConfigError for a user's mistake,
    ResultError for a damaged input.
    """
    if int(os.environ.get("RANK", "0")):
        return _join(instance, store)
    final = final or instance.path(store)
    with _exclusive(store, instance):
        finished = results.is_finished(final)
        if not finished:
            stamps, checkpoint = _stamps(instance, store), _checkpoint(instance, store)
            for path in _inputs(instance, store).values():
                results.verify(path)
            _check_checkpoint(instance, checkpoint, stamps)
        if _agreed(instance, finished):
            return False
        run = _loaded(instance)
        results.check_place(final)
        out = _empty(_workplace(instance, store) / "tmp" / instance.key)
        started, clock = datetime.datetime.now(datetime.UTC), time.perf_counter()
        try:
            run(instance.settings, _inputs(instance, store), out, checkpoint, report)
            seconds = time.perf_counter() - clock
            _check_versions(instance)
            if _stamps(instance, store) != stamps:
                checkpoint.unlink(missing_ok=True)
                raise ConfigError(f"{instance.name}: its inputs were changed meanwhile; run again.")
            provenance.write_provenance(instance, out, started, seconds)
            results.commit(out, final)
        finally:
            shutil.rmtree(out, ignore_errors=True)
        for file in checkpoint.parent.glob(f"*{instance.key}*"):  # and what a kill left half
            file.unlink()
        _journal(store, instance, started, seconds)
        return True


def together(instances: list[Instance]):
    """Return the context in which to compute: with other ranks where torchrun started some."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return contextlib.nullcontext()
    from simclr import distributed

    devices = {instance.device for instance in instances}
    return distributed.process_group("cuda" if "cuda" in devices else "cpu")


def _agreed(instance: Instance, finished: bool) -> bool:
    """Return the first rank's answer, on all ranks. Raises ConfigError where another is planned."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return finished
    from simclr import distributed

    key = int(instance.key, 16)
    first, answer = divmod(distributed.broadcast(2 * key + finished), 2)
    if first != key:
        raise ConfigError(f"{instance.name}: the code or scale of the ranks differs; run again.")
    return bool(answer)


def _join(instance: Instance, store: Path) -> bool:
    """Train with the first rank, and leave nothing; wait where only the first has work."""
    if not _agreed(instance, False) and instance.stage.trains:
        run = _loaded(instance)
        name = f"{instance.key}.{os.environ['RANK']}"
        out = _empty(_workplace(instance, store) / "tmp" / name)
        inputs, checkpoint = _inputs(instance, store), _checkpoint(instance, store)
        try:
            run(instance.settings, inputs, out, checkpoint, lambda *_: None)
        finally:
            shutil.rmtree(out, ignore_errors=True)
    return False  # the first rank says what was computed


def _loaded(instance: Instance):
    """Return the stage's `run`, with all that decides a result as the key says. ConfigError."""
    determinism.check_environment(instance.instruction_set)
    run = importlib.import_module(instance.stage.module).run
    _check_code(instance)
    _check_versions(instance)
    determinism.make_deterministic()
    return run


def _stamps(instance: Instance, store: Path) -> dict:
    """Return what tells that a file of the inputs was written."""
    folders = _inputs(instance, store)
    return {role: files.stamps(folder) for role, folder in folders.items()}


def _check_checkpoint(instance: Instance, checkpoint: Path, stamps: dict) -> None:
    """Remove the checkpoint of an attempt whose inputs were written since: it may have read others.

    Note beside it of which it is.
    """
    read_by, text = _read_by(checkpoint), json.dumps(stamps)
    if read_by.is_file() and files.read_text(read_by) != text and checkpoint.exists():
        print(f"{instance.name}: its inputs were written since; starting anew.", file=sys.stderr)
        checkpoint.unlink()
    files.write_atomic(read_by, text)


def _read_by(checkpoint: Path) -> Path:
    return checkpoint.with_suffix(".inputs")


def _inputs(instance: Instance, store: Path) -> dict[str, Path]:
    """Return role -> folder of each result that the instance reads."""
    return {role: needed.path(store) for role, needed in instance.inputs.items()}


def _workplace(instance: Instance, store: Path) -> Path:
    return results.workplace(store, instance.stage.name)


def _checkpoint(instance: Instance, store: Path) -> Path:
    return _workplace(instance, store) / "checkpoints" / f"{instance.key}.safetensors"


def _empty(folder: Path) -> Path:
    """Return the folder, new; what a crashed attempt left there goes: nobody else works there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextlib.contextmanager
def _exclusive(store: Path, instance: Instance):
    """Hold a lock on this result while it is computed; the lock dies with the process."""
    locks = store / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / instance.key)
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        print(f"{instance.name}: another process computes it; waiting.", file=sys.stderr)
        held = lock.acquire()
    with held:
        yield


def _check_versions(instance: Instance) -> None:
    """Refuse to record under the locked versions what other versions would compute.

    Also a module that is named like a library but lies elsewhere, in the current folder perhaps.
    """
    if os.environ.get("SIMCLR_ANY_VERSIONS"):
        return
    for name, locked in keys.pinned_versions(instance.modules).items():
        installed = provenance.installed_version(name)
        if installed != locked:
            raise ConfigError(
                f"{name} {installed} is installed but requirements.lock pins {locked}: "
                f"install the lock file, or set SIMCLR_ANY_VERSIONS=1 to accept the difference."
            )
    for module, home in provenance.homes(instance.modules).items():
        found = getattr(sys.modules.get(module), "__file__", None)
        if found and not Path(found).is_relative_to(home):
            raise ConfigError(
                f"{found}: it hides the library {module} in {home}; rename it, or mend PYTHONPATH."
            )


def _check_code(instance: Instance) -> None:
    """Refuse to record under the planned key what code edited since would compute."""
    if keys.key_of(instance.parts()) != instance.key:
        raise ConfigError(f"{instance.name}: the code changed since it was planned; run again.")


def _journal(store: Path, instance: Instance, started, seconds: float) -> None:
    """Append a line for every stage that was executed; one write, so lines never mix."""
    line = {
        "stage": instance.stage.name,
        "key": instance.key,
        "name": instance.name,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
    }
    with open(store / "journal.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
