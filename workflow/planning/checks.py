"""What a plan is refused for before anything is computed: batches without room, data not there."""

from simclr.config import ConfigError, build
from simclr.data import catalog
from simclr.settings import STAGES
from workflow.planning import cost, placement

SURELY = 1.2  # times a GPU's memory: cost.memory is counted, and may be off by some


def check_batch(scale, stage: str, values: dict, data: dict, where: str) -> None:
    """Refuse a batch that the data set, or the memory of the scale's GPUs, has no room for.

    scale: planning.scale.Scale; values, data: resolved settings of a training and of its data set.
    Raises ConfigError, which begins with `where`.
    """
    where = f"{where}: batch_size {values['batch_size']}"
    images = data["train_images"] or catalog.SOURCES[data["source"]].train_images
    if stage == "finetune":  # with some of the labels; one image of a class at least
        images = round(images * values["labels"])
    batch = values["batch_size"]
    if images and batch > images:
        raise ConfigError(
            f"{where} is larger than the data set ({images} training images are used)."
        )
    if values["device"] == "cuda":
        _check_memory(scale, stage, values, data, where)


def _check_memory(scale, stage: str, values: dict, data: dict, where: str) -> None:
    """Raise ConfigError where the scale's GPUs surely have no room for a training step."""
    if scale.gpus > values["batch_size"]:
        raise ConfigError(
            f"{where} is less than an image for each of gpus {scale.gpus}; lower `gpus`."
        )
    gpus, room = placement.gpus_of(scale, stage, values), scale.gpu_gigabytes
    held, shared = cost.memory(stage, values, data)
    each = (held + shared / gpus) / 1e9
    if each <= SURELY * room:
        return
    needed = f"{where} needs about {each:.0f} GB on each of {gpus} GPU{'s' * (gpus > 1)}"
    needed += f" of {room:g} GB"
    remedies = []
    if enough := cost.fewest(stage, values, data, room):
        remedies.append(f"set `gpus` to {enough} or more")
    if not values["recompute"]:
        held, shared = cost.memory(stage, {**values, "recompute": True}, data)
        if (held + shared / gpus) / 1e9 <= room:
            remedies.append("`recompute: true` for this stage")
    remedies.append("a smaller batch or encoder")
    raise ConfigError(f"{needed}: {', or '.join(remedies)}.")


def check_data(plan) -> None:
    """Refuse missing raw data and lists before anything is computed. Raises ConfigError."""
    lists = {}  # each once
    for one in plan.missing():
        if one.stage == "prepare":
            from simclr.stages import prepare

            prepare.check(build(STAGES["prepare"][0], one.settings))
        elif one.stage == "finetune" and one.settings["subset"]:
            lists[one.settings["subset"], one.settings["subset_sha256"]] = one.settings
    for each in lists.values():
        from simclr.data import label_list

        label_list.read_list(build(STAGES["finetune"][0], each))
