"""Show a run through Slurm, whatever it says, and keep it: docs/logs/slurm.txt.

    python -m tests.slurm_log

Starts the Slurm of tests/slurm.py, runs the minute scale of the tests through it, cancels and
preempts a training, trains with two ranks on two nodes, makes mistakes, and compares all results
with runs without Slurm. Takes some minutes; needs root, and Debian's slurmctld, slurmd and
slurm-client. tests/test_slurm.py asserts the same things and more.
"""

import datetime
import functools
import importlib.metadata
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from simclr.config import ConfigError
from simclr.files import write_atomic
from simclr.store.provenance import hardware
from tests import slurm
from tests.project import ROOT, Project
from tests.test_slurm import LONG, OFTEN, SHORT, project

LOG = ROOT / "docs" / "logs" / "slurm.txt"


class Log:
    """What is shown, and kept: without the places of this machine, and its name."""

    def __init__(self):
        self.lines, self.places = [], {socket.gethostname(): "HOST"}

    def say(self, text: str = "") -> None:
        for place, name in sorted(self.places.items(), key=lambda one: -len(one[0])):
            text = text.replace(place, name)
        self.lines += text.rstrip().split("\n")
        print(text, flush=True)

    def heading(self, text: str) -> None:
        self.say(f"\n{text}\n{'=' * len(text)}\n")

    def run(self, *command: str) -> None:
        self.say(f"$ {shlex.join(command)}")
        done = subprocess.run(command, capture_output=True, encoding="utf-8")
        self.say(done.stdout + done.stderr)

    def snakemake(self, made: Project, *more: str, status: int = 0, during=None, **environment):
        """Run it through Slurm; `during` is called meanwhile. Blank lines are left out."""
        words = [name + "=" + value for name, value in environment.items()]
        words += map(str, ["snakemake", *slurm.arguments(*more)[1:]])
        self.say(f"$ {' '.join(words)}")
        with slurm.started(made, *more, **environment) as process:
            if during is not None:
                during(process)
            output = process.communicate()[0]
        self.say("\n".join(line for line in output.splitlines() if line.strip()))
        self.say(f"(exit status {process.returncode})\n")
        assert process.returncode == status

    def jobs(self, before: int) -> None:
        """Slurm's jobs since there were so many."""
        self.say("Slurm's jobs, their rules and states, by squeue:")
        for job, rule, state in slurm.jobs()[before:]:
            self.say(f"{job:>3} {rule:30} {state}")
        self.say()

    def compare(self, made: Project, other: Project, what: str) -> None:
        """The files of two projects' results, byte by byte."""
        ours, theirs = made.contents(), other.contents()
        differ = [name for name in ours.keys() | theirs if ours.get(name) != theirs.get(name)]
        size = sum(map(len, ours.values()))
        self.say(
            f"Compared with {what}: {len(ours)} files of results, {size:,} bytes, "
            f"{sum(name.endswith('.safetensors') for name in ours)} of them weights; "
            f"{len(differ)} files differ."
        )
        assert ours and not differ, differ


def dag(log: Log, folder: Path) -> None:
    log.heading("The whole DAG through sbatch")
    made, alone, before = project(folder / "dag"), project(folder / "dag-alone"), len(slurm.jobs())
    log.places |= {str(made.path): "."}
    log.snakemake(made)
    log.jobs(before)
    alone.snakemake()
    log.compare(made, alone, "`snakemake --cores 2` in another folder, without Slurm")


