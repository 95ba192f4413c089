"""Which results one process computes: those of a setting with all seeds, and short ones together.

Starting Python and importing torch takes seconds, as long as a laptop's run: one process per
setting pays it once, and settings of an experiment that take seconds share one. A long run on a
GPU has a process of its own: many can then run at once.
"""

from simclr.registry import EVALUATION
from simclr.store.instance import Instance

SHORT = 30.0  # seconds on one core: settings that take less share a process


def group(instances: list[Instance], alone: set[str]) -> dict[str, list[Instance]]:
    """Return {name: instances}, of instances in the plan's order.

    alone: keys of those that share no process. Names are valid for Snakemake rules. In the order of
    the scale's experiments; within one, the longest first, so that at the end no core waits long.
    """
    wanted = {instance.key for instance in instances}
    read = {needed.key for instance in instances for needed in instance.inputs.values()}
    order = dict.fromkeys(e for instance in instances for e in instance.experiments[:1])
    position = {experiment: number for number, experiment in enumerate(order)}
    own = {(one.stage.name, one.name): [one] for one in instances if one.key in alone}
    groups = {}  # (kind of process, what tells groups apart) -> instances
    for instance in (one for one in instances if one.key not in alone):
        kind, runs = _process(instance, wanted, read)
        if instance.instruction_set != "avx2":  # a process has one instruction set
            kind = f"{kind}_{instance.instruction_set}"
        groups.setdefault((kind, runs), []).append(instance)

    def rank(members: list[Instance]):
        first = members[0].experiments[:1]  # none: the scale's data, which all need
        return [position[experiment] for experiment in first], -_work(members)

    processes = own | _join_short(groups)
    return {
        _rule_name(key): members
        for key, members in sorted(processes.items(), key=lambda item: rank(item[1]))
    }


def _process(instance: Instance, wanted: set[str], read: set[str]) -> tuple[str, str]:
    """Return the kind of process that computes an instance, and the runs that it shares it with.

    wanted: keys of all that are computed; read: of their inputs.
    """
    runs = ".".join(part for part in (instance.experiment, instance.setting) if part)
    if instance.stage.kind == "encoder" and instance.key not in read:
        return "encoder", runs  # its metrics are there: only who asks for encoders needs it
    if instance.stage.kind == "encoder" or instance.stage.name == EVALUATION:
        return "train", runs  # the evaluation reads what the same process trained
    waits = any(needed.key in wanted for needed in instance.inputs.values())
    if instance.stage.kind == "figure" and not waits:
        return "redraw", runs  # all that it shows is there
    return instance.stage.name, runs


def _join_short(groups: dict[tuple, list[Instance]]) -> dict[tuple, list[Instance]]:
    """Join groups of the same kind and experiment, or figures, that take a short time in all.

    Groups stand in the plan's order, inputs first, and none that trains reads what other kinds of
    groups make: two joined ones never wait for each other.
    """
    joined, last = {}, {}  # last: (kind, experiment) -> the group that takes more
    for key, members in groups.items():
        kind = key[:1] if key[0] == "redraw" else (key[0], *members[0].experiments[:1])
        into = last.get(kind)
        if into and _work(joined[into]) + _work(members) <= SHORT:
            joined[into] += members
        else:
            last[kind] = key
            joined[key] = members
    return joined


def _rule_name(key: tuple[str, str]) -> str:
    return "".join(c if c.isalnum() else "_" for c in "_".join(key))


def _work(instances: list[Instance]) -> float:
    return sum(instance.seconds for instance in instances)
