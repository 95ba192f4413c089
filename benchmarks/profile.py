"""Where the time of a pre-training epoch goes, kernel by kernel.

    python -m benchmarks.profile [--device cuda] [--depth 18 --batch 512] [--json FILE]

An epoch of stage `pretrain` under torch's profiler, after one without it.
"""

import sys

import torch

from benchmarks import epoch, measure
from simclr import determinism, devices
from simclr.config import build
from simclr.settings.training import Pretrain

ROWS = 25


def main(argv=None):
    """Profile, print a table, and write it as JSON where asked."""
    parser = measure.parser("profile", __doc__, depth=18, channels=64, batch=512, steps=12)
    parser.add_argument("--compile", action="store_true", help="by torch.compile")
    arguments = parser.parse_args(argv)
    device, steps = devices.find_device(arguments.device), arguments.steps
    settings = build(Pretrain, epoch.settings_of(arguments))
    determinism.make_deterministic()
    images = measure.images_of(arguments.batch * steps)
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
        cases[row.key[:90]] = {"ms_per_step": micros / 1e3 / steps, "calls": row.count}
        print(f"{micros / whole:6.1%}  {micros / 1e3 / steps:9.3f} ms a step  {row.key[:90]}")
    measure.save(arguments.json, found, cases)


if __name__ == "__main__":
    sys.exit(measure.run(main))
