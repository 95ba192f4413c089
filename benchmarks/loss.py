"""NT-Xent for large batches: time and peak memory, in parts and in one go.

    python -m benchmarks.loss [--json FILE] [--device cuda] [--sizes 512 2048 8192]

Forward and backward pass over two views of N images, in 128 dimensions. `ours` never holds
more than losses.LOGITS similarities; `plain` is the same code that holds all 4 N^2, several times
over; `lightly` is lightly's NTXentLoss, where it is installed. Every case has a process of its
own, as peak memory is that of a process (less what it was before).
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from importlib.util import find_spec

import torch

from benchmarks import measure
from simclr import devices, losses

KINDS = ("ours", "plain", "lightly")
DIM, TEMPERATURE = 128, 0.1
LARGE = 8192  # images; more of them take minutes on a CPU, once is enough


def one(kind: str, n: int, device: str, repetitions: int) -> dict:
    """Seconds [repetitions] and peak MiB of one case, in this process."""
    if kind == "plain":
        losses.LOGITS = 2**62
    torch.set_num_threads(1)
    if kind == "lightly":
        from lightly.loss import NTXentLoss

        loss_of = NTXentLoss(TEMPERATURE)
    else:

        def loss_of(a, b):
            return losses.nt_xent(a, b, TEMPERATURE)[0]

    torch.manual_seed(0)  # the same for all kinds, so that their losses can be compared
    a, b = (torch.randn(n, DIM, device=device).requires_grad_() for _ in "ab")
    before, seconds = memory(device), []
    for _ in range(repetitions if n <= LARGE else 1):
        start = time.perf_counter()
        loss = loss_of(a, b)
        loss.backward()
        loss.item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "mib": memory(device) - before, "loss": loss.item()}


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
    found = measure.about(arguments.device, arguments.repetitions, "lightly")
    print(measure.header(found))
    kinds = KINDS if find_spec("lightly") else KINDS[:2]
    print(f"{'':8}{'images':>10}{'seconds':>12}{'least':>10}{'most':>10}{'peak MiB':>10}")
    rows = []
    for n in arguments.sizes:
        for kind in kinds if n <= arguments.plain_up_to else kinds[:1]:
            command = [sys.executable, "-m", "benchmarks.loss", *options, "--one", kind, str(n)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8")
            case = json.loads(done.stdout)
            rows.append({"kind": kind, "images": n, **case})
            seconds = case["seconds"]
            middle = statistics.median(seconds)
            numbers = f"{middle:12.4f}{min(seconds):10.4f}{max(seconds):10.4f}{case['mib']:10,.0f}"
            print(f"{kind:8}{n:10,}{numbers}", flush=True)
    measure.save(arguments.json, found, {f"views in {DIM} dimensions": {"rows": rows}})


if __name__ == "__main__":
    sys.exit(measure.run(main))
