"""What a job asks of a cluster: GPUs, nodes, memory and time, from its plan and expected duration.

The names are those of Snakemake's resources, as its executor plugins for Slurm and Kubernetes read
them. On one machine `threads` and `mem_mb` are used.
"""

import contextlib
import os
from pathlib import Path

from simclr.config import ConfigError
from simclr.files import read_text
from simclr.store.instance import Instance
from workflow.planning import cost, placement
from workflow.planning.networks import feature_dim
from workflow.planning.plan import Plan, data_of, encoder_of
from workflow.planning.scale import Scale

MINUTES = "SIMCLR_JOB_MINUTES"  # environment: the longest that the cluster lets a job run
RESIDENT = "SIMCLR_RESIDENT_MIB"  # environment: read by simclr/data/image_store.py
SPARE = 3  # times the expected duration: another machine may be that much slower
LEAST_MINUTES = 10
# Python and torch take 700 MB; on a GPU its context and NCCL more (not measured). The rest is room.
PROCESS_MB = {"cpu": 2000, "cuda": 6000}
HERE_MB = 900  # on one machine without that room: 750 to 900 MiB were measured on a CPU
RESIDENT_MIB = 4096  # of images, where they are copied to the memory of a node
PIECES = 3  # of a batch, when images are read from the disk: one used, one copied, one read


def of_job(plan: Plan, members: list[Instance], memory: int | None = None) -> dict:
    """Return the Snakemake resources of a job that computes `members`, instances of `plan`.

    memory: of this machine in MB, where jobs share it: none asks for more. Raises ConfigError where
    an environment variable is no number, or the GPUs do not fill nodes.
    """
    count = ranks(members, plan.scale)
    device = "cuda" if any(instance.device == "cuda" for instance in members) else "cpu"
    nodes = placement.nodes(count, plan.scale.gpus_per_node)
    here = count // nodes  # processes on each node
    held = max(held_mb(plan, instance) for instance in members)  # they follow one another
    process = HERE_MB if memory and device == "cpu" else PROCESS_MB[device]
    mb = here * (process + held)  # of each node
    asked = {
        "mem_mb": min(mb, memory or mb),
        "runtime": minutes(sum(instance.seconds for instance in members)),
    }
    if nodes > 1:
        # `mpi`: the job starts its tasks by itself, with srun (torchrun.py): one a node.
        asked |= {"nodes": nodes, "tasks": nodes, "mpi": "srun", "cpus_per_task": here}
        if device == "cuda":
            asked |= {"gres": f"gpu:{here}", "tasks_per_gpu": 0}  # of each node; 0: unset
    elif device == "cuda":
        asked |= {"gpu": count, "nodes": 1}
    return asked


def machine_mb(root: Path = Path("/")) -> int:
    """Return the memory of this machine in MiB, or the lowest limit of its control groups."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    groups = root / "proc" / "self" / "cgroup"
    for line in read_text(groups).splitlines() if groups.is_file() else ():
        _, controller, path = line.split(":", 2)  # `0::/a/b`, or of version 1 `4:memory:/a/b`
        if controller in ("", "memory"):
            folder = root / "sys" / "fs" / "cgroup" / controller / path.lstrip("/")
            for one in (folder, *folder.parents):
                for name in ("memory.max", "memory.limit_in_bytes"):
                    with contextlib.suppress(OSError, ValueError):  # not there; `max`
                        limits.append(int(read_text(one / name)))
    return min(limits) // 2**20


def ranks(members: list[Instance], scale: Scale) -> int:
    """Return how many processes compute these instances."""
    return max(placement.ranks(i.stage, i.settings, scale.gpus) for i in members)


def minutes(seconds: float) -> int:
    """Return the time limit to ask for, where `seconds` are expected.

    A job that needs longer than the cluster allows is started again, from its checkpoint.
    """
    wanted = max(LEAST_MINUTES, round(SPARE * seconds / 60))
    return min(wanted, _number(MINUTES, "minutes", wanted))


def resident_mib(scale: Scale) -> int:
    """Return up to how many MiB a job copies the images of a split; larger ones stay on disk.

    On a GPU image_store.py takes half of the memory that is free, and it goes through the host's.
    On a CPU it would take a tenth of the node's, which is not known here: so jobs are told this
    (slurm.py).
    """
    usual = RESIDENT_MIB if scale.device == "cpu" else scale.gpu_gigabytes / 2 * 1e9 / 2**20
    return _number(RESIDENT, "MiB", int(usual), least=0)


def held_mb(plan: Plan, instance: Instance) -> int:
    """Return the memory of the host that one process of it needs beside its libraries, in MB."""
    data, stage = data_of(instance), instance.stage
    if data is None:  # a figure
        return 0
    splits = cost.images(data)
    if stage.kind == "data":
        # Packed into files, however large; for their statistics 1,000 images are integers, squared.
        return round(2 * 8 * min(1000, splits[0]) * _image_bytes(data) / 1e6)
    on_cpu = instance.device == "cpu"
    held = _bytes_of_images(plan, instance, splits)
    if stage.trains and on_cpu:
        _, shared = cost.memory(instance.settings, data, stage.views)  # by the maps of a batch
        held += shared / ranks([instance], plan.scale)
    if "encoder" in instance.inputs and not stage.trains:
        # Features of both splits: float32 and standardized, on the device, or on the host.
        size = stage.feature_bytes if on_cpu or stage.feature_bytes > 8 else 0
        held += size * feature_dim(encoder_of(instance)) * sum(splits)
    return round(held / 1e6)


def _image_bytes(data) -> int:
    return 3 * data.image_size**2


def _bytes_of_images(plan: Plan, instance: Instance, splits: tuple[int, int]) -> float:
    """Return the bytes of a split that is copied, or of some batches of one that is not."""
    stage, data = instance.stage, data_of(instance)
    image = _image_bytes(data)
    if stage.reads == "train":
        splits = (cost.trained_on(instance.settings, data),)
    if stage.reads == "few":
        return 0
    if stage.as_floats:  # some images, stacked from a list; then floats, and transformed ones
        count = sum(min(split, instance.settings.images or split) for split in splits)
        return count * image * (10 if instance.device == "cpu" else 2)
    held = 0
    for count in splits:
        if count * image <= resident_mib(plan.scale) * 2**20:
            held += stage.copies * count * image
        else:
            batch = getattr(instance.settings, "batch_size", 0) / ranks([instance], plan.scale)
            held += PIECES * min(count, batch) * image
    return held


def _number(name: str, what: str, otherwise: int, least: int = 1) -> int:
    """Return the value of an environment variable. Raises ConfigError."""
    text = os.environ.get(name)
    if text is None:
        return otherwise
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(f"{name}: expected {what}, got {text!r}.")
    return int(text)
