"""Checks before anything is computed: memory, data, lists, and least numbers of images."""

from dataclasses import replace

from simclr import files, sources
from simclr.config import ConfigError, DataError
from simclr.needs import Counts, balanced
from simclr.registry import Stage
from simclr.settings.data import Prepare
from simclr.settings.training import Training
from simclr.store import results
from simclr.store.instance import Instance
from workflow.planning import cost, placement

SURELY = 1.2  # times a GPU's memory: cost.memory is counted, and may be off by some
SHOWN = 5  # needs that an error names


def check_memory(scale, stage: Stage, settings: Training, data: Prepare, where: str) -> None:
    """Refuse a batch that the scale's GPUs surely have no room for.

    scale: planning.scale.Scale; data: settings of the data set. Raises ConfigError, which begins
    with `where`.
    """
    if settings.device != "cuda":
        return
    where = f"{where}: {stage.name}.batch_size {settings.batch_size}"
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


def check_unlabelled(settings: Training, data: Prepare, where: str) -> None:
    """Refuse to train on images without labels where the data set has none. Raises ConfigError."""
    images = getattr(settings, "images", "train")
    if images != "train" and not data.unlabelled:
        raise ConfigError(
            f"{where}: pretrain.images: '{images}', but the data set has only images with labels; "
            "set `unlabelled: true` for stage prepare."
        )


def _gigabytes_each(settings: Training, data: Prepare, views: int, gpus: int) -> float:
    held, shared = cost.memory(settings, data, views)
    return (held + shared / gpus) / 1e9


def known_counts(data: Prepare) -> Counts:
    """Return what the settings of a data set say of its images."""
    source = sources.SOURCES[data.source]
    if not source.is_counted(data):
        return Counts(total=data.train_images, unlabelled=data.unlabelled_images)
    train, test = (balanced(count, source.classes) for count in cost.images(data))
    return Counts(train, test, unlabelled=data.unlabelled_images)


def check_known_needs(plan) -> None:
    """Refuse settings that need more images than the settings of the data say there are."""
    _check_needs(plan, plan.instances.values(), lambda data: known_counts(data.settings))


def check_data(plan) -> None:
    """Refuse raw data and lists of labels that are missing, archives that were damaged or cut, and
    data sets that are too small.

    Images are counted from their names, or read from what `prepare` left. An archive of 60,000
    images takes seconds: so only commands that compute count, while something is missing.
    """
    from simclr.data import label_list
    from simclr.stages import prepare
    from workflow.planning import archives

    missing = plan.missing()
    for instance in missing:
        if instance.stage.kind == "data":
            try:
                prepare.check(instance.settings)
                archives.check_planned(instance.settings)
            except ConfigError as error:
                if not (files.ROOT / "data" / "published" / f"{plan.name}.jsonl").is_file():
                    raise
                hint = f"`simclr import {plan.name}` brings in the published metrics instead."
                raise ConfigError(f"{error} {hint}") from None
    lists = {}  # each is read once
    for settings in (i.settings for i in missing if getattr(i.settings, "subset", "")):
        named = settings.subset, settings.subset_sha256
        lists[named] = lists.get(named) or len(label_list.read_list(settings))
        if lists[named] < settings.batch_size:
            raise ConfigError(
                f"scale {plan.name}: finetune.batch_size {settings.batch_size} is more than the "
                f"{lists[named]} images on the list {settings.subset}: lower it."
            )
    data = {i.inputs["data"].key: i.inputs["data"] for i in missing if "data" in i.inputs}
    counts = {key: _count(plan, instance) for key, instance in data.items()}
    _check_needs(plan, missing, lambda data: counts[data.key])


def _check_needs(plan, instances, counts_of) -> None:
    """Raise ConfigError, which names what data sets lack, where instances need more.

    counts_of(instance of a data set): Counts.
    """
    unmet = {}  # what is missing -> the first result that needs it
    for instance in instances:
        if "data" not in instance.inputs:
            continue
        counts = counts_of(instance.inputs["data"])
        for need in instance.stage.needs(instance.settings, counts):
            if not need.is_met:
                unmet.setdefault(need.problem(instance.stage.name), instance.name)
    if unmet:
        shown = [f"{result}: {problem}" for problem, result in unmet.items()]
        more = f"; and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        raise ConfigError(f"scale {plan.name}: {'; '.join(shown[:SHOWN])}{more}.")


def _count(plan, data: Instance) -> Counts:
    """Count the images of a data set: of the prepared one, or of the one that will be prepared."""
    known = known_counts(data.settings)
    for store in (plan.store, plan.store / results.UNUSED):
        if results.is_finished(data.path(store)):
            described = files.read_json(data.path(store) / "data.json")
            train, test = (tuple(described[f"{split}_counts"]) for split in ("train", "test"))
            return Counts(train, test, unlabelled=known.unlabelled)
    if known.train_classes:
        return known
    from simclr.stages import prepare

    try:
        found = prepare.count(data.settings)
    except DataError as error:
        raise ConfigError(f"scale {plan.name}: {data.name}: prepare: {error}") from None
    if found is None:
        return known
    return replace(known, train_classes=found["train"], test_classes=found["test"])
