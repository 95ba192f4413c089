"""Changes that a profile suggests, each with the prediction made before it was measured.

    python -m benchmarks.tuning [--device cuda] [--depth 18 --batch 512] [--changes NAME ...]
                                [--json FILE]

An epoch of stage `pretrain`, views and loss included, as it is and with one change at a time; all
take turns. `predicted` is the time of an epoch that was expected, relative to that without the
change: the compiled one, where `compiled` is among the changes.
"""

import contextlib
import functools
import sys
from unittest import mock

import torch

from benchmarks import epoch, measure
from simclr import determinism, devices
from simclr.config import ConfigError, build
from simclr.settings.training import Pretrain
from simclr.training import batching, loop


class Nothing:
    """An optimiser that does nothing: the limit of what a faster one could save."""

    def __init__(self, rule, modules, without=()):
        self.param_groups = [{"params": [w for module in modules for w in module.parameters()]}]
        self.state = {w: {} for w in self.param_groups[0]["params"]}

    def zero_grad(self):
        for weight in self.param_groups[0]["params"]:
            weight.grad = None

    def step(self):
        pass


@contextlib.contextmanager
def flag(place, name: str, value):
    """Give a switch of PyTorch's another value."""
    before = getattr(place, name)
    setattr(place, name, value)
    try:
        yield
    finally:
        setattr(place, name, before)


@contextlib.contextmanager
def nondeterministic():
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(True)


def views_at_once(floats: int):
    return mock.patch.dict(batching.VIEW_FLOATS, {"cpu": floats, "cuda": floats})


def compiled(mode: str):
    return mock.patch.object(torch, "compile", functools.partial(torch.compile, mode=mode))


# Name -> (predicted time of an epoch, relative; the context of the change).
CHANGES = {
    "compiled": (0.7, contextlib.nullcontext),
    "CUDA graphs": (0.97, lambda: compiled("reduce-overhead")),
    "compiled by trial": (0.95, lambda: compiled("max-autotune-no-cudagraphs")),
    "no optimizer": (0.95, lambda: mock.patch.object(loop, "build_optimizer", Nothing)),
    "cuDNN by trial": (1.0, lambda: flag(torch.backends.cudnn, "benchmark", True)),
    "kernels of any order": (0.98, nondeterministic),
    "views of a step at a time": (1.3, lambda: views_at_once(1)),
    "views of twice the steps": (0.99, lambda: views_at_once(2 * batching.VIEW_FLOATS["cuda"])),
}
COMPILED = tuple(CHANGES)[:3]  # in any case
USUAL = "as it is"


def main(argv=None):
    """Measure, print a table, and write the numbers as JSON where asked."""
    parser = measure.parser(
        "tuning", __doc__, depth=18, channels=64, batch=512, images=50_000, repetitions=3
    )
    parser.add_argument("--changes", nargs="+", default=list(CHANGES), choices=CHANGES)
    arguments = parser.parse_args(argv)
    if arguments.images < arguments.batch:
        raise ConfigError(f"--images {arguments.images}: fewer than a batch, {arguments.batch}.")
    device = devices.find_device(arguments.device)
    determinism.make_deterministic()
    images = measure.images_of(arguments.images)
    found = measure.about(arguments.device, arguments.repetitions)
    print(measure.header(found))

    fast = "compiled" in arguments.changes

    def contestant(name: str):
        arguments.compile = name in COMPILED or (fast and name != USUAL)
        run = epoch.ours(build(Pretrain, epoch.settings_of(arguments)), images, device)
        _, change = CHANGES.get(name, (1.0, contextlib.nullcontext))

        def changed():
            with change():
                run()

        return changed

    contestants = {name: contestant(name) for name in (USUAL, *arguments.changes)}
    torch._dynamo.config.recompile_limit = 4 * len(contestants)  # each compiles the same code
    seconds = measure.take_turns(contestants, arguments.repetitions)
    counted = arguments.images // arguments.batch * arguments.batch
    what = (
        f"ResNet-{arguments.depth}, {arguments.channels} channels, {counted:,} images, "
        f"batches of {arguments.batch}"
    )
    case = measure.case("images/s", counted, seconds, USUAL)
    case["relative"] = {}
    print(f"{what}\n{measure.table(case)}")
    for name in arguments.changes:
        reference = "compiled" if fast and name != "compiled" else USUAL
        relative, predicted = measure.ratio(seconds[name], seconds[reference]), CHANGES[name][0]
        case["relative"][name] = {"to": reference, "predicted": predicted, "measured": relative}
        print(f"{name:34}time {relative:.2f} of that {reference}, {predicted:.2f} predicted")
    measure.save(arguments.json, found, {what: case})


if __name__ == "__main__":
    sys.exit(measure.run(main))
