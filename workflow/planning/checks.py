"""Checks before anything is computed: batches fit in memory, data and lists exist."""

from dataclasses import replace

from simclr import files
from simclr.config import ConfigError
from simclr.registry import Stage
from simclr.settings import Prepare, Training
from workflow.planning import cost, placement

SURELY = 1.2  # times a GPU's memory: cost.memory is counted, and may be off by some


def check_batch(scale, stage: Stage, settings: Training, data: Prepare, where: str) -> None:
    """Refuse a batch that the data set, or the memory of the scale's GPUs, has no room for.

    scale: planning.scale.Scale; data: settings of the data set. Raises ConfigError, which begins
    with `where`.
    """
    if getattr(settings, "images", "train") != "train" and not data.unlabelled:
        raise ConfigError(
            f"{where}: images: '{settings.images}', but the data set has only images with labels; "
            "set `unlabelled: true` for stage prepare."
        )
    where = f"{where}: batch_size {settings.batch_size}"
    counts = cost.known_images(settings, data)
    images = all(counts) and round(sum(counts) * getattr(settings, "labels", 1.0))  # fine-tuning
    if images and settings.batch_size > images:
        raise ConfigError(f"{where} is larger than the data set ({images} images are used).")
    if settings.device == "cuda":
        _check_memory(scale, stage, settings, data, where)


def _check_memory(scale, stage: Stage, settings: Training, data: Prepare, where: str) -> None:
    """Raise ConfigError where the scale's GPUs surely have no room for a training step."""
    if scale.gpus > settings.batch_size:
        raise ConfigError(
            f"{where} is less than an image for each of gpus {scale.gpus}; lower `gpus`."
        )
    gpus, room = placement.gpus_of(scale, stage, settings), scale.gpu_gigabytes
    each = _gigabytes_each(settings, data, stage.views, gpus)
    if each <= SURELY * room:
        return
    remedies = []
    if enough := cost.fewest(settings, data, stage.views, room):
        remedies.append(f"set `gpus` to {enough} or more")
    if not settings.recompute:
        recomputed = replace(settings, recompute=True, compile=False)
        if _gigabytes_each(recomputed, data, stage.views, gpus) <= room:
            remedies.append("`recompute: true` for this stage")
    remedies.append("a smaller batch or encoder")
    plural = "s" if gpus > 1 else ""
    needed = f"{where} needs about {each:.0f} GB on each of {gpus} GPU{plural} of {room:g} GB"
    raise ConfigError(f"{needed}: {', or '.join(remedies)}.")


def _gigabytes_each(settings: Training, data: Prepare, views: int, gpus: int) -> float:
    held, shared = cost.memory(settings, data, views)
    return (held + shared / gpus) / 1e9


def check_data(plan) -> None:
    """Refuse missing raw data and lists of labels. Raises ConfigError."""
    lists = {}  # each once
    for instance in plan.missing():
        if instance.stage.kind == "data":
            from simclr.stages import prepare

            try:
                prepare.check(instance.settings)
            except ConfigError as error:
                if not (files.ROOT / "data" / "published" / f"{plan.name}.jsonl").is_file():
                    raise
                hint = f"`simclr import {plan.name}` brings in the published metrics instead."
                raise ConfigError(f"{error} {hint}") from None
        elif getattr(instance.settings, "subset", ""):
            lists[instance.settings.subset, instance.settings.subset_sha256] = instance.settings
    for settings in lists.values():
        from simclr.data import label_list

        label_list.read_list(settings)
