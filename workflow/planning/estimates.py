"""Estimates of a whole plan: hours by experiment, and what a number of cores or GPUs takes."""

from dataclasses import dataclass

from simclr.store.runner import TRAINING
from workflow.planning import cost


@dataclass(frozen=True)
class Fleet:
    """What a scale takes on a number of cores or GPUs."""

    seconds: float  # until all is done
    chain: float  # of the longest chain of results that need each other: `seconds` is never less
    recomputed: int  # how many trainings fit only with `recompute`
    homeless: list  # instances of trainings that do not fit at all
    needed: int  # GPUs for the most demanding of these, with `recompute`; 0: no number is enough

    @property
    def is_chain(self) -> bool:
        """Whether more cores or GPUs would not help."""
        return not self.homeless and self.seconds <= self.chain


def fleet(plan, count: int) -> Fleet:
    """Return what a whole run of the plan takes on `count` cores or GPUs."""
    scale, work, recomputed, homeless, needed = plan.settings, 0.0, 0, [], 0
    finished = {}  # key -> seconds from the start, where nothing waits for a core
    for instance in plan.instances.values():
        settings, gpus = instance.settings, 1
        encoder, data = plan.sources(instance)
        if instance.stage in TRAINING and settings["device"] == "cuda":
            settings, gpus = _with_room(instance, data, scale.gpu_gigabytes, count)
            if not 0 < gpus <= count:
                homeless.append(instance)
                needed = max(needed, gpus)
            elif settings is not instance.settings:
                recomputed += 1
        seconds = cost.seconds(instance.stage, settings, encoder, data, scale, gpus or 1)
        inputs = (finished[key] for _, key in instance.inputs.values())
        finished[instance.key] = seconds + max(inputs, default=0.0)
        if scale.device == "cpu" or "device" in settings:  # not what the CPUs of a GPU's machine do
            work += (gpus or 1) * seconds
    work += len(plan.groups(plan.instances.values())) * scale.startup_seconds
    chain = max(finished.values())
    return Fleet(max(work / count, chain), chain, recomputed, homeless, needed)


def _with_room(instance, data: dict, gigabytes: float, count: int) -> tuple[dict, int]:
    """Return a training's settings and the fewest GPUs (0: none) on which its batch has room.

    The settings have `recompute` where `count` GPUs have no room otherwise.
    """
    gpus = cost.fewest(instance.stage, instance.settings, data, gigabytes)
    if 0 < gpus <= count:
        return instance.settings, gpus
    settings = {**instance.settings, "recompute": True}
    return settings, cost.fewest(instance.stage, settings, data, gigabytes)


def hours(plan) -> dict[str, tuple[int, float]]:
    """Return {experiment: (results, core-hours or GPU-hours)}.

    Results that several experiments share count at the first.
    """
    on_gpu = plan.settings.device == "cuda"
    return {
        name: (
            len(instances),
            sum(plan.gpu_hours(one) if on_gpu else one.seconds / 3600 for one in instances),
        )
        for name, instances in plan.by_experiment(plan.instances.values()).items()
    }
