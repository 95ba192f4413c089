"""Everything that is worth measuring on a GPU, in order of value, within a time limit.

    python -m benchmarks.gpu --out FOLDER [--minutes 9.5]      (run it again to go on)
    python -m benchmarks.gpu --out FOLDER --small              (the same on a CPU, tiny, to try it)

Verifies first (same views on CPU and GPU; the same bits twice; killed and resumed), then measures
epochs against rivals and trains scale `cifar10-jpeg`, its base setting, three seeds of 100 epochs,
evaluated: about a quarter of an hour on an H200, estimated from its epoch of 1.3 s. Then
steps, a profile and what it suggests, memory by batch size, the loss; at last 1,000 epochs. Each
part is a process. One that was done is not done again; training goes on from its checkpoint. Images
are looked for in SIMCLR_DATA_DIR. FOLDER gets measurements.json, log.txt and results.tar.xz
(metrics, curves and provenance; no encoders).
"""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from benchmarks import measure, tuning
from simclr import devices
from simclr.config import ConfigError, nearest

PATTERNS = ("metrics.json", "curves.csv", "training.json", "provenance.json")
BIG, LITTLE = ["--depth", "18", "--batch", "512"], ["--depth", "8", "--channels", "8"]
DEVICE = ["--device", "cuda"]


def parts(small: bool) -> list[tuple[str, list[str]]]:
    """(name, arguments of python -m) in order of value."""
    if small:
        few = ["--images", "256", "--repetitions", "1"]
        train = ["workflow", "run", "tiny", "--only"]
        cheap = list(tuning.CHANGES)[len(tuning.COMPILED) :]
        return [
            ("verify", ["benchmarks.verify", "--small"]),
            ("step", ["benchmarks.step", *LITTLE, "--batch", "64", "--repetitions", "2"]),
            ("epoch", ["benchmarks.epoch", *LITTLE, "--batch", "64", *few]),
            ("evaluate", ["benchmarks.evaluate", *LITTLE, "--epochs", "1", *few]),
            ("memory", ["benchmarks.memory", "--depth", "18", "--batches", "64"]),
            ("loss", ["benchmarks.loss", "--sizes", "256", "--repetitions", "2"]),
            ("profile", ["benchmarks.profile", *LITTLE, "--batch", "64", "--steps", "2"]),
            (
                "tuning",
                ["benchmarks.tuning", *LITTLE, "--batch", "64", *few, "--changes", *cheap],
            ),
            ("train short", [*train, "fig9.b128-e6.s0"]),
        ]
    train = ["workflow", "run", "cifar10-jpeg", "--only"]
    deep = ["--depth", "50", "--batch", "512", "--repetitions", "3"]
    sizes = ["256", "512", "1024", "2048", "4096"]
    return [
        ("verify", ["benchmarks.verify", *DEVICE]),
        ("epoch", ["benchmarks.epoch", *DEVICE, *BIG, "--compile", "--repetitions", "3"]),
        ("train 100 epochs", [*train, "table5.l2-0.5.s*"]),
        ("step", ["benchmarks.step", *DEVICE, *BIG, "--compiled"]),
        ("profile", ["benchmarks.profile", *DEVICE, *BIG]),
        ("tuning", ["benchmarks.tuning", *DEVICE, *BIG]),
        ("step ResNet-50", ["benchmarks.step", *DEVICE, *deep]),
        ("memory", ["benchmarks.memory", *DEVICE, "--depth", "50", "--batches", *sizes]),
        ("loss", ["benchmarks.loss", *DEVICE]),
        ("evaluate", ["benchmarks.evaluate", *DEVICE, "--repetitions", "2"]),
        ("train 1,000 epochs", [*train, "fig9.b512-e1000.s0"]),
    ]


def run(name: str, arguments: list[str], out: Path, seconds: float) -> bool:
    """Run one part for `seconds` at most, its output in log.txt; tell whether it is done."""
    numbers = out / "parts" / f"{name}.json"
    if numbers.exists():
        return True
    command = [sys.executable, "-m", *arguments]
    partial = numbers.with_suffix(".part")
    if arguments[0].startswith("benchmarks."):
        command += ["--json", str(partial)]
    started = time.monotonic()
    with open(out / "log.txt", "a", encoding="utf-8") as log:
        print(f"\n== {name}: {' '.join(command[1:])}", file=log, flush=True)
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            status = process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)  # a training goes on from its checkpoint
            process.wait()
            status = "stopped at the time limit"
        taken = time.monotonic() - started
        print(f"== {name}: status {status}, {taken:.0f} s", file=log, flush=True)
    print(f"{name:20} status {status}, {taken:.0f} s", flush=True)
    if status != 0:
        return False
    if not partial.exists():
        partial.write_text(json.dumps({"seconds": taken}), encoding="utf-8")
    partial.rename(numbers)
    return True


def collect(out: Path, scale: str) -> None:
    """Put all numbers into one file, and all small files of results into another."""
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in (out / "parts").glob("*.json")
    }
    (out / "measurements.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    store = Path("results") / scale
    with tarfile.open(out / "results.tar.xz", "w:xz") as archive:
        for path in sorted(store.glob("*/*/*")):
            if path.name in PATTERNS and path.parent.parent.name != "prepare":
                archive.add(path)


def main(argv=None) -> int:
    """Run the parts in order until the time is over."""
    parser = measure.parser("gpu", __doc__, device=False, saved=False)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=9.5, help="at most; default: 9.5")
    parser.add_argument("--small", action="store_true", help="on the CPU, at small size")
    parser.add_argument("--parts", nargs="+", metavar="NAME", help="these alone; default: all")
    arguments = parser.parse_args(argv)
    chosen = dict(parts(arguments.small))
    for name in arguments.parts or ():
        if name not in chosen:
            raise ConfigError(f"--parts {name}: unknown.{nearest(name, chosen)}")
    if not arguments.small:
        devices.find_device("cuda")
    os.environ["SIMCLR_CHECKPOINT_MINUTES"] = "1"
    end = time.monotonic() + 60 * arguments.minutes
    (arguments.out / "parts").mkdir(parents=True, exist_ok=True)
    done = True
    for name in arguments.parts or chosen:
        left = end - time.monotonic()
        done = left > 5 and run(name, chosen[name], arguments.out, left) and done
    collect(arguments.out, "tiny" if arguments.small else "cifar10-jpeg")
    print("all done" if done else "not all done; the same command goes on")
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(measure.run(main))
