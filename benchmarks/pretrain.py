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

import sys

import torch

from benchmarks import epoch, measure
from simclr import determinism, rng
from simclr.augment import pipeline
from simclr.config import build
from simclr.losses import nt_xent
from simclr.settings.training import Pretrain

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


def contestants(settings, side: int, steps: int) -> dict:
    """Two functions that run one epoch each."""
    images = measure.images_of(settings.batch_size * steps, side)
    modules = epoch.networks_of(settings, images.device)
    batch = images[: settings.batch_size]
    drawn = pipeline.draw(settings.views, len(batch), side, rng.generator(0, "views"))
    ready = pipeline.make(batch, drawn, settings.views).flatten(0, 1)
    ready = ready.contiguous(memory_format=torch.channels_last)
    network = torch.nn.Sequential(*modules.values())

    def networks():
        for _ in range(steps):
            loss, *_ = nt_xent(*network(ready).chunk(2), settings.loss.temperature)
            network.zero_grad()
            loss.backward()

    return {"pretrain": epoch.ours(settings, images, images.device), "networks": networks}


def main(argv=None):
    """Measure, print a line per case, and write the numbers as JSON where asked."""
    parser = measure.parser("pretrain", __doc__, device=False, repetitions=15)
    parser.add_argument(
        "--steps", type=measure.positive, metavar="N", help="of an epoch; default: each case's own"
    )
    arguments = parser.parse_args(argv)
    determinism.make_deterministic()
    torch.utils.deterministic.fill_uninitialized_memory = False
    found = measure.about("cpu", arguments.repetitions)
    print(measure.header(found))
    cases = {}
    for name, values in CASES.items():
        settings = build(Pretrain, {**COMMON, **values})
        steps = arguments.steps or STEPS[name]
        functions = contestants(settings, SIDES[name], steps)
        seconds = measure.take_turns(functions, arguments.repetitions)
        cases[name] = measure.case("steps/s", steps, seconds, "pretrain")
        print(f"{name}\n{measure.table(cases[name])}")
    measure.save(arguments.json, found, cases)


if __name__ == "__main__":
    sys.exit(measure.run(main))
