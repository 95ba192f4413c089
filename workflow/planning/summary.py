"""What a run will cost, in words."""

import functools
import os


def summary(plan, missing=None, cores: int | None = None, jobs: int | None = None) -> str:
    """Some lines: what would be computed, about how long it takes, and why so.

    missing: what was asked for and is not there; None: all that the figures lack. Here, on `cores`
    or the scale's GPUs; or on a cluster that runs so many `jobs` at a time.
    """
    total, scale = len(plan.instances), plan.scale
    missing = plan.missing() if missing is None else missing
    if not missing:
        return (
            f"scale {plan.name}: {total} results, all that is asked is there; nothing to compute."
        )
    cores = cores or os.cpu_count() or 1
    if scale.device == "cuda":
        where = f"on {scale.gpus} GPU{'s' * (scale.gpus > 1)}"
        cost = f"{sum(map(plan.gpu_hours, missing)):,.1f} GPU-hours"
    else:
        where = f"here ({cores} core{'s' * (cores > 1)})"
        cost = f"{duration(sum(i.seconds for i in missing))} on one core"
    took = duration(expected_seconds(plan, missing, cores, jobs))
    where = f"with {jobs} jobs at a time" if jobs else where
    lines = [
        f"scale {plan.name}: {total} results, {len(missing)} to compute: "
        f"{cost}, about {took} {where}.",
        f"Rates {scale.basis}.",
        "Expected, per experiment (what several share counts at the first):",
    ]
    for name, members in plan.by_experiment(missing).items():
        took = duration(sum(one.seconds for one in members))
        if scale.device == "cuda":
            took = f"{sum(map(plan.gpu_hours, members)):,.1f} GPU-hours"
        lines.append(f"  {name:11}{len(members):6} results  {took}")
    return "\n".join(lines)


def expected_seconds(plan, missing, cores: int | None = None, jobs: int | None = None) -> float:
    """Return about how long it takes to compute `missing`, the starts of processes included.

    It is never less than the longest chain of processes that wait for each other.
    """
    groups, scale = plan.groups(missing), plan.scale
    group_of = {one.key: name for name, members in groups.items() for one in members}

    @functools.cache
    def end(name: str) -> float:  # from the start, where nothing waits for a core
        before = {group_of.get(needed.key) for needed in plan.inputs(groups[name])} - {None}
        work = sum(one.seconds for one in groups[name])
        return scale.startup_seconds + work + max(map(end, before), default=0.0)

    work = sum(one.seconds for one in missing)
    at_a_time = jobs or cores or os.cpu_count() or 1
    if scale.device == "cuda":
        work, at_a_time = 3600 * sum(map(plan.gpu_hours, missing)) / scale.gpus, jobs or 1
    chain = max(map(end, groups), default=0.0)
    return max((work + len(groups) * scale.startup_seconds) / at_a_time, chain)


def duration(seconds: float) -> str:
    """12 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"
