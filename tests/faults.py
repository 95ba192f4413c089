"""Faults by the hundred: crashes, signals and flipped bytes, and nothing may be lost.

python -m tests.faults --rounds 100        # about an hour; the tests run a sample

A crash round takes a finished copy of the minute scale, removes some results at random, starts a
driver, stops it at a random moment with all its processes, and runs the same command again: it must
succeed without any unlocking, and every output must have the bits of the undisturbed run. (One
exception, counted: DVC stopped while it writes a file of its own in place. Then `snakemake` must
mend that.) The rounds asked for are those stopped by SIGKILL: one in ten more gets SIGTERM and one
Ctrl-C, and one in which the driver was faster does not count. A flip round changes one bit of one
output: `verify` must name the file. A damage round lets a driver use what was changed so: it must
refuse, name the file and record nothing, and the repair must compute this result alone. Prints what
was done, found and lost; exit status 1 where anything was.
"""

import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simclr.store import results
from tests import evidence
from tests.project import BIN, Project
from workflow.publishing import dvc_record

SIMCLR = (sys.executable, "-m", "workflow")
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
CUT = ", file of DVC cut"  # said of a round after which DVC refused its own file


def result_folders(project: Project) -> list[Path]:
    """Every finished result, in a fixed order."""
    return sorted(path.parent for path in project.store.glob("*/*/provenance.json"))


def remove(project: Project, what: str, draws: random.Random) -> None:
    """Take away what a driver then has to make again."""
    if what == "results":
        remove_what_reads(project, set(), lambda: draws.random() < 0.4)
    elif what == "data":
        shutil.rmtree(project.store / "prepare")
    elif what == "pages":
        shutil.rmtree(project.path / "paper_figures" / "mini")
    else:
        (project.path / "dvc.lock").unlink()
        (project.store / "recorded").unlink(missing_ok=True)


def remove_what_reads(project: Project, gone: set[str], also) -> None:
    """Remove the results made of those with the keys `gone`, and those that `also()` says.

    With what was made of these in turn: who has the metrics needs no encoder.
    """
    gone = set(gone)
    for stage in ("pretrain", "histograms", "evaluate", "figures"):
        for folder in (one for one in result_folders(project) if one.parent.name == stage):
            if folder.name not in gone:  # else it may be damaged
                used = {key for _, key in results.read_provenance(folder)["inputs"].values()}
                if used & gone or also():
                    gone.add(folder.name)
                    shutil.rmtree(folder)


def crash(
    finished: Project, folder: Path, driver: str, stop: str, draws: random.Random, longest: float
) -> tuple[float, bool]:
    """One round in a new folder.

    Returns after how many seconds it was stopped (0: not at all), and whether DVC's file was cut.

    longest: seconds until it is stopped, at most. Raises AssertionError where anything is lost, or
    a signal that can be answered shows a trace.
    """
    project = finished.copy(folder)
    command, what = DRIVERS[driver]
    remove(project, what, draws)
    process = project.launch(command)
    after = draws.uniform(0.05, longest)
    try:
        said, _ = process.communicate(timeout=after)
        after = 0.0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, SIGNALS[stop])
        said, _ = process.communicate(timeout=600)
    if stop != "kill" and after > 1.0:  # before, Python itself was starting
        assert "Traceback" not in said, said
    again = project._run(command, check=False)
    complaints = dvc_record.WRITTEN_IN_PLACE.values()
    cut = again.returncode != 0 and any(one in again.stdout for one in complaints)
    assert cut or not again.returncode, again.stdout
    project.snakemake()
    if cut:  # Snakemake has mended it
        project._run(command, check=True)
    assert project.contents() == finished.contents(), "other bits"
    assert project.published() == finished.published(), "other pages"
    assert "up to date" in project.dvc("status").stdout
    left = [*(project.store / "tmp").glob("*"), *(project.store / "checkpoints").glob("*")]
    assert not left, f"left behind: {left}"
    shutil.rmtree(folder)
    return after, cut


def flip_a_bit(folder: Path, draws: random.Random) -> tuple[Path, bytes]:
    """Flip a random bit of a random file of a result; returns the file and what was in it."""
    file = draws.choice(sorted(path for path in folder.iterdir() if path.stat().st_size))
    content = file.read_bytes()
    place, bit = draws.randrange(len(content)), draws.randrange(8)
    file.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
    return file, content


