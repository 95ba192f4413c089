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
from pathlib import Path

import torch

from benchmarks import measure
from simclr import losses

KINDS = ("ours", "plain", "lightly")
DIM, TEMPERATURE, REPETITIONS = 128, 0.1, 5
LARGE = 8192  # images; more of them take minutes on a CPU, once is enough


def one(kind: str, n: int, device: str) -> dict:
    """Seconds [REPETITIONS] and peak MiB of one case, in this process."""
    if kind == "plain":
        losses.LOGITS = 2**62
    torch.set_num_threads(1)
    if kind == "lightly":
        from lightly.loss import NTXentLoss

        loss_of = NTXentLoss(TEMPERATURE)
    else:

        def loss_of(a, b):
            return losses.nt_xent(a, b, TEMPERATURE)[0]

    a, b = (torch.randn(n, DIM, device=device).requires_grad_() for _ in "ab")
    before, seconds = memory(device), []
    for _ in range(REPETITIONS if n <= LARGE else 1):
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


def main():
    """Run every case in a process, print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 2048, 8192, 32768])
    parser.add_argument("--plain-up-to", type=int, default=8192, help="16 GiB at 16,384 images")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "N"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments.one[0], int(arguments.one[1]), arguments.device)))
        return
    found = measure.about(arguments.device, REPETITIONS, "lightly")
    print(measure.header(found))
    kinds = KINDS if find_spec("lightly") else KINDS[:2]
    rows = []
    for n in arguments.sizes:
        for kind in kinds if n <= arguments.plain_up_to else kinds[:1]:
            command = [sys.executable, "-m", "benchmarks.loss", "--device", arguments.device]
            done = subprocess.run(
                [*command, "--one", kind, str(n)], check=True, capture_output=True, text=True
            )
            case = json.loads(done.stdout)
            rows.append({"kind": kind, "images": n, **case})
            seconds = statistics.median(case["seconds"])
            print(f"{kind:8} N = {n:6,}  {seconds:8.3f} s  peak {case['mib']:8.0f} MiB")
    measure.save(arguments.json, found, {f"views in {DIM} dimensions": {"rows": rows}})


if __name__ == "__main__":
    main()
