"""How a scale is computed in parts: in which order, and which share falls to each machine."""

import math
from collections.abc import Iterable

from simclr.store.instance import Instance


def seeds_first(instances: Iterable[Instance]) -> list[Instance]:
    """Return these with all of the first seed before any of the second; figures last.

    So what is there at any time shows as many settings as possible. instances: inputs first.
    """

    def rank(one: Instance) -> float:
        if one.stage.kind == "figure":
            return math.inf
        return -1 if one.seed is None else one.seed

    return sorted(instances, key=rank)  # stable


def share(instances: Iterable[Instance], number: int, count: int) -> list[Instance]:
    """Return the share of machine `number` of 1 to `count`: shares have no result in common.

    Every machine finds the same shares without asking others. Each training with all that reads
    its encoder goes to the share that has least to do so far, seed after seed, so that every share
    has some of each. Data sets are left out, which every machine prepares, and figures, which need
    all shares.
    """
    work = {}  # key of an encoder, or of what needs none -> seconds, what reads it included
    kinds = ("data", "figure")
    instances = [one for one in seeds_first(instances) if one.stage.kind not in kinds]
    for one in instances:
        work[_unit(one)] = work.get(_unit(one), 0.0) + one.seconds
    loads, owners = [0.0] * count, {}
    for unit, seconds in work.items():
        owners[unit] = loads.index(min(loads))
        loads[owners[unit]] += seconds
    return [one for one in instances if owners[_unit(one)] == number - 1]


def _unit(instance: Instance) -> str:
    return instance.inputs.get("encoder", instance).key
