"""How several GPUs train one network: this process becomes torchrun, which starts one for each GPU.

On one machine that is all. Across machines, Slurm's srun starts one torchrun on each node of the
job, and they meet at the node on which this process runs.
"""

import os
import socket
import sys

from simclr.config import ConfigError
from simclr.runner import TRAINING
from workflow import cost, gpu


def ranks(stage: str, settings: dict, gpus: int) -> int:
    """How many processes compute a result, where `gpus` train one network together.

    One, where it is not trained on GPUs, or on one alone.
    """
    together = stage in TRAINING and settings["device"] == "cuda"
    return min(gpus, cost.most(settings)) if together else 1


def gpus_of(scale, stage: str, values: dict) -> int:
    """Return how many GPUs compute one result of these settings together; 0: it needs none."""
    return ranks(stage, values, scale.gpus) if values.get("device") == "cuda" else 0


def nodes(count: int, per_node: int) -> int:
    """How many nodes `count` processes need, `per_node` at most on each. Raises ConfigError."""
    if count <= per_node:
        return 1
    if count % per_node:
        raise ConfigError(
            f"gpus: {count} do not fill nodes of {per_node}; "
            f"take a multiple of gpus_per_node, or as many as one node has."
        )
    return count // per_node


def command(count: int, per_node: int, words: list[str], environment) -> list[str]:
    """Return the command that runs `python -m simclr` with `words` in `count` processes.

    per_node: processes on one node; environment: that of this process, where Slurm says which job
    this is. Raises ConfigError where one machine is not enough and this is no job of Slurm.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    program = ["-m", "simclr", *words]
    machines = nodes(count, per_node)
    if machines == 1:
        return [*torchrun, "--standalone", "--nproc-per-node", str(count), *program]
    job = environment.get("SLURM_JOB_ID")
    if job is None:
        raise ConfigError(
            f"gpus: {count} need {machines} nodes of {per_node}; only Slurm starts those: "
            f"snakemake --workflow-profile profiles/slurm."
        )
    # A port of the job's own: another job may have its first process on the same node.
    meeting = f"{socket.gethostname()}:{29400 + int(job) % 1000}"
    # One task a node; what Slurm's own variables say of the job does not reach its steps here.
    srun = ["srun", "--kill-on-bad-exit=1", f"--nodes={machines}", f"--ntasks={machines}"]
    return [
        *srun,
        f"--cpus-per-task={per_node}",
        *torchrun,
        *("--nnodes", str(machines), "--nproc-per-node", str(per_node)),
        *("--rdzv-backend", "c10d", "--rdzv-id", job, "--rdzv-endpoint", meeting),
        *program,
    ]


def become_torchrun(scale: str, instances: list[dict], count: int, per_node: int) -> None:
    """Compute `instances` in `count` processes. This process becomes torchrun, and does not return.

    So signals and the exit status are torchrun's own. On GPUs it takes a slot of `count` cards;
    across nodes Slurm gave them to this job alone.
    """
    words = ["run", scale, "--keys", *(one["key"] for one in instances)]
    argv = command(count, per_node, words, os.environ)
    on_gpu = any(one["settings"].get("device") == "cuda" for one in instances)
    if on_gpu and nodes(count, per_node) == 1:
        os.environ[gpu.VISIBLE], files = gpu.take(count)
        for file in files:  # stay locked in torchrun, and no longer
            os.set_inheritable(file.fileno(), True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # what torchrun would set, with a warning
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(argv[0], argv)
