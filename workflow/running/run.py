"""Compute planned results in this process."""

import contextlib
import os
import sys
import time
from pathlib import Path

from simclr import determinism
from simclr.config import ConfigError
from simclr.store import results, runner
from simclr.store.instance import Instance
from workflow.running import gpu_slots, live_curves, locks
from workflow.running.again import compute_again
from workflow.running.progress import ProgressBar, finished_line, images_seen

NOTHING = "Nothing to compute; `simclr run --again NAME` computes a result again."


def run_instances(scale: str, instances: list[Instance], again: bool = False) -> int:
    """Compute `instances` one after the other in this process; returns the exit status.

    again: they are all there; 1 where one has other bits now.
    """
    store = Path("results") / scale
    live_curves.folder()  # refuses here, before anything is computed
    use_one_instruction_set(
        [one for one in instances if again or not results.is_finished(one.path(store))]
    )
    single = int(os.environ.get("WORLD_SIZE", "1")) == 1  # else torchrun gave every rank its card
    on_gpu = any(instance.device == "cuda" for instance in instances)
    slot = gpu_slots.slot() if on_gpu and single else contextlib.nullcontext()
    status, ran = 0, again
    with _lock(store, again), slot, runner.together(instances), ProgressBar() as bar:
        for instance in instances:
            started = time.perf_counter()
            images = images_seen(store, instance)
            bar.start(instance.label, images)
            place = Path(scale, instance.stage.name, instance.name)
            recorded = live_curves.recorded(bar.update, place, images)
            if again:
                with _naming(instance), recorded as report:
                    same, said = compute_again(instance, store, report)
                status = status if same else 1
                bar.finish(said)
                continue
            with _naming(instance), recorded as report:
                is_new = runner.compute(instance, store, report)
            if is_new:
                ran = True
                bar.finish(finished_line(store, instance, time.perf_counter() - started))
    if not ran and os.environ.get("RANK", "0") == "0":
        print(NOTHING)
    return status


def use_one_instruction_set(instances: list[Instance]) -> None:
    """Give this process the instruction set of these results; it starts again where it must.

    Call it before anything is locked or removed. Raises ConfigError.
    """
    first = {}  # instruction set -> the first that it computes
    for instance in instances:
        first.setdefault(instance.instruction_set, instance)
    if len(first) > 1:
        said = " and ".join(f"{one.label} with {name}" for name, one in first.items())
        raise ConfigError(
            f"instruction_set: one process cannot compute {said}; "
            "run `snakemake`, or one stage after the other by --stage."
        )
    if any(map(determinism.choose_instruction_set, first)):
        os.execv(sys.executable, [sys.executable, "-m", "workflow", *sys.argv[1:]])


def _lock(store: Path, again: bool):
    """Return the lock under which to compute; who computes again also moves what was kept."""
    if not again:
        return locks.computing(store)
    return locks.moving(store) if os.environ.get("RANK", "0") == "0" else contextlib.nullcontext()


@contextlib.contextmanager
def _naming(instance: Instance):
    """Name the result in an error that does not: which stage's setting is it?"""
    try:
        yield
    except ConfigError as error:
        if instance.name in str(error):
            raise
        raise ConfigError(f"{instance.label}: {error}") from None
