"""What share of pre-training is the networks' own arithmetic, and what do data and views cost?

    python -m benchmarks.pretrain [--json FILE]

Two rates, in steps per second, as at the scales `tiny` and `small`, and at 32x32 pixels with a
ResNet-18 of 16 channels:

* pretrain: everything, as stage `pretrain` does it: order, draws, views, both networks, NT-Xent,
  summaries, LARS, learning rate;
* networks: forward and backward pass of encoder, head and NT-Xent on the same ready-made views.

They take turns, an epoch each, so that a busy machine slows both alike. The share of the arithmetic
is the median of the ratios of two turns; one thread, as the runner has it.
"""

import argparse
import tempfile
from pathlib import Path

import torch

from benchmarks import measure
from simclr import loop, patterns, views
from simclr.config import build
from simclr.encoder import build_encoder
from simclr.head import build_head
from simclr.losses import nt_xent
from simclr.settings import Pretrain

COMMON = {
    "views": {"operators": ["crop", "flip", "color"]},
    "loss": {"temperature": 0.2},
    "optimizer": {"base_lr": 1.0, "warmup_epochs": 0.0},
    "epochs": 1,
}
THIN = {"depth": 8, "base_channels": 8, "stem": "cifar"}
CASES = {
    "tiny, 16x16": {"encoder": THIN, "head": {"out_dim": 32}, "batch_size": 128},
    "small, 16x16": {"encoder": THIN, "head": {"out_dim": 32}, "batch_size": 64},
    "32x32": {
        "encoder": {"depth": 18, "base_channels": 16, "stem": "cifar"},
        "head": {"out_dim": 128},
        "batch_size": 128,
    },
}
SIDES = {"tiny, 16x16": 16, "small, 16x16": 16, "32x32": 32}
STEPS = {"tiny, 16x16": 15, "small, 16x16": 32, "32x32": 4}  # of an epoch
REPETITIONS = 15


def contestants(settings, side: int, steps: int) -> dict:
    """Two functions that run one epoch each."""
    count = settings.batch_size * steps
    images = torch.from_numpy(patterns.generate(count, side, 0, "train")[0])
    device = images.device
    initial = loop.generator(0, "weights")
    encoder = loop.place(build_encoder(settings.encoder, initial), device)
    head = loop.place(build_head(settings.head, encoder.feature_dim, initial), device)
    modules = {"encoder": encoder, "head": head}
    temperature = settings.loss.temperature
    nowhere = Path(tempfile.gettempdir()) / "no checkpoint of the benchmark"

    def objective(z, index):
        return nt_xent(*z.chunk(2), temperature)

    def pretrain():
        names = ("loss", "contrastive_accuracy", "contrastive_entropy")
        loop.train(settings, images, modules, objective, names, 2, nowhere, lambda *_: None)

    batch = images[: settings.batch_size]
    drawn = views.draw(settings.views, len(batch), side, loop.generator(0, "views"))
    ready = views.make(batch, drawn, settings.views).flatten(0, 1)
    ready = ready.contiguous(memory_format=torch.channels_last)
    parameters = [p for module in modules.values() for p in module.parameters()]

    def networks():
        for _ in range(steps):
            loss, *_ = nt_xent(*head(encoder(ready)).chunk(2), temperature)
            for p in parameters:
                p.grad = None
            loss.backward()

    return {"pretrain": pretrain, "networks": networks}


def main():
    """Measure, print a line per case, and write the numbers as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    found = measure.about("cpu", arguments.repetitions)
    print(measure.header(found))
    cases = {}
    for name, values in CASES.items():
        functions = contestants(build(Pretrain, {**COMMON, **values}), SIDES[name], STEPS[name])
        seconds = measure.take_turns(functions, arguments.repetitions)
        cases[name] = measure.case("steps/s", STEPS[name], seconds, "pretrain")
        print(f"{name}\n{measure.table(cases[name])}")
    measure.save(arguments.json, found, cases)


if __name__ == "__main__":
    main()
