"""Peak memory of a training step by batch size, with and without recomputing blocks.

    python -m benchmarks.memory [--depth 50 --batches 512 4096] [--device cuda] [--json FILE]

Forward and backward pass of encoder, head and NT-Xent on two views of a batch of 32x32 images, in
bfloat16: weights, gradients, what is kept for the gradient, and what lives for a moment. On a GPU
it is measured; elsewhere counted on tensors without content (torch's MemTracker on fake tensors),
so it needs neither the memory nor the time. `--really` allocates and computes on the CPU.
"""

import sys
from contextlib import nullcontext

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from benchmarks import measure
from benchmarks.step import PLAIN, encoder_of, step_of
from simclr import devices
from simclr.settings.training import Encoder


def peak(settings: Encoder, batch: int, device: torch.device, recompute: bool, really: bool):
    """Peak MiB of a step; None where there is no room."""
    how = {**PLAIN, "precision": "bfloat16", "recompute": recompute}
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        try:
            step_of(settings, batch, device, how)()
        except torch.OutOfMemoryError:
            return None
        return torch.cuda.max_memory_allocated() / 2**20
    fake, tracker = None if really else FakeTensorMode(), MemTracker()
    step = step_of(settings, batch, device, how, fake)
    with fake or nullcontext(), tracker:
        step()
    return tracker.get_tracker_snapshot("peak")[device]["Total"] / 2**20


def main(argv=None):
    """Print a table, and write the numbers as JSON where asked."""
    parser = measure.parser("memory", __doc__, depth=50, channels=64)
    sizes = [256, 512, 1024, 2048, 4096]
    parser.add_argument("--batches", type=measure.positive, nargs="+", default=sizes, metavar="N")
    parser.add_argument("--really", action="store_true", help="on the CPU: compute, then count")
    arguments = parser.parse_args(argv)
    device, settings = devices.find_device(arguments.device), encoder_of(arguments)
    found = measure.about(arguments.device, 1)
    what = f"ResNet-{arguments.depth}, {arguments.channels} channels"
    print(f"{measure.header(found)}\n{what}\n{'images':>8}{'kept, MiB':>14}{'recomputed, MiB':>18}")
    rows = {}
    for batch in arguments.batches:
        rows[batch] = [
            peak(settings, batch, device, how, arguments.really) for how in (False, True)
        ]
        cells = [f"{one:,.0f}" if one else "no room" for one in rows[batch]]
        print(f"{batch:8,}{cells[0]:>14}{cells[1]:>18}", flush=True)
    way = "measured" if arguments.device == "cuda" else "counted"
    measure.save(arguments.json, found, {what: {"mib": rows, "way": way}})


if __name__ == "__main__":
    sys.exit(measure.run(main))
