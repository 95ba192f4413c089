"""Estimates of a whole plan: hours by experiment, and what a number of cores or GPUs takes."""

from dataclasses import dataclass, replace

from simclr.settings.training import Training
from simclr.store.instance import Instance
from workflow.planning import cost
from workflow.planning.plan import Plan, data_of, work_of


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


def fleet(plan: Plan, count: int) -> Fleet:
    """Return what a whole run of the plan takes on `count` cores or GPUs."""
    scale, work, recomputed, homeless, needed = plan.scale, 0.0, 0, [], 0
    finished = {}  # key -> seconds from the start, where nothing waits for a core
    for instance in plan.instances.values():
        settings, gpus = instance.settings, 1
        if instance.stage.trains and instance.device == "cuda":
            settings, gpus = _with_room(instance, scale.gpu_gigabytes, count)
            if not 0 < gpus <= count:
                homeless.append(instance)
                needed = max(needed, gpus)
            elif settings is not instance.settings:
                recomputed += 1
        seconds = instance.stage.seconds(settings, work_of(instance, scale, gpus or 1))
        inputs = (finished[needed.key] for needed in instance.inputs.values())
        finished[instance.key] = seconds + max(inputs, default=0.0)
        if scale.device == "cpu" or hasattr(settings, "device"):  # not the CPUs of a GPU's machine
            work += (gpus or 1) * seconds
    work += len(plan.groups(plan.instances.values())) * scale.startup_seconds
    chain = max(finished.values())
    return Fleet(max(work / count, chain), chain, recomputed, homeless, needed)


def _with_room(instance: Instance, gigabytes: float, count: int) -> tuple[Training, int]:
    """Return a training's settings and the fewest GPUs (0: none) on which its batch has room.

    The settings have `recompute` where `count` GPUs have no room otherwise.
    """
    data, views = data_of(instance), instance.stage.views
    gpus = cost.fewest(instance.settings, data, views, gigabytes)
    if 0 < gpus <= count:
        return instance.settings, gpus
    settings = replace(instance.settings, recompute=True)
    return settings, cost.fewest(settings, data, views, gigabytes)


def hours(plan: Plan) -> dict[str, tuple[int, float]]:
    """Return {experiment: (results, core-hours or GPU-hours)}.

    Results that several experiments share count at the first.
    """
    on_gpu = plan.scale.device == "cuda"
    return {
        name: (
            len(instances),
            sum(plan.gpu_hours(one) if on_gpu else one.seconds / 3600 for one in instances),
        )
        for name, instances in plan.by_experiment(plan.instances.values()).items()
    }
