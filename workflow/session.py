"""One run of many results: what it will cost, how far it is, how long it still takes.

Snakemake's main process (or `simclr run`) writes results/<scale>/session.json when it starts; every
job reads it when a result is finished, and prints one line with the overall progress.
"""

import contextlib
import fcntl
import json
import os
import sys
import time
from pathlib import Path

import yaml

from simclr import keys, results, runner
from simclr.config import ConfigError, nearest
from workflow import gpu

_LOCKS = []  # open files: closing one would release it


def default_scale() -> str:
    """The scale that params.yaml names: the one that every command without a scale means."""
    params = yaml.safe_load((keys.ROOT / "params.yaml").read_text())
    if not isinstance(params, dict) or not isinstance(params.get("scale"), str):
        raise ConfigError("params.yaml: expected `scale: <name>`, e.g. `scale: tiny`.")
    unknown = set(params) - {"scale"}
    if unknown:
        raise ConfigError(
            f"params.yaml: {min(unknown)}: unknown.{nearest(min(unknown), ['scale'])}"
        )
    return params["scale"]


def put_this_python_first() -> None:
    """Let `python` in the commands of jobs be this one, where its environment is not activated."""
    here = os.path.dirname(sys.executable)
    os.environ["PATH"] = f"{here}{os.pathsep}{os.environ.get('PATH', '')}"


def take_lock(store: Path) -> None:
    """Take the lock of one driver per scale, or raise ConfigError. It dies with the process.

    Child processes do not inherit it (Python opens files so).
    """
    store.mkdir(parents=True, exist_ok=True)
    file = open(store / "driver.lock", "a+")  # noqa: SIM115 (held until the process ends)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise ConfigError(
            f"{store}: another run is at work (process {holder}); wait for it, then run again."
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    _LOCKS.append(file)


def begin(plan, absent) -> None:
    """Note what this run has to do, for the progress lines of its jobs; and `absent`, the keys of
    all that was not there, for jobs that read the rules again (see `begun`)."""
    missing = plan.missing()
    session = {
        "started": time.time(),
        "seconds": {i.key: i.seconds for i in missing},
        "stage": {i.key: i.stage for i in missing},
        "absent": list(absent),
    }
    results.write_atomic(plan.store / "session.json", json.dumps(session))


def begun(plan) -> dict:
    """Return {key: instance} of what was not there when the run began to which this job belongs.

    Raises ConfigError where the plan is another one by now.
    """
    keys_then = json.loads((plan.store / "session.json").read_text())["absent"]
    for key in keys_then:
        if key not in plan.instances:
            raise ConfigError(f"{key}: the code or scale changed since it was planned; run again.")
    return {key: plan.instances[key] for key in keys_then}


