"""Runs through a real Slurm on this machine (tests/slurm.py): sbatch, preemption, several ranks."""

import functools
import json
import re
import subprocess
import sys

import pytest

from simclr.config import ConfigError
from tests import slurm
from tests.project import MINI, ROOT, Project
from workflow.running.slurm import partitions

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(slurm.lacking() is not None, reason=str(slurm.lacking())),
]

# Trainings of some seconds, whose checkpoint is written after every epoch.
LONG = MINI.replace("seeds: [0, 1]", "seeds: [0]").replace("epochs: 1\n", "epochs: 200\n")
LONG = LONG[: LONG.index("  fig6: {}")] + "  table5: {normalized: [0.5], raw: [10.0]}\n"
SHORT = LONG.replace("epochs: 200", "epochs: 2")
OFTEN = {"SIMCLR_CHECKPOINT_MINUTES": "0"}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with slurm.cluster(tmp_path_factory.mktemp("cluster") / "slurm"):
        yield


@pytest.fixture
def before(cluster):
    """How many jobs there were before this test."""
    return len(slurm.jobs())


def states(before: int) -> dict[str, list[str]]:
    """rule -> the states of its jobs since."""
    found = {}
    for _, rule, state in slurm.jobs()[before:]:
        found.setdefault(rule, []).append(state)
    return found


def project(path, scale: str = MINI) -> Project:
    made = Project.create(path)
    made.write("workflow/scales/mini.yaml", scale)
    return made


def prepared(path, scale: str) -> Project:
    """With its data, which then are no job of their own."""
    made = project(path, scale)
    made.simclr("run", "mini", "--stage", "prepare")
    return made


def test_the_dag_runs_through_sbatch_to_the_same_bits(before, finished, tmp_path):
    made = project(tmp_path / "project")
    slurm.run(made)
    assert states(before) == {
        rule: ["COMPLETED"]
        for rule in (
            "prepare_data",
            "histograms_fig6_histograms",
            "train_table5_l2_0_5",
            "train_fig8_none",
            "figures_fig6",
            "figures_table5",
            "figures_fig8",
        )
    }
    assert sorted(made.executed()) == sorted(finished.executed())  # each result once
    assert made.contents() == finished.contents()
    assert made.published() == finished.published()
    assert "nothing to compute" in slurm.run(made)
    assert len(slurm.jobs()) == before + 7


def goes_on(checkpoint, process) -> None:
    """Its next state is a later one: who began anew would write that of the first step."""
    before = slurm.reached(checkpoint)
    slurm.wait(lambda: slurm.reached(checkpoint) != before, "training goes on", process.poll)
    assert slurm.reached(checkpoint) > before


def test_a_cancelled_and_a_preempted_job_go_on_to_the_same_bits(before, tmp_path):
    """The first of a job's two trainings is cancelled, the second one preempted."""
    alone, made = (prepared(tmp_path / name, LONG) for name in ("alone", "project"))
    alone.simclr("run", "mini", "--stage", "evaluate")
    rule, folder, written = "train_table5_l2_0_5", made.store / "checkpoints", set()
    training = functools.partial(slurm.training, rule, folder, written)
    with slurm.started(made, "pretrain", **OFTEN) as process:
        cancelled, checkpoint = slurm.wait(training, "a checkpoint", process.poll)
        subprocess.run(["scancel", cancelled], check=True)
        slurm.wait(lambda: states(before)[rule] == ["CANCELLED"], "its end", process.poll)
        assert {file.name for file in folder.glob("*.safetensors")} == written
        goes_on(checkpoint, process)

        preempted, checkpoint = slurm.wait(training, "the second training", process.poll)
        assert preempted != cancelled  # Snakemake submitted another
        urgent = ("sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--wrap=sleep 1")
        subprocess.run([*urgent, f"--output={tmp_path}/urgent"], check=True, capture_output=True)
        stopped = ["CANCELLED", "PENDING"]
        slurm.wait(lambda: states(before)[rule] == stopped, "preemption", process.poll)
        assert {file.name for file in folder.glob("*.safetensors")} < written
        goes_on(checkpoint, process)
        output = process.communicate()[0]
    assert process.returncode == 0, output
    # What went wrong with a job, and its log, are seen in the terminal.
    assert f"SLURM-job '{cancelled}' failed, SLURM status is: 'CANCELLED'" in output
    assert f"Logfile results/mini/logs/{rule}.log" in output
    assert states(before)[rule] == ["CANCELLED", "COMPLETED"]  # Slurm started the same job again
    assert made.executed() == alone.executed()  # each once: what was finished was kept
    assert made.contents() == alone.contents()
    assert not list(folder.iterdir())


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory) -> Project:
    """Trained by two processes that torchrun started here."""
    made = project(tmp_path_factory.mktemp("ranks") / "project", "gpus: 2\n" + SHORT)
    made.simclr("run", "mini", "--ranks", "2", "--stage", "pretrain")
    return made