def flip(project: Project, draws: random.Random) -> str:
    """Flip a random bit of a random output, provenance included; returns the file's kind.

    `verify` must name the file. Then the byte is put back. Raises AssertionError.
    """
    folder = draws.choice(result_folders(project))
    file, content = flip_a_bit(folder, draws)
    try:
        results.verify(folder)
    except results.ResultError as error:
        assert str(file) in str(error), f"{file} damaged, but: {error}"
    else:
        raise AssertionError(f"{file}: a bit was flipped, unnoticed")
    finally:
        file.write_bytes(content)
    return file.name


def damage(finished: Project, folder: Path, driver: str, draws: random.Random) -> str:
    """Flip a bit of an output, let a driver find it, and repair; returns "STAGE/FILE".

    What reads the result is removed, so that it would be read. Raises AssertionError.
    """
    project = finished.copy(folder)
    result = draws.choice(result_folders(project))
    file, _ = flip_a_bit(result, draws)
    remove_what_reads(project, {result.name}, lambda: False)
    recorded = (project.path / "dvc.lock").read_bytes()
    done = project._run(DRIVERS[driver][0], check=False)
    name = str(file.relative_to(project.path))
    assert done.returncode and name in done.stdout, f"{name} damaged, but {driver}: {done.stdout}"
    assert "Traceback" not in done.stdout, done.stdout
    assert (project.path / "dvc.lock").read_bytes() == recorded, f"{name}: recorded by {driver}"
    before = len(project.executed())
    project.simclr("verify", "--repair")
    again = project.executed(before)
    assert len(again) == 1 and again[0].startswith(result.parent.name), (name, again)
    project.snakemake()
    assert project.contents() == finished.contents(), "other bits"
    shutil.rmtree(folder)
    return f"{result.parent.name}/{file.name}"


def duration(finished: Project, folder: Path, driver: str) -> float:
    """Seconds that a driver takes, undisturbed, after everything was removed that could be."""
    project = finished.copy(folder)
    command, what = DRIVERS[driver]
    remove(project, what, random.Random(0))
    started = time.monotonic()
    project._run(command, check=True)
    seconds = time.monotonic() - started
    shutil.rmtree(folder)
    return seconds


def main() -> int:
    parser = evidence.parser("faults", __doc__.split("\n")[0])
    parser.add_argument(
        "--rounds",
        type=int,
        default=100,
        help="drivers that are stopped; twice as many flips, a fifth as many damage rounds",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--add", action="store_true", help="to what --json FILE has; another seed")
    arguments = parser.parse_args()
    if arguments.add and not (arguments.json and arguments.json.is_file()):
        parser.error("--add: give --json with a file that is there")
    draws, counts, lost = random.Random(arguments.seed), collections.Counter(), []
    started = time.monotonic()

    def attempt(what: str, run):
        """The result of a round, None where something was lost."""
        try:
            return run()
        except AssertionError as error:
            lost.append(f"{what}: {str(error)[-2000:]}")
            print(f"LOST: {lost[-1]}", file=sys.stderr, flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            return None

    with tempfile.TemporaryDirectory() as root:
        finished, folder = Project.create(Path(root) / "finished"), Path(root) / "round"
        finished.snakemake()
        finished.commit()
        for _ in range(2 * arguments.rounds):
            counts[f"flip: {attempt('flip', lambda: flip(finished, draws))}"] += 1
        for number in range(arguments.rounds // 5):
            driver = ("snakemake", "dvc repro")[number % 2]
            damaged = attempt(driver, lambda: damage(finished, folder, driver, draws))  # noqa: B023
            counts[f"damage: {driver}: {damaged}"] += 1
            print(f"damage {number + 1}: {driver}, {damaged}", flush=True)
        longest = {driver: duration(finished, folder, driver) for driver in DRIVERS}
        stops, tried = collections.Counter(), 0
        while stops["kill"] < arguments.rounds and tried < 3 * arguments.rounds:
            driver = list(DRIVERS)[tried % len(DRIVERS)]
            stop = draws.choices(list(SIGNALS), [10, 1, 1])[0]
            tried += 1
            done = attempt(
                f"{driver}, {stop}",
                lambda: crash(finished, folder, driver, stop, draws, longest[driver]),  # noqa: B023
            )
            after, cut = done or (0.0, False)
            stops[stop] += bool(after)
            how = (stop if after else "was faster") if done else "lost"
            counts[f"{driver}: {how}{CUT if cut else ''}"] += 1
            print(f"round {tried}: {driver}, {stop} after {after:.1f} s", flush=True)
    found = {"tried": tried, "stopped": dict(stops)}
    found |= {"flips": 2 * arguments.rounds, "damaged": arguments.rounds // 5, "lost": lost}
    found |= {"minutes": round((time.monotonic() - started) / 60, 1)}
    found |= {"counts": dict(sorted(counts.items()))}
    evidence.keep(arguments.json, found, arguments.add)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