def summary(plan, cores: int | None = None, jobs: int | None = None) -> str:
    """Some lines: what is cached, what would be computed, about how long it takes, and why so.

    Here, on `cores` or the scale's GPUs; or on a cluster that runs so many `jobs` at a time.
    """
    total, missing = len(plan.instances), plan.missing()
    text = f"scale {plan.scale}: {total} results, "
    if not missing:
        return text + "all that the figures need is there; nothing to compute."
    scale = plan.settings
    starts = len(plan.groups(missing)) * scale.startup_seconds
    at_a_time = f"with {jobs} jobs at a time" if jobs else ""
    if scale.device == "cuda":
        hours = sum(map(plan.gpu_hours, missing))
        seconds = (3600 * hours / scale.gpus + starts) / (jobs or 1)
        where = at_a_time or f"on {scale.gpus} GPU{'s' * (scale.gpus > 1)}"
        cost = f"{hours:,.1f} GPU-hours"
    else:
        cores = cores or os.cpu_count() or 1
        work = sum(i.seconds for i in missing)
        seconds = (work + starts) / (jobs or cores)
        where = at_a_time or f"here ({cores} core{'s' * (cores > 1)})"
        cost = f"{duration(work)} on one core"
    lines = [
        f"{text}{len(missing)} to compute: {cost}, about {duration(seconds)} {where}.",
        f"Rates {scale.basis}.",
        "Expected, per experiment (what several share counts at the first):",
    ]
    for name, members in plan.by_experiment(missing).items():
        took = duration(sum(one.seconds for one in members))
        if scale.device == "cuda":
            took = f"{sum(map(plan.gpu_hours, members)):,.1f} GPU-hours"
        lines.append(f"  {name:11}{len(members):6} results  {took}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """12 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


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


def run_instances(scale: str, instances: list[dict]) -> int:
    """Compute `instances` one after the other in this process; returns the exit status."""
    store = Path("results") / scale
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1  # else torchrun gave every rank its card
    on_gpu = any(one["settings"].get("device") == "cuda" for one in instances)
    take = gpu.slot() if on_gpu and alone else contextlib.nullcontext()
    with take, runner.together(instances), _progress_bar() as bar:
        for instance in instances:
            started = time.perf_counter()
            bar.start(f"{instance['stage']} {instance['name']}", _images(store, instance))
            if runner.compute(instance, store, bar.update):
                bar.finish(_finished_line(store, instance, time.perf_counter() - started))
    return 0


def _finished_line(store: Path, instance: dict, seconds: float) -> str:
    """'[ 12/210] pretrain fig5.crop.s0  5.1 s | about 9 min left' (without Snakemake: no count)."""
    text = f"{instance['stage']} {instance['name']}  {seconds:.1f} s"
    with contextlib.suppress(OSError, ValueError, KeyError):
        session = json.loads((store / "session.json").read_text())
        expected, stage = session["seconds"], session["stage"]
        if instance["key"] not in expected:
            return text
        done = [k for k in expected if results.is_finished(store / stage[k] / k)]
        worked = sum(expected[k] for k in done)
        left = sum(expected.values()) - worked
        remaining = left / worked * (time.time() - session["started"]) if worked else 0.0
        return f"[{len(done):3}/{len(expected)}] {text} | about {duration(remaining)} left"
    return text


def _images(store: Path, instance: dict) -> int:
    """How many images a training sees in all its epochs; 0 where that is not known, or none."""
    epochs = instance["settings"].get("epochs", 0)
    if instance["stage"] not in runner.TRAINING or "data" not in instance["inputs"]:
        return 0
    with contextlib.suppress(OSError, ValueError, KeyError):
        folder = results.folder(store, *instance["inputs"]["data"])
        return epochs * sum(json.loads((folder / "data.json").read_text())["train_counts"])
    return 0


SAY_SECONDS = 60.0  # between lines about one result, where nobody watches a bar


class _progress_bar:
    """A bar within one result where a person watches; elsewhere a line a minute, and one at the end
    of each result."""

    def __enter__(self):
        self.bar = None
        return self

    def __exit__(self, *exception):
        if self.bar is not None:
            self.bar.close()

    def start(self, name: str, images: int) -> None:
        self.name, self.images, self.first = name, images, None
        self.said = time.monotonic()
        if sys.stderr.isatty() and os.environ.get("RANK", "0") == "0":
            from tqdm import tqdm

            self.bar = tqdm(total=100, desc=name, leave=False, unit="%", bar_format="{l_bar}{bar}|")

    def update(self, done: float, text: str) -> None:
        now = time.monotonic()
        self.first = self.first or (now, done)  # what a checkpoint had is not counted as speed
        text += self._pace(now, done)
        if self.bar is not None:
            self.bar.n = round(100 * done)
            self.bar.set_postfix_str(text, refresh=True)
        elif now - self.said > SAY_SECONDS:
            self.said = now
            print(f"{self.name}: {text}", file=sys.stderr, flush=True)

    def _pace(self, now: float, done: float) -> str:
        """', 812 images/s, 40 s left' once there is something to judge by."""
        seconds, share = now - self.first[0], done - self.first[1]
        if seconds < 1 or share <= 0:
            return ""
        speed = f", {self.images * share / seconds:,.0f} images/s" if self.images else ""
        return f"{speed}, {duration(seconds * (1 - done) / share)} left"

    def finish(self, line: str) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
        print(line, file=sys.stderr, flush=True)
