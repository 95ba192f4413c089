"""Edits that are saved while a driver works, and taken back: no value may stand under a wrong key.

python -m tests.edits            # about half an hour; the tests run a sample

A round removes the results that depend on a module of the minute scale, starts a driver, and saves
an edit in this module so many seconds after a process that computes has started. The edit changes
metrics, and not the length of the file. It is taken back half a second later, or when the driver
has ended. Whatever stands under the keys then must be what the code of these keys computes, edited
or not: both were computed undisturbed before. That a driver refuses to go on is right. Exit status
1 where a value is wrong.
"""

import collections
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests import evidence
from tests.project import BIN, MINI, Project

SCALE = MINI.split("experiments:")[0].replace("[0, 1]", "[0]")
SCALE += "experiments:\n  table5: {normalized: [0.5], raw: [10.0]}\n"
DRIVERS = {
    "run": [sys.executable, "-m", "workflow", "run", "--stage", "evaluate"],
    "snakemake": [BIN / "snakemake", "--cores", "2", "evaluate"],
    "dvc repro": [BIN / "dvc", "repro", "evaluate"],
}
# Who imports it -> the module, what stands there once, the edit, the stages that it changes.
EDITS = {
    "training": (
        "simclr/losses.py",
        ".div_(temperature)",
        ".mul_(temperature)",
        ("pretrain", "evaluate"),
    ),
    "evaluation": (
        "simclr/stages/evaluate.py",
        "accuracy(votes, test_labels[some])",
        "accuracy(votes,-test_labels[some])",
        ("evaluate",),
    ),
}
DELAYS = [k / 5 for k in range(16)]  # seconds: 0, 0.2, ... 3


def prepared(folder: Path) -> tuple[Project, dict[str, bytes]]:
    """A project with the scale, and what undisturbed code computes, edited or not, by file."""
    project = Project.create(folder)
    project.write("workflow/scales/mini.yaml", SCALE)
    project.commit()
    project._run(DRIVERS["run"], check=True)
    expected = project.contents()
    for module, old, new, _ in EDITS.values():
        project.edit(module, old, new)
        project._run(DRIVERS["run"], check=True)
        expected |= project.contents()
        project.edit(module, new, old)
    project.simclr("plan", "--write")  # what edited code computed is put aside
    return project, expected


def edited(project: Project, driver: str, who: str, delay: float, hold: float | None) -> int:
    """Save an edit while a driver works; returns the driver's exit status.

    hold: seconds until the edit is taken back; None: when the driver has ended.
    """
    module, old, new, stages = EDITS[who]
    for name in (*(f"results/mini/{stage}" for stage in stages), "results/mini/unused"):
        shutil.rmtree(project.path / name, ignore_errors=True)
    for name in ("results/mini/logs", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(project.path / name, ignore_errors=True)
    (project.path / "dvc.lock").unlink(missing_ok=True)
    process = project.launch(DRIVERS[driver])
    logs = project.store / "logs"
    while driver != "run" and process.poll() is None and not list(logs.glob("train*")):
        time.sleep(0.02)  # until a job starts, which trains and evaluates, or evaluates
    time.sleep(delay)
    project.edit(module, old, new)
    if hold is not None:
        time.sleep(hold)
        project.edit(module, new, old)
    said, _ = process.communicate()
    if hold is None:
        project.edit(module, new, old)
    assert "Traceback" not in said, said
    return process.returncode


def wrong(project: Project, expected: dict[str, bytes]) -> list[str]:
    """The files of results, used and put aside, that are not what the code of their keys makes."""
    found = project.contents()
    unused = project.store / "unused"
    found |= {
        str(file.relative_to(unused)): file.read_bytes()
        for file in unused.rglob("*")
        if file.is_file() and file.name != "provenance.json"
    }
    return sorted(name for name, content in found.items() if expected.get(name) != content)


def rounds(delays: dict[str, list[float]]):
    """Yield (driver, who, delay, hold) of each round: modules and holds take turns."""
    for number, (driver, delay) in enumerate((d, s) for d in delays for s in delays[d]):
        yield driver, list(EDITS)[number % 2], delay, (None, 0.5)[number // 2 % 2]


def main() -> int:
    arguments = evidence.parser("edits", __doc__.split("\n")[0]).parse_args()
    counts, bad, started = collections.Counter(), [], time.monotonic()
    with tempfile.TemporaryDirectory() as root:
        project, expected = prepared(Path(root) / "project")
        for driver, who, delay, hold in rounds(dict.fromkeys(DRIVERS, DELAYS)):
            status = edited(project, driver, who, delay, hold)
            found = wrong(project, expected)
            bad += [f"{driver}, {who}, {delay} s: {name}" for name in found]
            what = "wrong" if found else "refused" if status else "computed"
            counts[f"{driver}: {what}"] += 1
            print(f"{driver}, {who}, {delay} s: {what}", flush=True)
    found = {"rounds": len(DRIVERS) * len(DELAYS), "wrong": bad}
    found |= {"minutes": round((time.monotonic() - started) / 60, 1)}
    evidence.keep(arguments.json, found | {"counts": dict(sorted(counts.items()))})
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
