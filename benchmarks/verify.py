"""Before measuring: are results on this device what they must be?

    python -m benchmarks.verify [--device cuda] [--small] [--json FILE]

* views: the same seed gives the same views on the CPU and on the device, within 1e-4 of [0, 1]; of
  operators that round to bytes on the way, where a last bit decides, all but 1 % of the pixels;
* loss: a float32 run on the CPU and on the device starts with losses that agree within 1e-3;
* twice: the same run in two processes at a time writes the same bits;
* killed: the same run, killed by SIGKILL and started again, writes the same bits.

Prints a line each; exit status 1 where one fails.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks import measure
from simclr import determinism, devices, rng
from simclr.augment import pipeline
from simclr.config import build, merge
from simclr.files import sha256
from simclr.settings.data import Prepare
from simclr.settings.training import OPERATORS, Pretrain, Views
from simclr.stages import prepare, pretrain
from workflow.planning.scale import load_scale

VIEWS, LOSS = 1e-4, 1e-3  # largest differences allowed
ROUNDING, SHARE = ("autoaugment", "broad"), 0.01  # these operators may differ in so many pixels


def settings_of(device: str, small: bool, **changes) -> dict:
    """Settings of a short run: scale cifar10's, or tiny's."""
    base = load_scale("tiny" if small else "cifar10").base["pretrain"]
    epochs = 4 if small else 8
    short = {"epochs": epochs, "optimizer": {"warmup_epochs": 1}, "batch_size": 128}
    precision = "float32" if device == "cpu" else "bfloat16"
    return merge(base, {**short, "device": device, "precision": precision, **changes})


def train(values: dict, data: Path, out: Path) -> None:
    """One run of stage `pretrain`, as the runner starts it."""
    out.mkdir(parents=True, exist_ok=True)
    determinism.make_deterministic()
    pretrain.run(build(Pretrain, values), {"data": data}, out, out / "checkpoint", lambda *_: None)


def start(values: dict, data: Path, out: Path) -> subprocess.Popen:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.verify", "--train", json.dumps(values)]
    # Compiled anew in each folder: as on another machine.
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(out / "compiled")}
    environment["SIMCLR_CHECKPOINT_MINUTES"] = "0"
    return subprocess.Popen([*command, str(data), str(out)], env=environment)


def bits_of(process: subprocess.Popen, out: Path) -> str:
    """Wait for its end; the hash of its encoder."""
    if process.wait():
        raise RuntimeError("training failed")
    return sha256(out / "encoder.safetensors")


def differences_of_views(device: torch.device) -> tuple[float, float]:
    """(Largest difference between views made on the CPU and on the device, share of pixels).

    The first over the operators that do not round; the second of those that do, of the worst of
    them: pixels that differ by more than VIEWS.
    """
    images, largest, share = measure.images_of(256), 0.0, 0.0
    for operator in OPERATORS:
        settings = Views(operators=(operator,))
        drawn = pipeline.draw(settings, len(images), 32, rng.generator(0, "views"))
        here = pipeline.make(images, drawn, settings)
        apart = (here - pipeline.make(images.to(device), drawn, settings).cpu()).abs()
        if operator in ROUNDING:
            share = max(share, (apart > VIEWS).double().mean().item())
        else:
            largest = max(largest, apart.max().item())
    return largest, share


def first_loss(device: str, small: bool, data: Path, out: Path) -> float:
    """Mean loss of the only epoch of a float32 run on 256 images."""
    values = settings_of(device, small, epochs=1, precision="float32", compile=False)
    train(merge(values, {"optimizer": {"warmup_epochs": 0, "base_lr": 1e-4}}), data, out)
    return json.loads((out / "training.json").read_text(encoding="utf-8"))["loss"]


def main(argv=None) -> int:
    """Run the four checks."""
    parser = measure.parser("verify", __doc__)
    parser.add_argument("--small", action="store_true", help="scale tiny's networks")
    parser.add_argument("--train", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.train:
        values, data, out = arguments.train
        train(json.loads(values), Path(data), Path(out))
        return 0
    devices.find_device(arguments.device)
    determinism.make_deterministic()
    found = measure.about(arguments.device, 1)
    print(measure.header(found))
    with tempfile.TemporaryDirectory() as folder:
        checks = check_all(Path(folder), arguments.device, arguments.small)
    for name, (passed, text) in checks.items():
        print(f"{name:8} {'ok' if passed else 'FAILED'}: {text}")
    measure.save(
        arguments.json, found, {k: {"passed": p, "text": t} for k, (p, t) in checks.items()}
    )
    return 0 if all(passed for passed, _ in checks.values()) else 1


def check_all(folder: Path, device: str, small: bool) -> dict[str, tuple[bool, str]]:
    """Name -> (passed, what was seen)."""
    sets = {}
    for name, count in (("few", 256), ("many", 512 if small else 5000)):
        sets[name] = folder / name
        sets[name].mkdir()
        values = {"train_images": count, "test_images": 10, "image_size": 16 if small else 32}
        prepare.run(build(Prepare, values), {}, sets[name], None, lambda *_: None)
    apart, share = differences_of_views(torch.device(device))
    losses = [
        first_loss(one, small, sets["few"], folder / f"loss {one}") for one in {"cpu", device}
    ]
    gap = max(losses) - min(losses)
    values = settings_of(device, small)
    # All three at once: most of their time goes to compiling, which needs cores and not the device.
    names = ("a", "b", "killed")
    runs = {name: start(values, sets["many"], folder / name) for name in names}
    while runs["killed"].poll() is None and not (folder / "killed" / "checkpoint").exists():
        time.sleep(0.01)
    runs["killed"].send_signal(signal.SIGKILL)
    runs["killed"].wait()
    left = (folder / "killed" / "checkpoint").exists()
    runs["killed"] = start(values, sets["many"], folder / "killed")
    *bits, resumed = (bits_of(runs[name], folder / name) for name in names)
    return {
        "views": (
            apart <= VIEWS and share <= SHARE,
            f"largest difference between CPU and {device} {apart:.1e}; {share:.2%} where it rounds",
        ),
        "loss": (gap <= LOSS, f"difference between CPU and {device} {gap:.1e}"),
        "twice": (bits[0] == bits[1], f"{bits[0][:12]}, {bits[1][:12]}"),
        "killed": (left and resumed == bits[0], f"{resumed[:12]}, checkpoint found: {left}"),
    }


if __name__ == "__main__":
    sys.exit(measure.run(main))
