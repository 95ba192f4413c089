"""Where the time of a pre-training epoch goes, kernel by kernel.

    python -m benchmarks.profile [--device cuda] [--depth 18 --batch 512] [--json FILE]

An epoch of stage `pretrain` under torch's profiler, after one without it.
"""

import argparse
import os
from pathlib import Path

import torch

from benchmarks import epoch, measure
from simclr import loop, patterns
from simclr.config import build
from simclr.settings import Pretrain

STEPS, ROWS = 12, 25


def main():
    """Profile, print a table, and write it as JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--depth", type=int, default=18)
    parser.add_argument("--channels", type=int, default=64, help="of the stem; the paper's: 64")
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    device = loop.find_device(arguments.device)
    settings = build(Pretrain, epoch.settings_of(arguments))
    count = arguments.batch * STEPS
    images = torch.from_numpy(patterns.generate(count, epoch.SIDE, 0, "train")[0].copy())
    found = measure.about(arguments.device, 1)
    print(measure.header(found))
    run = epoch.ours(settings, images, device)
    run()
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profiler:
        run()
        measure.wait()
    by = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    rows = sorted(profiler.key_averages(), key=lambda row: -getattr(row, by))
    whole = sum(getattr(row, by) for row in rows)
    cases = {}
    for row in rows[:ROWS]:
        micros = getattr(row, by)
        cases[row.key[:90]] = {"ms_per_step": micros / 1e3 / STEPS, "calls": row.count}
        print(f"{micros / whole:6.1%}  {micros / 1e3 / STEPS:9.3f} ms a step  {row.key[:90]}")
    measure.save(arguments.json, found, cases)


if __name__ == "__main__":
    main()
