"""Compute planned results in this process."""

import contextlib
import os
import time
from pathlib import Path

from simclr.config import ConfigError
from simclr.store import runner
from simclr.store.instance import Instance
from workflow.running import gpu_slots
from workflow.running.progress import ProgressBar, finished_line, images_seen


def run_instances(scale: str, instances: list[Instance]) -> int:
    """Compute `instances` one after the other in this process; returns the exit status."""
    store = Path("results") / scale
    single = int(os.environ.get("WORLD_SIZE", "1")) == 1  # else torchrun gave every rank its card
    on_gpu = any(instance.device == "cuda" for instance in instances)
    slot = gpu_slots.slot() if on_gpu and single else contextlib.nullcontext()
    with slot, runner.together(instances), ProgressBar() as bar:
        for instance in instances:
            started = time.perf_counter()
            bar.start(instance.label, images_seen(store, instance))
            with _naming(instance):
                is_new = runner.compute(instance, store, bar.update)
            if is_new:
                bar.finish(finished_line(store, instance, time.perf_counter() - started))
    return 0


@contextlib.contextmanager
def _naming(instance: Instance):
    """Name the result in an error that does not: which stage's setting is it?"""
    try:
        yield
    except ConfigError as error:
        if instance.name in str(error):
            raise
        raise ConfigError(f"{instance.label}: {error}") from None
