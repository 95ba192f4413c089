"""What a job asks of a cluster: GPUs, nodes, memory and time, from its plan and expected duration.

The names are those of Snakemake's resources, as its executor plugins for Slurm and Kubernetes read
them. On one machine they are not used, but for `threads`.
"""

import os

from simclr.config import ConfigError
from simclr.store.runner import TRAINING
from workflow.planning import cost, placement

MINUTES = "SIMCLR_JOB_MINUTES"  # environment: the longest that the cluster lets a job run
RESIDENT = "SIMCLR_RESIDENT_MIB"  # environment: read by simclr/data/image_store.py
SPARE = 3  # times the expected duration: another machine may be that much slower
LEAST_MINUTES = 10
# Python and torch take 700 MB; on a GPU its context and NCCL more (not measured). The rest is room.
PROCESS_MB = {"cpu": 2000, "cuda": 6000}
RESIDENT_MIB = 4096  # of images, where they are copied to the memory of a node
PIECES = 3  # of a batch, when images are read from the disk: one used, one copied, one read


def of_job(plan, members: list) -> dict:
    """Return the Snakemake resources of a job that computes `members`, instances of `plan`.

    Raises ConfigError where an environment variable is no number, or the GPUs do not fill nodes.
    """
    scale = plan.settings
    count = ranks(members, scale)
    device = "cuda" if any(one.settings.get("device") == "cuda" for one in members) else "cpu"
    nodes = placement.nodes(count, scale.gpus_per_node)
    here = count // nodes  # processes on each node
    held = max(held_mb(plan, one) for one in members)  # they follow one another
    asked = {
        "mem_mb": here * (PROCESS_MB[device] + held),  # of each node
        "runtime": minutes(sum(one.seconds for one in members)),
    }
    if nodes > 1:
        # `mpi`: the job starts its tasks by itself, with srun (torchrun.py): one a node.
        asked |= {"nodes": nodes, "tasks": nodes, "mpi": "srun", "cpus_per_task": here}
        if device == "cuda":
            asked |= {"gres": f"gpu:{here}", "tasks_per_gpu": 0}  # of each node; 0: unset
    elif device == "cuda":
        asked |= {"gpu": count, "nodes": 1}
    return asked


def ranks(members: list, scale) -> int:
    """How many processes compute these instances."""
    return max(placement.ranks(one.stage, one.settings, scale.gpus) for one in members)


def minutes(seconds: float) -> int:
    """The time limit to ask for, where `seconds` are expected. A job that needs longer than the
    cluster allows is started again, and goes on from its checkpoint."""
    wanted = max(LEAST_MINUTES, round(SPARE * seconds / 60))
    return min(wanted, _number(MINUTES, "minutes", wanted))


def resident_mib(scale) -> int:
    """Images of a split, in MiB, up to which a job copies them; larger ones are read from the disk.

    On a GPU image_store.py takes half of the memory that is free, and it goes through the host's.
    On a CPU it would take a tenth of the node's, which is not known here: so jobs are told this
    (workflow/running/slurm.py).
    """
    usual = RESIDENT_MIB if scale.device == "cpu" else scale.gpu_gigabytes / 2 * 1e9 / 2**20
    return _number(RESIDENT, "MiB", int(usual), least=0)


def held_mb(plan, one) -> int:
    """Memory of the host for what one process of the instance holds beside its libraries, in MB."""
    source, data = plan.sources(one)
    if "image_size" not in data:  # a figure
        return 0
    image = 3 * data["image_size"] ** 2  # bytes
    splits = cost.images(data)
    if one.stage == "prepare":
        # Packed into files, however large; for their statistics 1,000 images are integers, squared.
        return round(2 * 8 * min(1000, splits[0]) * image / 1e6)
    on_cpu = one.settings.get("device", "cpu") == "cpu"
    held = _pixels(plan, one, splits, image)
    if on_cpu and one.stage in TRAINING:
        _, shared = cost.memory(one.stage, one.settings, data)  # by the maps of a batch
        held += shared / ranks([one], plan.settings)
    if source and one.stage not in TRAINING:
        # float64 and a part of it, for L-BFGS; else float32 and standardised, on the device
        size = 16 if one.stage == "transfer" else 8 * on_cpu
        held += size * cost.feature_dim(source["encoder"]) * sum(splits)
    return round(held / 1e6)


def _pixels(plan, one, splits, image: int) -> float:
    """Bytes of images: those of a split that is copied, or some batches of one that is not."""
    if one.stage in ("histograms", "examples", "maps"):  # of a few
        return 0
    if one.stage == "probe":  # some, bytes stacked from a list; then floats, and transformed ones
        some = sum(min(count, one.settings["images"] or count) for count in splits)
        return some * image * (2 + 8 * (one.settings.get("device", "cpu") == "cpu"))
    # Of those that fine-tuning chooses there are two copies for a moment.
    copies, held = 2 if one.stage == "finetune" else 1, 0
    for count in splits[:1] if one.stage == "pretrain" else splits:
        if count * image <= resident_mib(plan.settings) * 2**20:
            held += copies * count * image
        else:
            batch = one.settings.get("batch_size", 0) / ranks([one], plan.settings)
            held += PIECES * min(count, batch) * image
    return held


def _number(name: str, what: str, otherwise: int, least: int = 1) -> int:
    """The value of an environment variable. Raises ConfigError."""
    text = os.environ.get(name)
    if text is None:
        return otherwise
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(f"{name}: expected {what}, got {text!r}.")
    return int(text)
