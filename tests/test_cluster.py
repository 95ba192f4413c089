"""What jobs ask of a cluster, and how several processes are started; nothing here needs Slurm."""

import sys

import pytest

from simclr.config import ConfigError
from simclr.registry import STAGES
from tests.project import MINI, Project
from workflow.planning import placement
from workflow.planning.planner import build_plan
from workflow.running import resources, slurm, torchrun

TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
PROGRAM = ["-m", "workflow", "run", "mini"]

# Nothing of it is computed here. Images of 256 x 256 pixels: 1,281,167 take 252 GB.
LARGE = """\
title: ImageNet, on the GPUs of a cluster
device: cuda
precision: bfloat16
gpus: 16
gpus_per_node: 8
seeds: [0]
base:
  prepare: {source: imagenet, file: imagenet, image_size: 256, view_size: 224, fit: stretch}
  pretrain: {batch_size: 4096, epochs: 1, optimizer: {warmup_epochs: 0}}
  evaluate: {batch_size: 4096}
experiments:
  fig6: {}
  table5: {normalized: [0.5], raw: [10.0]}
"""


@pytest.fixture(autouse=True)
def usual(monkeypatch):
    for name in (resources.MINUTES, resources.RESIDENT):
        monkeypatch.delenv(name, raising=False)


def plan(folder, text: str):
    (folder / "some.yaml").write_text(text)
    return build_plan("some", folder)


def asked(plan) -> dict[str, dict]:
    """stage -> what a job of one of its results asks for."""
    return {one.stage.name: resources.of_job(plan, [one]) for one in plan.instances.values()}


def test_on_one_node_this_process_becomes_torchrun():
    wanted = [*TORCHRUN, "--standalone", "--nproc-per-node", "4", *PROGRAM]
    assert torchrun.command(4, 8, ["run", "mini"], {}) == wanted
    assert torchrun.command(4, 4, ["run", "mini"], {"SLURM_JOB_ID": "7"}) == wanted


def test_on_several_nodes_srun_starts_a_torchrun_on_each():
    command = torchrun.command(16, 8, ["run", "mini"], {"SLURM_JOB_ID": "12345"})
    srun, rest = command[: command.index(sys.executable)], command[command.index(sys.executable) :]
    assert srun[0] == "srun" and {"--nodes=2", "--ntasks=2", "--cpus-per-task=8"} <= set(srun)
    assert rest[:3] == TORCHRUN and rest[-len(PROGRAM) :] == PROGRAM
    options = dict(zip(rest[3 : -len(PROGRAM) : 2], rest[4 : -len(PROGRAM) : 2], strict=True))
    assert options["--nnodes"] == "2" and options["--nproc-per-node"] == "8"
    assert options["--rdzv-id"] == "12345" and options["--rdzv-endpoint"].endswith(":29745")


def test_several_nodes_without_slurm_are_an_error():
    with pytest.raises(ConfigError, match="gpus: 16 need 2 nodes of 8; only Slurm starts those"):
        torchrun.command(16, 8, ["run", "mini"], {})


def test_gpus_that_do_not_fill_nodes_are_an_error():
    with pytest.raises(ConfigError, match="gpus: 12 do not fill nodes of 8"):
        placement.nodes(12, 8)
    assert [placement.nodes(count, 8) for count in (1, 3, 8, 16, 32)] == [1, 1, 1, 2, 4]


def test_only_training_on_gpus_has_several_ranks():
    def ranks(stage: str, **values) -> int:
        settings = STAGES[stage].settings(batch_size=8, **values)
        return placement.ranks(STAGES[stage], settings, 4)

    assert ranks("pretrain", device="cuda") == ranks("supervise", device="cuda") == 4
    assert ranks("evaluate", device="cuda") == ranks("pretrain", device="cpu") == 1
    assert ranks("pretrain", device="cuda", norm_groups=8) == 1


def test_training_asks_for_whole_nodes_and_evaluation_for_one_gpu(tmp_path):
    found = asked(plan(tmp_path, LARGE))
    wanted = {"nodes": 2, "tasks": 2, "mpi": "srun", "cpus_per_task": 8, "gres": "gpu:8"}
    assert found["pretrain"].items() >= wanted.items() and "gpu" not in found["pretrain"]
    assert found["evaluate"]["gpu"] == 1 and "gres" not in found["evaluate"]
    for stage in ("prepare", "histograms", "figures"):
        assert not {"gpu", "gres", "nodes"} & found[stage].keys()
    one = asked(plan(tmp_path, LARGE.replace("gpus: 16", "gpus: 4")))["pretrain"]
    assert one["gpu"] == 4 and one["nodes"] == 1 and "mpi" not in one


