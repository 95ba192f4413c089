"""What the workflow itself costs at 10,000 results: planning, keys, no-op check, verify.

    python -m benchmarks.overhead [--seeds 84 --repetitions 3] [--json FILE]

A throw-away copy of this project gets a scale with Figures 5, 6 and 8 and Table 5, whose grids and
seeds give the wanted number of results: 59 trainings and their evaluations a seed. Nothing is
trained: every result is written as a finished one, small, with a valid provenance. Only the figures
are really drawn. Each command is timed by the clock on the wall, start of Python included, but for:

* plan, in a running process: the whole plan, as every command builds it, files of code read anew;
* keys alone: the hashing in it, of all results.

Nothing is missing where `snakemake --cores all` is timed: it plans, publishes, compares with the
published metrics, and finds that DVC has the record. Everything is missing, and every result a job
of its own (as on GPUs), where the dry run is timed: what passes before the first job starts.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import measure
from tests.project import MINI, Project

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
from simclr.store import provenance
from workflow.planning.planner import build_plan
from workflow.running.plan_file import write_plan

plan = build_plan("mini")
write_plan(plan)
now = datetime.datetime.now(datetime.UTC)
curves = "epoch,loss,contrastive_accuracy,contrastive_entropy,lr\\n1,4.0,5.0,3.0,0.1\\n"
for number, one in enumerate(plan.instances.values()):
    if one.stage.kind in ("data", "figure"):
        continue
    draw = random.Random(number)
    folder = one.path(plan.store)
    folder.mkdir(parents=True)
    names = ["linear_h", "linear_z", "knn_h", "contrastive_accuracy", "contrastive_entropy"]
    if one.stage.name == "histograms":
        names = ["retrieval_plain_chi2", "retrieval_distorted_chi2", "retrieval_chance"]
    metrics = {name: 50 + draw.random() for name in names}
    files = {"metrics.json": json.dumps(metrics, indent=1, sort_keys=True) + "\\n"}
    if one.stage.name == "pretrain":
        files = {"training.json": "{}\\n", "encoder.safetensors": draw.randbytes(4096).hex()}
    elif one.stage.name == "evaluate":
        files["curves.csv"] = curves
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    provenance.write_provenance(one, folder, now, 1.0)
"""


# In one process: seconds of a plan with nothing cached in memory, then of the keys in it alone.
TIME = """\
import json, time
from simclr.store import keys
from workflow.planning.planner import build_plan

start = time.perf_counter()
plan = build_plan("mini")
planned = time.perf_counter() - start
start = time.perf_counter()
for one in plan.instances.values():
    assert keys.key_of(one.parts()) == one.key
print(json.dumps([len(plan.instances), planned, time.perf_counter() - start]))
"""


def project(folder: Path, seeds: int, device: str = "cpu") -> Project:
    """A copy of this project with the scale."""
    made = Project.create(folder)
    text = MINI.split("experiments:")[0].replace("[0, 1]", str(list(range(seeds))))
    made.write("workflow/scales/mini.yaml", f"{text}device: {device}\nexperiments:\n{GRIDS}")
    made.commit()
    return made


def finish(made: Project) -> None:
    """Write all results, draw the figures, publish, and record for DVC."""
    made.simclr("run", "mini", "--stage", "prepare")
    made._run([sys.executable, "-c", WRITE], check=True)
    made.snakemake()
    made.simclr("export", "mini")
    made.snakemake()


def commands(made: Project, missing: Project) -> dict:
    """What is timed, by name, and what must stand in its output: else it did something else."""
    return {
        "`simclr plan`": (lambda: made.simclr("plan"), "nothing to compute"),
        "`snakemake --cores all`, nothing missing": (made.snakemake, "metrics identical"),
        "`dvc status`": (lambda: made.dvc("status"), "up to date"),
        "`dvc repro`, nothing missing": (lambda: made.dvc("repro"), "up to date"),
        "`simclr verify`": (lambda: made.simclr("verify"), " 0 damaged"),
        "`snakemake --dry-run`, everything missing": (
            lambda: missing.snakemake("--dry-run", "--quiet", "rules"),
            "",
        ),
    }


def measured(made: Project, missing: Project, repetitions: int) -> tuple[int, dict]:
    """Return (number of results, name -> seconds of each turn). They take turns."""
    seconds = {}
    for turn in range(-1, repetitions):  # the first only warms up
        found = made._run([sys.executable, "-c", TIME], check=True).stdout
        results, planned, hashed = json.loads(found.splitlines()[-1])
        taken = {"plan, in a running process": planned, "keys alone": hashed}
        for name, (run, words) in commands(made, missing).items():
            start = time.perf_counter()
            done = run()
            taken[name] = time.perf_counter() - start
            assert words in done.stdout, f"{name}: {done.stdout[-1000:]}"
        print(json.dumps({name: round(one, 2) for name, one in taken.items()}), flush=True)
        if turn >= 0:
            for name, one in taken.items():
                seconds.setdefault(name, []).append(round(one, 3))
    return results, seconds


def main(argv=None) -> None:
    """Make the projects, measure, print and save."""
    arguments = measure.parser(
        "overhead", __doc__, device=False, seeds=84, repetitions=3
    ).parse_args(argv)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        made = project(Path(folder) / "finished", arguments.seeds)
        finish(made)
        missing = project(Path(folder) / "missing", arguments.seeds, "cuda")
        results, seconds = measured(made, missing, arguments.repetitions)
    for name, taken in seconds.items():
        print(f"{name:45}{statistics.median(taken):8.2f} s  [{min(taken):.2f}, {max(taken):.2f}]")
    about = measure.about("cpu", arguments.repetitions, "snakemake", "dvc")
    case = {"results": results, "seconds": seconds, "load": [round(load, 2), _load()]}
    measure.save(arguments.json, about, {f"{results:,} results": case})


def _load() -> float:
    return round(os.getloadavg()[0], 2)


if __name__ == "__main__":
    sys.exit(measure.run(main))