@pytest.mark.parametrize("per_node", [2, 1], ids=["one node", "two nodes"])
def test_several_ranks_train_through_torchrun(before, two_ranks, tmp_path, per_node):
    """On CPUs, which stand for GPUs here: one line of the copy says so."""
    scale = f"gpus: 2\ngpus_per_node: {per_node}\n" + SHORT
    made = prepared(tmp_path / "project", scale)
    made.edit("workflow/planning/placement.py", ' and settings.device == "cuda"', "")
    slurm.run(made, "pretrain")
    assert states(before)["train_table5_l2_0_5"] == ["COMPLETED"]
    assert made.contents().items() >= two_ranks.contents().items()
    for trained in (made.store / "pretrain").iterdir():
        assert json.loads((trained / "provenance.json").read_text())["ranks"] == 2


def test_gpus_are_asked_for(before, tmp_path):
    """And are not there: Slurm's stand for them."""
    scale = "device: cuda\ngpus: 2\n" + SHORT
    made = prepared(tmp_path / "project", scale)

    def pretraining():
        return [job for job, rule, _ in slurm.jobs()[before:] if rule.startswith("pretrain")]

    with slurm.started(made, "table5") as process:
        job = slurm.wait(pretraining, "a job", process.poll)[0]
        shown = slurm.slurm("scontrol", "show", "job", job)
        assert re.search("gpu[=:]2", shown) and "NumNodes=1" in shown
        slurm.slurm("scancel", *pretraining())


def test_a_partition_that_does_not_exist_is_one_line(before, tmp_path):
    made = project(tmp_path / "project")
    output = slurm.run(made, "--default-resources", "slurm_partition=mian", status=2)
    assert (
        "error: slurm_partition: 'mian' is no partition of this Slurm, which has main, urgent."
        " Did you mean 'main'?" in output.splitlines()
    )
    assert "Traceback" not in output
    assert len(slurm.jobs()) == before and made.executed() == []


def test_too_few_gpus_or_too_little_memory_are_one_line(before, tmp_path):
    """One of the two nodes has its GPUs with the name of a model, and counts as well."""
    made = project(tmp_path / "project", "device: cuda\ngpus: 3\n" + SHORT)
    said = (
        "error: gpus: a job wants 1 node with 3 each, but partition 'main' has 0 such;"
        " lower gpus or gpus_per_node in the scale, or set another slurm_partition."
    )
    assert said in slurm.run(made, "table5", status=2).splitlines()
    made.write("workflow/scales/mini.yaml", "device: cuda\ngpus: 6\ngpus_per_node: 2\n" + SHORT)
    assert "error: gpus: a job wants 3 nodes with 2 each" in slurm.run(made, "table5", status=2)
    made.write("workflow/scales/mini.yaml", SHORT)
    output = slurm.run(made, "--set-resources", "prepare_data:mem_mb=99999", status=2)
    assert "error: mem_mb: a job wants 99,999 MB on a node" in output
    assert len(slurm.jobs()) == before and made.executed() == []
    nodes = [(2, 32_000)] * 2
    assert partitions() == ({"main": nodes, "urgent": nodes}, "main")


def test_a_slurm_that_does_not_answer_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "slurm.conf").write_text(
        "ClusterName=none\nSlurmctldHost=none(127.0.0.1)\nSlurmctldPort=1\nAuthType=auth/none\n"
        "NodeName=n1\nPartitionName=main Nodes=n1\n"
    )
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    with pytest.raises(ConfigError, match=r"Unable to contact.*; Slurm does not answer: is its"):
        partitions()


def test_no_daemon_survives_who_started_it(tmp_path):
    """Killed, it cannot stop them itself."""
    folder = tmp_path / "slurm"
    code = (
        "import sys, time; from pathlib import Path; from tests import slurm\n"
        "with slurm.cluster(Path(sys.argv[1])):\n"
        "    slurm.slurm('sbatch', '--output=/dev/null', '--wrap=sleep 1000')\n"
        "    slurm.wait(lambda: [one for one in slurm.jobs() if one[2] == 'RUNNING'], 'a job')\n"
        "    print('up', flush=True); time.sleep(1000)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    own = f"SLURM_CONF={folder}/slurm.conf".encode()
    try:
        assert process.stdout.readline() == "up\n"
        several = "controller, two nodes, and what they started"
        slurm.wait(lambda: len(slurm.processes(own)) > 4, several)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    slurm.wait(lambda: not slurm.processes(own), "the end of all processes")
