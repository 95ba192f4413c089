"""How several GPUs train one network: this process becomes torchrun, which starts one for each GPU.

On one machine that is all. Across machines, Slurm's srun starts one torchrun on each node of the
job, and they meet at the node on which this process runs.
"""

import os
import socket
import sys

from simclr.config import ConfigError
from simclr.store.instance import Instance
from workflow.planning.placement import nodes
from workflow.running import gpu_slots


def check_ranks(environment) -> None:
    """Refuse what torchrun did not set so: such a process trains and keeps nothing, or waits.

    environment: that of this process. Raises ConfigError.
    """
    rank, count = environment.get("RANK", "0"), environment.get("WORLD_SIZE", "1")
    numbers = (rank, count, environment.get("LOCAL_RANK", "0"))
    is_whole = all(one.isascii() and one.isdigit() for one in numbers) and int(rank) < int(count)
    meets = {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= environment.keys()
    if not is_whole or (int(count) > 1 and not meets):
        raise ConfigError(
            f"RANK={rank}, WORLD_SIZE={count} in the environment: not as torchrun sets them; unset "
            "both, and say `--ranks N` for N processes."
        )


def command(count: int, per_node: int, words: list[str], environment) -> list[str]:
    """Return the command that runs `python -m workflow` with `words` in `count` processes.

    per_node: processes on one node; environment: that of this process, where Slurm says which job
    this is. Raises ConfigError where one machine is not enough and this is no job of Slurm.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    program = ["-m", "workflow", *words]
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


def become_torchrun(
    scale: str, instances: list[Instance], count: int, per_node: int, words: list[str]
) -> None:
    """Compute `instances` in `count` processes. This process becomes torchrun, and does not return.

    words: those after `simclr run SCALE` that say which these are.
    So signals and the exit status are torchrun's own. On GPUs it takes a slot of `count` cards;
    across nodes Slurm gave them to this job alone.
    """
    argv = command(count, per_node, ["run", scale, *words], os.environ)
    on_gpu = any(instance.device == "cuda" for instance in instances)
    if on_gpu and nodes(count, per_node) == 1:
        os.environ[gpu_slots.VISIBLE], files = gpu_slots.take(count)
        for file in files:  # stay locked in torchrun, and no longer
            os.set_inheritable(file.fileno(), True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # what torchrun would set, with a warning
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(argv[0], argv)
