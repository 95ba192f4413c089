"""What the workflow itself costs at thousands of results: planning, keys, no-op check, verify.

    python -m benchmarks.overhead [--seeds 84 --repetitions 5] [--json FILE]

A throw-away copy of this project gets a scale with Figures 5, 6 and 8 and Table 5, whose grids and
seeds give the wanted number of results: 59 trainings and their evaluations a seed. Nothing is
trained: every result is written as a finished one, small, with a valid provenance. Only the figures
are really drawn. Then each command is timed by the clock on the wall, start of Python included:

* plan: the whole plan in a new process, as every command builds it; keys: the hashing in it;
* no-op: `snakemake --cores all` where nothing is missing: plans, publishes, compares with the
  published metrics, and finds that DVC has the record;
* dvc status, and verify: every byte against its SHA-256;
* job: the time of a result in `snakemake`, but for what the stage itself took. For a small plan of
  trainings of a fraction of a second, one result a process (`SHORT` jobs would share one).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import measure
from tests.project import BIN, MINI, Project

GRIDS = """\
  fig6: {}
  table5: {normalized: [0.05, 0.1, 0.5, 1.0], raw: [10.0, 100.0]}
  fig8: {dims: [8, 16]}
  fig5: {operators: [crop, cutout, color, sobel, noise, blur, rotate]}
"""
# Run in the copy, so that all of its modules are the copy's.
WRITE = """\
import datetime, json, random
from pathlib import Path
from simclr import results, runner
from workflow.plan import build_plan, write_plan

plan = build_plan("mini")
write_plan(plan)
now = datetime.datetime.now(datetime.UTC)
curves = "epoch,loss,contrastive_accuracy,contrastive_entropy,lr\\n1,4.0,5.0,3.0,0.1\\n"
for number, one in enumerate(plan.instances.values()):
    if one.stage in ("prepare", "figures"):
        continue
    draw = random.Random(number)
    folder = one.path(plan.store)
    folder.mkdir(parents=True)
    names = ["linear_h", "linear_z", "knn_h", "contrastive_accuracy", "contrastive_entropy"]
    if one.stage == "histograms":
        names = ["retrieval_plain_chi2", "retrieval_distorted_chi2", "retrieval_chance"]
    metrics = {name: 50 + draw.random() for name in names}
    files = {"metrics.json": json.dumps(metrics, indent=1, sort_keys=True) + "\\n"}
    if one.stage == "pretrain":
        files = {"training.json": "{}\\n", "encoder.safetensors": draw.randbytes(4096).hex()}
    elif one.stage == "evaluate":
        files["curves.csv"] = curves
    for name, text in files.items():
        (folder / name).write_text(text)
    runner._write_provenance(one.line(), folder, now, 1.0)
"""


def project(folder: Path, seeds: int) -> Project:
    """A copy with the scale, its results written, its figures drawn, all recorded for DVC."""
    made = Project.create(folder)
    text = MINI.split("experiments:")[0].replace("[0, 1]", str(list(range(seeds))))
    made.write("workflow/scales/mini.yaml", f"{text}experiments:\n{GRIDS}")
    made.commit()
    made.simclr("run", "mini", "--stage", "prepare")
    made._run([sys.executable, "-c", WRITE], check=True)
    made.snakemake()
    made.simclr("export", "mini")
    made.snakemake()
    made.commit()
    return made


def seconds(run, repetitions: int) -> list[float]:
    """The wall time of each of several runs."""
    taken = []
    for _ in range(repetitions):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return taken
