"""How long a training step of the networks takes, variant by variant, against the floor.

    python -m benchmarks.step [--device cuda] [--depth 18 --batch 512] [--json FILE]

Forward and backward pass of encoder, head and NT-Xent on two ready views of a batch of 32x32
images. The floor is the time that the convolutions' multiplications alone would take at the rate
of one large matrix product in the same precision, measured in the same run. Variants take turns:
memory format, precision, compiled, recomputed.
"""

import statistics
import sys

import torch

from benchmarks import measure
from simclr import devices, rng
from simclr.config import build
from simclr.losses import nt_xent
from simclr.models.heads import build_head
from simclr.models.resnet import build_encoder
from simclr.settings.training import Encoder, Head
from workflow.planning.cost import macs

MATRIX = {"cpu": 1024, "cuda": 8192}  # side of the matrices of the floor
PLAIN = {"precision": "float32", "channels_last": True, "compile": False, "recompute": False}


def variants(device: str, compiled: bool) -> dict[str, dict]:
    """Name -> what differs from the first, which is what stage `pretrain` does by default."""
    if device == "cuda":
        usual = {**PLAIN, "precision": "bfloat16"}
        found = {
            "bfloat16, channels last": usual,
            "float32, channels last": PLAIN,
            "bfloat16, channels first": {**usual, "channels_last": False},
            "bfloat16, recomputed": {**usual, "recompute": True},
        }
    else:
        usual = PLAIN
        found = {
            "float32, channels last": usual,
            "float32, channels first": {**usual, "channels_last": False},
            "float32, recomputed": {**usual, "recompute": True},
        }
    if compiled:
        found[f"{usual['precision']}, compiled"] = {**usual, "compile": True}
    return found


def step_of(settings: Encoder, batch: int, device: torch.device, how: dict, fake=None):
    """Return a function that makes one step, forward and backward.

    fake: a FakeTensorMode, in which the step will run on tensors without content.
    """
    layout = torch.channels_last if how["channels_last"] else torch.contiguous_format
    encoder = build_encoder(settings, rng.generator(0, "weights"))
    head = build_head(Head(out_dim=128), encoder.feature_dim, rng.generator(0, "head"))
    networks = torch.nn.Sequential(encoder, head).to(device, memory_format=layout).train()
    encoder.recompute = how["recompute"]
    views = torch.rand(
        2 * batch, 3, measure.SIDE, measure.SIDE, generator=rng.generator(0, "views")
    )
    views = views.to(device).contiguous(memory_format=layout)
    if fake is not None:
        views = fake.from_tensor(views)
        for module in networks.modules():
            for kept in (module._parameters, module._buffers):
                kept.update(
                    {name: fake.from_tensor(x) for name, x in kept.items() if x is not None}
                )
    reduced = how["precision"] == "bfloat16"
    forward = torch.compile(networks) if how["compile"] else networks

    def step():
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            z = forward(views)
        loss, *_ = nt_xent(*z.float().chunk(2), 0.5)
        networks.zero_grad()
        loss.backward()

    return step


def floor_of(device: torch.device, precision: str):
    """Return (function that multiplies two matrices, its multiply-adds)."""
    side = MATRIX[device.type]
    dtype = getattr(torch, precision)
    a, b = (torch.ones(side, side, device=device, dtype=dtype) for _ in "ab")
    return (lambda: a @ b), side**3


def encoder_of(arguments) -> Encoder:
    """The encoder that the options --depth and --channels name."""
    return build(
        Encoder,
        {"depth": arguments.depth, "base_channels": arguments.channels, "stem": "cifar"},
    )


def main(argv=None):
    """Measure, print a table, and write the numbers as JSON where asked."""
    parser = measure.parser("step", __doc__, depth=18, channels=64, batch=512, repetitions=7)
    parser.add_argument("--compiled", action="store_true", help="also torch.compile (needs g++)")
    arguments = parser.parse_args(argv)
    device, settings = devices.find_device(arguments.device), encoder_of(arguments)
    torch.set_num_threads(1)
    found = measure.about(arguments.device, arguments.repetitions)
    print(measure.header(found))

    named = variants(arguments.device, arguments.compiled)
    contestants, floors = {}, {}
    for name, how in named.items():
        contestants[name] = step_of(settings, arguments.batch, device, how)
        multiply, floors[how["precision"]] = floor_of(device, how["precision"])
        contestants[f"matrix product, {how['precision']}"] = multiply
    seconds = measure.take_turns(contestants, arguments.repetitions)
    # Forward, and twice that backward, of two views an image.
    work = 6 * arguments.batch * macs(settings, measure.SIDE)
    shares = {}
    for name, how in named.items():
        product = seconds[f"matrix product, {how['precision']}"]
        each = zip(seconds[name], product, strict=True)
        shares[name] = statistics.median(
            (work / taken) / (floors[how["precision"]] / floor) for taken, floor in each
        )
    what = f"ResNet-{arguments.depth}, {arguments.channels} channels, batches of {arguments.batch}"
    case = measure.case(
        "images/s", arguments.batch, {n: seconds[n] for n in named}, next(iter(named))
    )
    print(f"{what}\n{measure.table(case)}")
    products = {}
    for name, share in shares.items():
        precision = named[name]["precision"]
        product = statistics.median(seconds[f"matrix product, {precision}"])
        products[precision] = 2e-12 * floors[precision] / product
        print(f"{name:34}{share:8.0%} of the {products[precision]:.3f} TFLOP/s of a matrix product")
    case |= {"share_of_peak": shares, "peak_tflops": products}
    measure.save(arguments.json, found, {what: case})


if __name__ == "__main__":
    sys.exit(measure.run(main))