def test_a_set_that_is_read_from_the_disk_asks_for_some_batches_alone(tmp_path, monkeypatch):
    one_gpu = LARGE.replace("gpus: 16", "gpus: 1\ngpu_gigabytes: 400")
    found = {stage: values["mem_mb"] for stage, values in asked(plan(tmp_path, one_gpu)).items()}
    batch = 3 * 4096 * 3 * 256**2 / 1e6  # one in use, one copied, one read
    assert found["pretrain"] - resources.PROCESS_MB["cuda"] == pytest.approx(batch, abs=1)
    tests = 50_000 * 3 * 256**2 / 1e6  # these alone fit half of the GPU, 200 GB
    evaluated = found["evaluate"] - resources.PROCESS_MB["cuda"]
    assert evaluated == pytest.approx(batch + tests, abs=1)
    # 16 processes share the batch, 8 on each node.
    shared = asked(plan(tmp_path, LARGE))["pretrain"]["mem_mb"]
    assert shared == pytest.approx(8 * resources.PROCESS_MB["cuda"] + batch / 2, abs=8)
    # Integers of 1,000 images, and their squares.
    assert found["prepare"] == pytest.approx(2000 + 2 * 8 * 1000 * 3 * 256**2 / 1e6, abs=1)
    monkeypatch.setenv(resources.RESIDENT, "300000")  # copied, whatever it takes
    all_of_it = asked(plan(tmp_path, one_gpu))["pretrain"]["mem_mb"]
    assert all_of_it > 1_281_167 * 3 * 256**2 / 1e6


def test_a_small_set_is_copied_and_views_may_be_smaller(tmp_path):
    """Images are held as they are stored, activations are those of views."""
    text = MINI.replace("image_size: 8", "image_size: 16")
    text = text.replace("train_images: 80", "train_images: 100000").replace("_size: 20", "_size: 2")

    def held(text):
        one = plan(tmp_path, text)
        return resources.held_mb(one, one.of("pretrain")[0])

    images = 100_000 * 3 * 16**2 / 1e6
    whole, half = held(text), held(text.replace("size: 16,", "size: 16, view_size: 8,"))
    assert images <= half <= whole < images + 2
    large = text.replace("_size: 2,", "_size: 2000,").replace("_size: 2\n", "_size: 2000\n")
    wide, small = held(large), held(large.replace("size: 16,", "size: 16, view_size: 8,"))
    assert wide - images == pytest.approx(4 * (small - images), rel=0.1)


def test_jobs_on_cpus_copy_no_more_images_than_their_memory_was_computed_for(tmp_path, monkeypatch):
    monkeypatch.setenv(resources.RESIDENT, "")
    monkeypatch.delenv(resources.RESIDENT)
    small = plan(tmp_path, MINI)
    slurm.tell_jobs(small, "local")
    assert resources.RESIDENT not in resources.os.environ
    slurm.tell_jobs(small, "slurm")
    assert resources.os.environ[resources.RESIDENT] == str(resources.RESIDENT_MIB)


def test_time_is_that_of_the_plan_with_room_and_no_more_than_the_cluster_allows(monkeypatch):
    assert resources.minutes(1) == resources.LEAST_MINUTES
    assert resources.minutes(3600) == 60 * resources.SPARE
    monkeypatch.setenv(resources.MINUTES, "90")
    assert resources.minutes(3600) == 90
    for text in ("0", "soon"):
        monkeypatch.setenv(resources.MINUTES, text)
        with pytest.raises(ConfigError, match=f"JOB_MINUTES: expected minutes, got '{text}'"):
            resources.minutes(3600)


def test_what_no_partition_has_is_an_error():
    main = {"main": [(0, 90_000), (2, 8000), (2, 8000)]}
    slurm.check_nodes({"gpu": 2, "nodes": 1, "mem_mb": 8000}, main)
    slurm.check_nodes({"gres": "gpu:2", "nodes": 2}, main)
    slurm.check_nodes({"mem_mb": 90_000}, main)
    slurm.check_nodes({"gpu": 4}, {**main, "big": [(8, 1000)]})
    for wanted, said in (
        ({"gpu": 4}, "gpus: a job wants 1 node with 4 each, but partition 'main' has 0 such"),
        ({"gres": "gpu:t4:2", "nodes": 3}, "3 nodes with 2 each, but partition 'main' has 2 such"),
        ({"gpu": 1, "mem_mb": 9000}, "wants 9,000 MB on a node, but partition 'main' has 8,000"),
    ):
        with pytest.raises(ConfigError, match=said):
            slurm.check_nodes(wanted, main)


def test_without_slurm_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"executor slurm .*: no `sinfo` here"):
        slurm.check(None, "slurm", [])


@pytest.mark.slow
@pytest.mark.parametrize(
    "cards, said",
    [
        ("", "error: device: 'cuda', but no GPU is available here; use 'cpu'."),
        ("0", "error: scale mini: gpus 2, but only 1 available here; lower gpus in the scale."),
    ],
)
def test_too_few_gpus_here_are_one_line_before_anything_is_computed(
    tmp_path, monkeypatch, cards, said
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", cards)
    project = Project.create(tmp_path / "project")
    project.write("workflow/scales/mini.yaml", "device: cuda\ngpus: 2\n" + MINI)
    done = project.snakemake(check=False)
    assert done.returncode == 2 and said in done.stdout.splitlines()
    assert "Traceback" not in done.stdout and project.executed() == []