def interrupted(log: Log, folder: Path) -> None:
    log.heading("A job is cancelled by hand, then preempted by a partition of higher priority")
    made, alone = project(folder / "long", LONG), project(folder / "long-alone", LONG)
    log.places |= {str(made.path): "."}
    before, checkpoints = len(slurm.jobs()), made.store / "checkpoints"
    training = functools.partial(slurm.training, "train_table5_l2_0_5", checkpoints, set())

    def during(process):
        for number in ("first", "second"):
            job, checkpoint = slurm.wait(training, f"the {number} training", process.poll)
            log.say(f"[meanwhile: job {job} is at the {number} of its two trainings]")
            if number == "first":
                log.run("scancel", job)
            else:
                urgent = ("sbatch", "--partition=urgent", "--nodes=2", "--exclusive")
                log.run(*urgent, "--wrap=sleep 1", "--comment=urgent", "--output=/dev/null")
            stopped = {(job, "CANCELLED"), (job, "PENDING")}
            slurm.wait(lambda stopped=stopped: stopped & pairs(), "its end", process.poll)
            log.jobs(before)
            goes_on(log, checkpoint, process)
        log.say("[what snakemake said]")

    def pairs():
        return {(job, state) for job, _, state in slurm.jobs()}

    log.snakemake(made, "pretrain", during=during, **OFTEN)
    log.jobs(before)
    log.say("Every training ran to its end once (results/mini/journal.jsonl):")
    log.say("\n".join(made.executed()) + "\n")
    alone.simclr("run", "mini", "--stage", "evaluate")
    log.compare(made, alone, "`simclr run --stage evaluate`, undisturbed, without Slurm")


def goes_on(log: Log, checkpoint: Path, process) -> None:
    before = slurm.reached(checkpoint)
    log.say(f"The training's checkpoint: {before[0]} epochs and {before[1]} steps.")
    slurm.wait(lambda: slurm.reached(checkpoint) != before, "training goes on", process.poll)
    later = slurm.reached(checkpoint)
    log.say(f"The next one seen, of the job that goes on: {later[0]} epochs, {later[1]} steps.\n")
    assert later > before


def ranks(log: Log, folder: Path) -> None:
    log.heading("Two ranks on two nodes, by srun and torchrun")
    scale = "gpus: 2\ngpus_per_node: 1\n" + SHORT
    made, alone = project(folder / "ranks", scale), project(folder / "ranks-alone", scale)
    log.places |= {str(made.path): "."}
    log.say("(On CPUs: the copy of workflow/planning/placement.py lets them have several ranks.)")
    made.edit("workflow/planning/placement.py", ' and settings.device == "cuda"', "")
    before = len(slurm.jobs())
    log.snakemake(made, "pretrain")
    log.jobs(before)
    alone.write("workflow/scales/mini.yaml", "gpus: 2\n" + SHORT)
    alone.simclr("run", "mini", "--ranks", "2", "--stage", "evaluate")
    log.compare(made, alone, "`simclr run --ranks 2 --stage evaluate`, without Slurm")


def mistakes(log: Log, folder: Path) -> None:
    log.heading("Mistakes")
    made, before = project(folder / "mistakes", SHORT), len(slurm.jobs())
    log.places |= {str(made.path): "."}
    log.snakemake(made, "--default-resources", "slurm_partition=mian", status=2)
    log.snakemake(made, "--set-resources", "prepare_data:mem_mb=99999", status=2)
    log.say("(`device: cuda` and `gpus: 3` in the scale)")
    made.write("workflow/scales/mini.yaml", "device: cuda\ngpus: 3\n" + SHORT)
    log.snakemake(made, status=2)
    log.say(f"Jobs submitted by these: {len(slurm.jobs()) - before}.")


def main() -> int:
    if problem := slurm.lacking():
        raise ConfigError(problem)
    log = Log()
    versions = {
        name: importlib.metadata.version(name)
        for name in ("snakemake", "snakemake-executor-plugin-slurm", "torch")
    }
    here = f"{hardware()}, {os.cpu_count()} cores"
    log.say(f"python -m tests.slurm_log, {datetime.date.today()}, {here}")
    log.say(", ".join(f"{name} {version}" for name, version in versions.items()))
    with tempfile.TemporaryDirectory() as name, slurm.cluster(Path(name) / "slurm"):
        log.places |= {name: "/tmp/log", sys.prefix: ".venv"}
        log.heading("Slurm on this machine: two nodes, whose GPUs are stand-ins")
        log.run("sinfo", "--version")
        log.run("sinfo", "--Node", "--format=%N %P %t %c %m %G")
        for part in (dag, interrupted, ranks, mistakes):
            part(log, Path(name))
    write_atomic(LOG, "\n".join(log.lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
