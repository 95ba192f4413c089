"""NT-Xent for large batches: time and peak memory, in parts and in one go.

    python -m benchmarks.loss [--json FILE] [--device cuda] [--sizes 512 2048 8192]

Forward and backward pass over two views of N images, in 128 dimensions. `ours` never holds
more than losses.LOGITS similarities; `plain` is the same code that holds all 4 N^2, several times
over; the others are the losses of these packages, where they are installed (`make .peers`);
pytorch-metric-learning is asked for 512 images, once, as it takes a minute. Every case has a
process of its own, as peak memory is that of a process (less what it was before).
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec
from types import ModuleType

import torch

from benchmarks import measure
from simclr import devices, losses

DIM, TEMPERATURE = 128, 0.1
LARGE = 8192  # images; more of them take minutes on a CPU, once is enough
SLOW = {"pytorch-metric-learning": 512}  # kind -> images at most, and once: a minute for 512


def ours():
    """The loss of two batches of z, [N, d] each."""
    return lambda a, b: losses.nt_xent(a, b, TEMPERATURE)[0]


def plain():
    """Ours, with all similarities at once."""
    losses.LOGITS = 2**62
    return ours()


def lightly():
    from lightly.loss import NTXentLoss

    return NTXentLoss(TEMPERATURE)


def solo():
    for package in ("solo", "solo.losses", "solo.utils"):  # their __init__ want Lightning
        module = ModuleType(package)
        module.__path__ = find_spec(package).submodule_search_locations
        sys.modules[package] = module
    from solo.losses.simclr import simclr_loss_func

    return lambda a, b: simclr_loss_func(a, b, TEMPERATURE)


def metric_learning():
    from pytorch_metric_learning.losses import NTXentLoss

    loss = NTXentLoss(TEMPERATURE)
    return lambda a, b: loss(torch.cat([a, b]), torch.arange(len(a)).repeat(2))


KINDS = {"ours": ours, "plain": plain}
PEERS = {  # kind -> its loss, the package that it needs
    "lightly": (lightly, "lightly"),
    "solo-learn": (solo, "solo"),
    "pytorch-metric-learning": (metric_learning, "pytorch_metric_learning"),
}


def one(kind: str, n: int, device: str, repetitions: int) -> dict:
    """Seconds [repetitions], peak MiB, the loss, and how far it is off, in this process."""
    torch.set_num_threads(1)
    loss_of = {**KINDS, **{name: make for name, (make, _) in PEERS.items()}}[kind]()
    torch.manual_seed(0)  # the same for all kinds, so that their losses can be compared
    a, b = (torch.randn(n, DIM, device=device).requires_grad_() for _ in "ab")
    before, seconds = memory(device), []
    for _ in range(1 if n > LARGE or kind in SLOW else repetitions):
        a.grad = b.grad = None
        start = time.perf_counter()
        loss = loss_of(a, b)
        loss.backward()
        loss.item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    found = {"seconds": seconds, "mib": memory(device) - before, "loss": loss.item()}
    return found | ({"off": off(loss, a, b)} if kind in PEERS else {})


def off(loss, a, b) -> float:
    """Return how far the loss, or the gradients of a and b, are from ours, of the largest."""
    mine = [x.detach().requires_grad_() for x in (a, b)]
    expected = ours()(*mine)
    expected.backward()
    pairs = [(loss.detach(), expected.detach()), (a.grad, mine[0].grad), (b.grad, mine[1].grad)]
    return max(((x - y).abs().max() / y.abs().max()).item() for x, y in pairs)


def memory(device: str) -> float:
    """Peak MiB of this process so far, on the device."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def main(argv=None):
    """Run every case in a process, print a line each."""
    parser = measure.parser("loss", __doc__, repetitions=5)
    sizes = [512, 2048, 8192, 32768]
    parser.add_argument(
        "--sizes", type=measure.positive, nargs="+", default=sizes, metavar="N", help="images"
    )
    parser.add_argument(
        "--plain-up-to",
        type=measure.positive,
        default=8192,
        metavar="N",
        help="the others with so many images at most: 16 GiB at 16,384; default: 8,192",
    )
    parser.add_argument("--one", nargs=2, metavar=("KIND", "N"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    devices.find_device(arguments.device)
    options = ["--device", arguments.device, "--repetitions", str(arguments.repetitions)]
    if arguments.one:
        kind, n = arguments.one
        print(json.dumps(one(kind, int(n), arguments.device, arguments.repetitions)))
        return
    found = measure.about(arguments.device, arguments.repetitions, *PEERS)
    print(measure.header(found))
    kinds = [*KINDS, *(kind for kind, (_, package) in PEERS.items() if find_spec(package))]
    print(f"{'':24}{'images':>8}{'seconds':>12}{'least':>10}{'most':>10}{'peak MiB':>10}{'off':>9}")
    rows = []
    for n in arguments.sizes:
        for kind in kinds if n <= arguments.plain_up_to else kinds[:1]:
            if n > SLOW.get(kind, n):
                continue
            command = [sys.executable, "-m", "benchmarks.loss", *options, "--one", kind, str(n)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
            case = json.loads(done.stdout)
            rows.append({"kind": kind, "images": n, **case})
            seconds = case["seconds"]
            middle = statistics.median(seconds)
            numbers = f"{middle:12.4f}{min(seconds):10.4f}{max(seconds):10.4f}{case['mib']:10,.0f}"
            differs = f"{case['off']:9.0e}" if "off" in case else ""
            print(f"{kind:24}{n:8,}{numbers}{differs}", flush=True)
    measure.save(arguments.json, found, {f"views in {DIM} dimensions": {"rows": rows}})


if __name__ == "__main__":
    sys.exit(measure.run(main))
