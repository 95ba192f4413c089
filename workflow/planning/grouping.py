"""Which results one process computes: those of a setting with all seeds, and short ones together.

Starting Python and importing torch takes seconds, as long as a laptop's run: one process per
setting pays it once, and settings of an experiment that take seconds share one. A run on a GPU
takes long enough to stand alone.
"""

TRAINED = ("pretrain", "supervise", "evaluate")  # one process: the last reads the others
SHORT = 30.0  # seconds on one core: settings that take less share a process


def make(instances: list) -> dict[str, list]:
    """Return {name: instances}, of instances in the plan's order.

    Names are valid for Snakemake rules. In the order of the scale's experiments; within one, the
    longest first, so that at the end no core waits long for another.
    """
    wanted, made = {instance.key for instance in instances}, {}
    order = dict.fromkeys(one for instance in instances for one in instance.experiments[:1])
    place = {experiment: number for number, experiment in enumerate(order)}
    for instance in instances:
        made.setdefault(_name(instance, wanted), []).append(instance)
    made = _packed(made)

    def rank(name):
        first = made[name][0].experiments[:1]  # none: the data, which all need
        return [place[one] for one in first], -_work(made[name])

    return {name: made[name] for name in sorted(made, key=rank)}


def _name(instance, wanted: set) -> str:
    """The group to which an instance belongs; it begins with its kind."""
    name = instance.name.rsplit(".s", 1)[0]
    waits = any(key in wanted for _, key in instance.inputs.values())
    if instance.settings.get("device") == "cuda":
        name = f"{instance.stage}_{instance.name}"
    elif instance.stage in TRAINED:
        name = f"train_{name}"
    elif instance.stage == "figures" and not waits:
        name = f"redraw_{name}"  # all that it shows is there
    else:
        name = f"{instance.stage}_{name}"
    return "".join(c if c.isalnum() else "_" for c in name)


def _packed(groups: dict[str, list]) -> dict[str, list]:
    """Join groups of the same kind and experiment, or figures, that take a short time in all.

    Groups stand in the plan's order, inputs first, and none that trains reads what other kinds of
    groups make: two joined ones never wait for each other.
    """
    joined, last = {}, {}  # last: (kind, experiment) -> the group that takes more
    for name, members in groups.items():
        kind = name.split("_")[0]
        if kind != "redraw":
            kind = kind, *members[0].experiments[:1]
        into = last.get(kind)
        on_gpu = members[0].settings.get("device") == "cuda"
        if into and not on_gpu and _work(joined[into]) + _work(members) <= SHORT:
            joined[into] += members
            continue
        last[kind] = name
        joined[name] = members
    return joined


def _work(instances) -> float:
    return sum(instance.seconds for instance in instances)
