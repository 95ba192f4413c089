"""What the benchmarks share: options, taking turns, a table with the ratio to a rival, JSON."""

import argparse
import datetime
import json
import os
import statistics
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from simclr.config import ConfigError
from simclr.data.sources import patterns
from simclr.store.provenance import hardware

SIDE = 32  # pixels of an image, as of CIFAR-10
MEANING = {
    "depth": "of the ResNet",
    "channels": "of the stem; the paper's: 64",
    "batch": "images in a batch",
    "images": "of the data set",
    "epochs": "of training",
    "steps": "of an epoch",
    "seeds": "of every experiment",
    "repetitions": "turns of each, after one to warm up",
}
TIMES = 3  # a file keeps: a machine that is idle now may not have been an hour ago
_SAME = ("command", "hardware", "cores", "versions", "n")  # of all times of a file


def positive(text: str) -> int:
    """A number of things on the command line."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def parser(
    name: str, about: str, device: bool = True, saved: bool = True, **numbers: int
) -> argparse.ArgumentParser:
    """Of one benchmark: --device, the `numbers` (of MEANING) with their defaults, and --json.

    A wrong option is one line and status 2; the usage stands in --help, with the docstring.
    """
    made = argparse.ArgumentParser(
        prog=f"benchmarks.{name}",
        usage=argparse.SUPPRESS,
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if device:
        made.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    for option, default in numbers.items():
        meaning = f"{MEANING[option]}; default: {default:,}"
        made.add_argument(f"--{option}", type=positive, default=default, metavar="N", help=meaning)
    if saved:
        made.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    return made


def run(main, argv=None) -> int:
    """The exit status of a benchmark; what cannot be measured is one line and status 2."""
    try:
        return main(argv) or 0
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def images_of(count: int, side: int = SIDE) -> torch.Tensor:
    """Images to measure with: patterns, uint8 [count, 3, side, side]."""
    return torch.from_numpy(patterns.generate(count, side, 0, "train")[0].copy())


def pil_images(images: torch.Tensor) -> list:
    """The same images, uint8 [count, 3, side, side], as PIL's, for the transforms of others."""
    from PIL import Image

    return [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]


def take_turns(contestants: dict, repetitions: int) -> dict[str, list[float]]:
    """Seconds of each function, [repetitions], in turns, so that a busy machine slows all alike.

    The first turn only warms up.
    """
    seconds = {name: [] for name in contestants}
    for repetition in range(-1, repetitions):
        for name, run in contestants.items():
            wait()
            start = time.perf_counter()
            run()
            wait()
            if repetition >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def wait() -> None:
    """Wait until a GPU, if there is one, has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ratio(first: list[float], second: list[float]) -> float:
    """The median of first / second of the same turn."""
    return statistics.median(a / b for a, b in zip(first, second, strict=True))


def case(unit: str, count: float, seconds: dict[str, list[float]], ours: str) -> dict:
    """What is kept of a comparison: everybody's seconds for `count` units, and who is ours."""
    return {"unit": unit, "count": count, "seconds": seconds, "ours": ours}


def rows(found: dict) -> list[tuple]:
    """Of each contestant: name, median rate, least, most, how many times as fast ours is."""
    seconds = found["seconds"]
    made = []
    for name, taken in seconds.items():
        rates = [found["count"] / one for one in taken]
        times = ratio(taken, seconds[found["ours"]])
        made.append((name, statistics.median(rates), min(rates), max(rates), times))
    return made


def table(found: dict) -> str:
    """The rows as lines for the terminal."""
    lines = [f"{'':34}{found['unit']:>13}{'least':>12}{'most':>12}{found['ours'][:24] + ' is':>28}"]
    for name, *rates, times in rows(found):
        lines.append(f"{name:34}{rates[0]:13,.1f}{rates[1]:12,.1f}{rates[2]:12,.1f}{times:27.2f}x")
    return "\n".join(lines)


def about(device: str, repetitions: int, *packages: str) -> dict:
    """Where and when: hardware, cores, versions, n, date and time."""
    versions, now = {}, datetime.datetime.now()
    for name in ("torch", *packages):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "date": now.date().isoformat(),
        "time": now.strftime("%H:%M"),
        "hardware": hardware(device),
        "cores": len(os.sched_getaffinity(0)),
        "versions": versions,
        "n": repetitions,
    }


def header(found: dict) -> str:
    """One line of `about`."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return f"{found['hardware']}, {found['cores']} cores; {versions}; n = {found['n']}"


def save(path: Path | None, found: dict, cases: dict) -> None:
    """Write the numbers as JSON, where a path is given, with the command that made them.

    What the same command found earlier, on the same machine with the same versions, stays there.
    """
    if path is not None:
        command = "python -m " + " ".join(["benchmarks." + Path(sys.argv[0]).stem, *sys.argv[1:]])
        now = {**found, "command": command, "cases": cases}
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if {k: before.get(k) for k in _SAME} == {k: now.get(k) for k in _SAME}:
            kept = {k: v for k, v in before.items() if k != "earlier"}
            now["earlier"] = [*before.get("earlier", []), kept][1 - TIMES :]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")


def times(found: dict) -> list[dict]:
    """What a file has of each time, the oldest first."""
    return [*found.get("earlier", []), found]
