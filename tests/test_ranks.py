"""Two and four processes compute what one does on the whole batch; and what if one of them dies."""

import csv
import json
import multiprocessing
import socket
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests import ranks_worker
from tests.project import Project
from tests.training import prepare_data

pytestmark = pytest.mark.slow
# Forked from one process that has torch imported and nothing computed: each starts in no time.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.ranks_worker"])


def start(count: int, task: str, folder: Path, *more, **environment) -> list:
    """Start ranks_worker.work in `count` processes, which log to folder/log.<rank>."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    started = []
    for rank in range(count):
        values = {**address, "RANK": str(rank), "SIMCLR_CHECKPOINT_MINUTES": "0", **environment}
        arguments = (values, folder / f"log.{rank}", task, folder, *more)
        started.append(CONTEXT.Process(target=ranks_worker.work, args=arguments, daemon=True))
        started[-1].start()
    return started


def run(count: int, task: str, folder: Path) -> None:
    for rank, process in enumerate(start(count, task, folder)):
        process.join(120)
        assert process.exitcode == 0, (folder / f"log.{rank}").read_text()


def arithmetic(folder: Path, count: int, task="arithmetic") -> dict[str, torch.Tensor]:
    folder.mkdir()
    run(count, task, folder)
    return load_file(folder / "found.safetensors")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return arithmetic(tmp_path_factory.mktemp("ranks") / "alone", 1)


@pytest.mark.parametrize("count", [2, 4])
def test_loss_gradients_and_statistics_are_those_of_one_process(alone, tmp_path, count):
    found = arithmetic(tmp_path / "found", count)
    assert found.keys() == alone.keys()
    for name, wanted in alone.items():
        assert wanted.dtype == torch.float64
        error = (found[name] - wanted).abs().max().item()
        assert error <= 1e-10 * max(1.0, wanted.abs().max().item()), (name, error)


def test_a_gather_without_gradients_would_be_seen(alone, tmp_path):
    found = arithmetic(tmp_path / "found", 2, "dropped")
    for name in ("loss.True.16777216.a", "norm.x", "network.False.conv1.weight"):
        size = alone[name].abs().max().item()
        assert (found[name] - alone[name]).abs().max().item() > 0.01 * size, name
    torch.testing.assert_close(found["loss.True.16777216.sums"], alone["loss.True.16777216.sums"])


def losses(folder: Path) -> list[float]:
    with open(folder / "out.0" / "curves.csv", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training by one process; its folder's parent has the data."""
    folder = tmp_path_factory.mktemp("training")
    prepare_data(folder / "data")
    (folder / "alone").mkdir()
    run(1, "train", folder / "alone")
    return folder


def test_two_ranks_train_as_one_does(trained):
    (trained / "two").mkdir()
    run(2, "train", trained / "two")
    assert losses(trained / "two") == pytest.approx(losses(trained / "alone"), rel=1e-3)
    assert list((trained / "two" / "out.1").iterdir()) != []  # every rank has the whole result


def test_a_rank_that_dies_stops_the_others_and_any_number_goes_on(trained):
    folder = trained / "dies"
    folder.mkdir()
    # Without torchrun, which would kill the others before they can say anything.
    ranks = start(2, "train", folder, 7, SIMCLR_RANK_SECONDS="20")
    ranks[1].join(60)
    died = time.monotonic()
    assert ranks[1].exitcode == 7
    ranks[0].join(60)
    assert ranks[0].exitcode not in (None, 0) and time.monotonic() - died < 30
    message = (folder / "log.0").read_text()
    assert "rank 0: another rank stopped, or did not answer for 20 s" in message
    assert (folder / "checkpoint").exists()
    for rank in (0, 1):
        (folder / f"out.{rank}").rmdir()  # nothing was written there
    run(1, "train", folder)
    assert losses(folder) == pytest.approx(losses(trained / "alone"), rel=1e-3)


def test_ranks_that_plan_different_results_do_not_begin(tmp_path):
    ranks = start(2, "agree", tmp_path, SIMCLR_RANK_SECONDS="20")
    ranks[1].join(60)
    assert ranks[1].exitcode == 1
    said = (tmp_path / "log.1").read_text()
    assert "data: the code or scale of the ranks differs; run again" in said
    ranks[0].join(60)


def test_simclr_run_under_torchrun_makes_each_result_once(tmp_path):
    project = Project.create(tmp_path / "two")
    alone = project.clone(tmp_path / "one")
    wanted = ("run", "mini", "--only", "table5.l2-0.5.s0")
    torchrun = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    project._run([sys.executable, "-m", *torchrun, "-m", "workflow", *wanted], check=True)
    alone.simclr(*wanted)
    stages = ["prepare data", "pretrain table5.l2-0.5.s0", "evaluate table5.l2-0.5.s0"]
    assert project.executed() == alone.executed() == stages
    assert not list((project.store / "tmp").iterdir())
    found = []
    for one, ranks in ((project, 2), (alone, 1)):
        (folder,) = (one.store / "pretrain").iterdir()
        assert json.loads((folder / "provenance.json").read_text())["ranks"] == ranks
        found.append((folder.name, json.loads((folder / "training.json").read_text())["loss"]))
    assert found[0][0] == found[1][0]
    assert abs(found[0][1] - found[1][1]) < 1e-3  # float32, rounded otherwise
    project.simclr("verify", "mini")
