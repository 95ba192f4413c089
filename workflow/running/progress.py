"""Progress: a bar where a person watches, lines elsewhere."""

import contextlib
import os
import sys
import time
from pathlib import Path

from simclr.files import read_json
from simclr.store import results
from simclr.store.instance import Instance
from workflow.planning.summary import duration

TRUST = 0.1  # in the estimate of the whole before anything is computed
SAY_SECONDS = 60.0  # between lines about one result, where nobody watches a bar


def finished_line(store: Path, instance: Instance, seconds: float) -> str:
    """Return '[ 12/210] pretrain fig5.crop.s0  5.1 s | about 9 min left'.

    Without Snakemake there is no session.json, so no count and no time left.
    """
    text = f"{instance.label}  {seconds:.1f} s"
    with contextlib.suppress(OSError, ValueError, KeyError):
        session = read_json(store / "session.json")
        work, stage = session["seconds"], session["stage"]
        if instance.key not in work:
            return text
        done = [k for k in work if results.is_finished(results.folder(store, stage[k], k))]
        elapsed = time.time() - session["started"]
        left = remaining(sum(work[k] for k in done), sum(work.values()), elapsed, session)
        return f"[{len(done):3}/{len(work)}] {text} | about {duration(left)} left"
    return text


def remaining(done: float, total: float, elapsed: float, session: dict) -> float:
    """Return the expected seconds until all is there.

    done, total: work in seconds of a core; elapsed: since the start. The pace so far counts, and
    the expected one, as if it had been seen for a part of the whole: a first result says little.
    """
    seen = elapsed + TRUST * session["expected"]
    return (total - done) * seen / (done + TRUST * total)


def images_seen(store: Path, instance: Instance) -> int:
    """Return how many images a training sees in all its epochs; 0 where that is not known."""
    if not instance.stage.trains or "data" not in instance.inputs:
        return 0
    with contextlib.suppress(OSError, ValueError, KeyError):
        folder = instance.inputs["data"].path(store)
        about = read_json(folder / "data.json")
        chosen = getattr(instance.settings, "images", "train")
        train = sum(about["train_counts"]) if chosen != "unlabelled" else 0
        unlabelled = about["unlabelled_images"] if chosen != "train" else 0
        return instance.settings.epochs * (train + unlabelled)
    return 0


class ProgressBar:
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

    def update(self, done: float, text: str, curve: dict | None = None) -> None:
        """Show how far a result is; curve: of an epoch that has ended."""
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
