"""Faults by the hundred: crashes, signals and flipped bytes, and nothing may be lost.

python -m tests.faults --rounds 100        # about half an hour; the tests run a sample

A crash round takes a finished copy of the minute scale, removes some results at random, starts a
driver, stops it at a random moment with all its processes, and runs the same command again: it
must succeed without any unlocking, and every output must have the bits of the undisturbed run. A
flip round changes one byte of one output: `verify` must name the file. Prints what was done, found
and lost; exit status 1 where anything was.
"""

import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simclr import results
from tests.project import BIN, Project

SIMCLR = (sys.executable, "-m", "simclr")
# Name: command, and what is removed before it: a share of the results, pages, or DVC's record.
DRIVERS = {
    "snakemake": ([BIN / "snakemake", "--cores", "2"], "results"),
    "dvc repro": ([BIN / "dvc", "repro"], "results"),
    "bare stages": ([*SIMCLR, "run"], "results"),
    "packing": ([*SIMCLR, "run", "--stage", "prepare"], "data"),
    "publishing": ([*SIMCLR, "publish"], "pages"),
    "dvc commit": ([BIN / "dvc", "commit", "--force"], "record"),
}
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}


def result_folders(project: Project) -> list[Path]:
    """Every finished result, in a fixed order."""
    return sorted(path.parent for path in project.store.glob("*/*/provenance.json"))


def remove(project: Project, what: str, draws: random.Random) -> None:
    """Take away what a driver then has to make again."""
    if what == "results":  # with what was made of them: who has the metrics needs no encoder
        gone = set()
        for stage in ("pretrain", "histograms", "evaluate", "figures"):
            for folder in (one for one in result_folders(project) if one.parent.name == stage):
                used = {key for _, key in results.read_provenance(folder)["inputs"].values()}
                if used & gone or draws.random() < 0.4:
                    gone.add(folder.name)
                    shutil.rmtree(folder)
    elif what == "data":
        shutil.rmtree(project.store / "prepare")
    elif what == "pages":
        shutil.rmtree(project.path / "paper_figures" / "mini")
    else:
        (project.path / "dvc.lock").unlink()
        (project.store / "recorded").unlink(missing_ok=True)


def crash(finished: Project, folder: Path, driver: str, stop: str, draws: random.Random) -> float:
    """One round in a new folder. Returns after how many seconds it was stopped (0: it was not).

    Raises AssertionError where anything is lost, or a signal that can be answered shows a trace.
    """
    project = finished.copy(folder)
    command, what = DRIVERS[driver]
    remove(project, what, draws)
    process = project.launch(command)
    after = draws.uniform(0.05, 12.0 if what == "results" else 4.0)
    try:
        said, _ = process.communicate(timeout=after)
        after = 0.0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, SIGNALS[stop])
        said, _ = process.communicate(timeout=60)
    if stop != "kill" and after > 1.0:  # before, Python itself was starting
        assert "Traceback" not in said, said
    project._run(command, check=True)
    project.snakemake()
    assert project.contents() == finished.contents(), "other bits"
    assert project.published() == finished.published(), "other pages"
    assert "up to date" in project.dvc("status").stdout
    left = [*(project.store / "tmp").glob("*"), *(project.store / "checkpoints").glob("*")]
    assert not left, f"left behind: {left}"
    shutil.rmtree(folder)
    return after


def flip(project: Project, draws: random.Random) -> str:
    """Flip a random bit of a random output, provenance included; returns the file's kind.

    `verify` must name the file. Then the byte is put back. Raises AssertionError.
    """
    folder = draws.choice(result_folders(project))
    file = draws.choice(sorted(path for path in folder.iterdir() if path.stat().st_size))
    content = file.read_bytes()
    place, bit = draws.randrange(len(content)), draws.randrange(8)
    file.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
    try:
        results.verify(folder)
    except results.ResultError as error:
        assert str(file) in str(error), f"{file} damaged, but: {error}"
    else:
        raise AssertionError(f"{file}: bit {bit} of byte {place} flipped, unnoticed")
    finally:
        file.write_bytes(content)
    return file.name


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=100, help="of crashes; twice as many flips")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the counts here")
    arguments = parser.parse_args()
    draws, counts, lost = random.Random(arguments.seed), collections.Counter(), []
    with tempfile.TemporaryDirectory() as root:
        finished = Project.create(Path(root) / "finished")
        finished.snakemake()
        finished.commit()
        for _ in range(2 * arguments.rounds):
            counts[f"flip: {flip(finished, draws)}"] += 1
        started = time.monotonic()
        for number in range(arguments.rounds):
            driver = list(DRIVERS)[number % len(DRIVERS)]
            stop = draws.choices(list(SIGNALS), [8, 1, 1])[0]
            folder = Path(root) / f"round-{number}"
            try:
                after = crash(finished, folder, driver, stop, draws)
            except AssertionError as error:
                lost.append(f"{driver}, {stop}: {str(error)[-2000:]}")
                print(f"LOST in round {number}: {lost[-1]}", file=sys.stderr)
                shutil.rmtree(folder, ignore_errors=True)
                continue
            counts[f"{driver}: {stop if after else 'was faster'}"] += 1
            print(f"round {number + 1}: {driver}, {stop} after {after:.1f} s", flush=True)
        minutes = (time.monotonic() - started) / 60
    found = {"rounds": arguments.rounds, "seed": arguments.seed, "minutes": round(minutes, 1)}
    found |= {"lost": lost, "counts": dict(sorted(counts.items()))}
    print(json.dumps(found, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
