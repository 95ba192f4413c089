"""Before jobs are started: is there what they ask for? Slurm's partitions, GPUs, memory.

Otherwise every job would be refused by itself, after the data was prepared, with a trace; or would
wait for ever.
"""

import os
import re
import shutil
import subprocess

from simclr.config import ConfigError, nearest
from workflow.planning import placement
from workflow.running import gpu_slots, resources

HERE = ("local", "dryrun", "touch")  # Snakemake's executors that use no other machine


def check(plan, executor: str, jobs, chooses: bool = False) -> None:
    """Refuse what `executor` cannot run of the plan's jobs. Raises ConfigError.

    jobs: Snakemake's, with `resources` as they were finally set; chooses: whether the executor
    chooses partitions by itself, for jobs that name none.
    """
    if executor == "slurm":
        check_slurm([job for job in jobs if not job.is_local], chooses)
    elif placement.nodes(plan.scale.gpus, plan.scale.gpus_per_node) > 1:
        raise ConfigError(
            f"scale {plan.name}: gpus {plan.scale.gpus} are more than one node's "
            f"{plan.scale.gpus_per_node}; run it with --workflow-profile profiles/slurm."
        )
    elif executor == "local":
        wanted = max((job.resources.get("gpu", 0) for job in jobs), default=0)
        if wanted and wanted > (available := len(gpu_slots.cards())):
            raise ConfigError(
                f"scale {plan.name}: gpus {wanted}, but only {available} available here; "
                "lower gpus in the scale."
            )


def tell_jobs(plan, executor: str) -> None:
    """Put what their memory was computed for into the environment, which Slurm hands on to jobs."""
    if executor not in HERE and plan.scale.device == "cpu":
        os.environ.setdefault(resources.RESIDENT, str(resources.resident_mib(plan.scale)))


def check_slurm(jobs, chooses: bool) -> None:
    """Refuse partitions that Slurm does not have, or that lack GPUs or memory. Raises ConfigError.

    A partition of another cluster than the usual one is not looked for.
    """
    known, default = partitions()
    for job in jobs:
        if any(job.resources.get(name) for name in ("cluster", "clusters", "slurm_cluster")):
            continue
        named = str(job.resources.get("slurm_partition") or "").split(",")
        names = [name for name in named if name]
        for name in names:
            if name not in known:
                raise ConfigError(
                    f"slurm_partition: {name!r} is no partition of this Slurm, which has "
                    f"{', '.join(sorted(known)) or 'none'}.{nearest(name, known)}"
                )
        if not names and default and not chooses:
            names = [default]
        check_nodes(job.resources, {name: known[name] for name in names or known})


def check_nodes(asked, partitions: dict[str, list[tuple[int, int]]]) -> None:
    """Refuse a job that no one of these partitions has the nodes for. Raises ConfigError.

    asked: the job's resources; partitions: name -> (GPUs, memory in MB) of each of its nodes.
    """
    nodes, mb = asked.get("nodes") or 1, asked.get("mem_mb") or 0
    gres = re.match(r"gpu:(?:[^:]+:)?(\d+)", str(asked.get("gres") or ""))
    gpus = int(gres[1]) if gres else asked.get("gpu") or 0  # of each node
    problem = "no partition has nodes"
    for name, nodes_of in partitions.items():
        enough = [has for has, _ in nodes_of if has >= gpus]
        if len(enough) < nodes:
            problem = (
                f"gpus: a job wants {nodes} node{'s' * (nodes > 1)} with {gpus} each, but partition"
                f" {name!r} has {len(enough)} such; lower gpus or gpus_per_node in the scale"
            )
        elif sum(has >= gpus and has_mb >= mb for has, has_mb in nodes_of) < nodes:
            most = max(has_mb for has, has_mb in nodes_of if has >= gpus)
            problem = (
                f"mem_mb: a job wants {mb:,} MB on a node, but partition {name!r} has {most:,} at "
                f"most; set {resources.RESIDENT} to copy fewer images"
            )
        else:
            return
    raise ConfigError(f"{problem}, or set another slurm_partition.")


def partitions() -> tuple[dict[str, list[tuple[int, int]]], str]:
    """Return ({partition: (GPUs, memory in MB) of each of its nodes}, name of the usual one or "").

    Raises ConfigError where there is no Slurm, or it is silent.
    """
    if shutil.which("sinfo") is None:
        raise ConfigError(
            "executor slurm (of a profile or --executor): no `sinfo` here; run on a node that "
            "submits to Slurm, or with --executor local."
        )
    # A line for each partition and node: `gpu*|512000|gpu:a100:4(S:0-1)`; * marks the usual one.
    command = ["sinfo", "--noheader", "--Node", "--format=%P|%m|%G"]
    asked = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")
    if asked.returncode:
        problem = " ".join(asked.stderr.split())
        raise ConfigError(
            f"executor slurm (of a profile or --executor): {problem}; Slurm does not answer: is "
            "its controller running? Or run with --executor local."
        )
    nodes_by_name, default = {}, ""
    for line in asked.stdout.splitlines():
        name, mb, gres = line.split("|", 2)
        if name.endswith("*"):
            name = default = name.removesuffix("*")
        counts = re.findall(r"(?<![\w/])gpu(?::[^:,()]+)?:(\d+)", gres)
        nodes_by_name.setdefault(name, []).append((sum(map(int, counts)), int(mb.rstrip("+"))))
    return nodes_by_name, default
