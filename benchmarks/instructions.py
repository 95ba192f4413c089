"""What a scale saves by `instruction_set: avx512`: its training steps with AVX2 and with AVX-512.

    python -m benchmarks.instructions [--scale small] [--json FILE]

Stage `pretrain` as at the scale's base settings (everything: draws, views, networks, loss, LARS),
but with 8 and with 16 channels. Each instruction set has a process of its own, with one thread;
the two take turns. It needs a processor with AVX-512.
"""

import functools
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor

from benchmarks import measure, pretrain
from simclr import determinism
from simclr.config import build, merge
from simclr.settings.data import Prepare
from simclr.settings.training import Pretrain
from workflow.planning.cost import side_of
from workflow.planning.scale import load_scale

CHANNELS = (8, 16)


@functools.cache  # networks and images are made in the first turn, which warms up
def steps_of(scale: str, channels: int, steps: int):
    """Return the function that trains for some steps, in the process that calls it."""
    determinism.make_deterministic()
    base = load_scale(scale).base
    changes = {
        "encoder": {"base_channels": channels},
        "epochs": 1,
        "optimizer": {"warmup_epochs": 0},
    }
    settings = build(Pretrain, merge(base["pretrain"], changes))
    side = side_of(build(Prepare, base["prepare"]))
    return pretrain.contestants(settings, side, steps)["pretrain"]


def train(*what) -> None:
    """Train for some steps; what: as of `steps_of`."""
    steps_of(*what)()


def turn(process: ProcessPoolExecutor, what: tuple) -> None:
    """The same in another process."""
    process.submit(train, *what).result()


def process_with(instruction_set: str) -> ProcessPoolExecutor:
    """Return a new process that computes with an instruction set."""
    os.environ.update(determinism.INSTRUCTION_SETS[instruction_set])
    pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    pool.submit(determinism.check_environment, instruction_set).result()
    return pool


def main(argv=None):
    """Measure, print a line per case, and write the numbers as JSON where asked."""
    parser = measure.parser("instructions", __doc__, device=False, steps=20, repetitions=15)
    parser.add_argument("--scale", default="small", help="default: small")
    arguments = parser.parse_args(argv)
    determinism.choose_instruction_set("avx512")
    with process_with("avx512") as avx512, process_with("avx2") as avx2:
        found = avx512.submit(measure.about, "cpu", arguments.repetitions).result()
        print(measure.header(found))
        cases = {}
        for channels in CHANNELS:
            what = (arguments.scale, channels, arguments.steps)
            functions = {
                "avx512": functools.partial(turn, avx512, what),
                "avx2": functools.partial(turn, avx2, what),
            }
            seconds = measure.take_turns(functions, arguments.repetitions)
            case = measure.case("steps/s", arguments.steps, seconds, "avx512")
            cases[f"{arguments.scale}, {channels} channels"] = case
            print(f"{arguments.scale}, {channels} channels\n{measure.table(case)}")
    measure.save(arguments.json, found, cases)


if __name__ == "__main__":
    sys.exit(measure.run(main))
