"""A sample of `python -m tests.faults`, and faults of other kinds."""

import json
import random
import shutil
import subprocess
import sys

import pytest

from simclr.store import results
from tests import faults
from tests.project import ROOT, Project
from workflow.publishing import dvc_record

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "driver, stop, seed",
    [("snakemake", "kill", 1), ("dvc repro", "kill", 2), ("bare stages", "int", 3)],
)
def test_a_crash_loses_nothing(finished, tmp_path, driver, stop, seed):
    faults.crash(finished, tmp_path / "project", driver, stop, random.Random(seed), longest=12.0)


@pytest.mark.parametrize(
    "file, left",
    [
        ("dvc.lock", ""),
        ("dvc.lock", "schema: '2.0'\nstages:\n  prep"),
        ("dvc.lock", "schema: '2"),
        (".dvc/tmp/rwlock", ""),
        (".dvc/tmp/rwlock", '{"write": {'),
    ],
)
def test_a_file_of_dvc_that_was_cut_is_mended(finished, tmp_path, file, left):
    """DVC writes it in place; stopped within, it refuses its own file until it is mended."""
    project = finished.copy(tmp_path / "project")
    whole = (project.path / "dvc.lock").read_text()
    project.write(file, left)
    (project.store / "recorded").unlink()
    done = project.dvc("commit", "--force", check=False)
    assert done.returncode and dvc_record.WRITTEN_IN_PLACE[file] in done.stdout, done.stdout
    before = len(project.executed())
    project.snakemake()
    assert (project.path / "dvc.lock").read_text() == whole and not project.executed(before)
    project.dvc("commit", "--force")


def test_every_flipped_bit_is_found(finished, tmp_path):
    project, draws = finished.copy(tmp_path / "project"), random.Random(0)
    kinds = {faults.flip(project, draws) for _ in range(200)}
    assert {"encoder.safetensors", "metrics.json", "provenance.json", "curves.csv"} <= kinds


@pytest.mark.parametrize("driver, seed", [("snakemake", 1), ("dvc repro", 2)])
def test_no_driver_uses_or_records_what_is_damaged(finished, tmp_path, driver, seed):
    faults.damage(finished, tmp_path / "project", driver, random.Random(seed))


def of(project: Project, stage: str) -> list:
    return sorted(path for path in (project.store / stage).iterdir() if path.is_dir())


def test_tampering_is_caught(finished, tmp_path):
    """Metrics made better, provenance changed, encoders swapped, whole results swapped."""
    project = finished.copy(tmp_path / "project")
    one, other = of(project, "evaluate")[:2]
    metrics = json.loads((one / "metrics.json").read_text())
    (one / "metrics.json").write_text(json.dumps({**metrics, "linear_h": 99.0}))
    with pytest.raises(results.ResultError, match=r"metrics\.json: content differs"):
        results.verify(one)

    provenance = json.loads((other / "provenance.json").read_text())
    provenance["settings"]["seed"] = 7
    (other / "provenance.json").write_text(json.dumps(provenance, indent=1, sort_keys=True) + "\n")
    with pytest.raises(results.ResultError, match=r"provenance\.json: damaged .*seal"):
        results.verify(other)

    first, second, third = of(project, "pretrain")[:3]
    contents = [(folder / "encoder.safetensors").read_bytes() for folder in (first, second)]
    for folder, content in zip((second, first), contents, strict=True):
        (folder / "encoder.safetensors").write_bytes(content)
    for folder in (first, second):
        with pytest.raises(results.ResultError, match=r"encoder\.safetensors: content differs"):
            results.verify(folder)

    shutil.rmtree(second)
    shutil.copytree(third, second)
    with pytest.raises(results.ResultError, match="belongs to another result"):
        results.verify(second)

    found = project.simclr("verify", check=False)
    assert found.returncode == 1 and found.stdout.count("error: ") == 4
    before = len(project.executed())
    project.simclr("verify", "--repair")
    again = project.executed(before)
    assert len(again) == 4 and {line.split()[0] for line in again} == {"pretrain", "evaluate"}
    assert project.contents() == finished.contents()


def test_an_interrupt_while_python_ends_shows_no_trace():
    """The main thread then waits for others, as Snakemake's does, and an interrupt ends that."""
    code = """
import os, signal, sys, threading, time
from workflow import cli

def other():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.3)

sys.unraisablehook = cli.interrupt_again
threading.Thread(target=other).start()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert not done.stderr


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_an_interrupt_within_a_destructor_is_not_swallowed(seconds):
    """Python alone would print a trace there, and go on; seconds: that a thread takes to start."""
    code = """
import argparse, threading, time
from workflow import cli

start = threading.Thread.start
def slow_start(thread):
    start(thread)
    time.sleep(SECONDS)
threading.Thread.start = slow_start

class Fragile:
    def __del__(self):
        raise KeyboardInterrupt

def work(args):
    Fragile()
    time.sleep(5)
    print("went on")

parser = argparse.ArgumentParser()
parser.set_defaults(run=work)
cli.parser = lambda: parser
raise SystemExit(cli.main([]))
""".replace("SECONDS", str(seconds))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "stopped; run the same command again.\n"
