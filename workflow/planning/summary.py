"""What a run will cost, in words."""

import os


def summary(plan, cores: int | None = None, jobs: int | None = None) -> str:
    """Some lines: what is cached, what would be computed, about how long it takes, and why so.

    Here, on `cores` or the scale's GPUs; or on a cluster that runs so many `jobs` at a time.
    """
    total, missing = len(plan.instances), plan.missing()
    text = f"scale {plan.name}: {total} results, "
    if not missing:
        return text + "all that the figures need is there; nothing to compute."
    scale = plan.scale
    starts = len(plan.groups(missing)) * scale.startup_seconds
    at_a_time = f"with {jobs} jobs at a time" if jobs else ""
    if scale.device == "cuda":
        hours = sum(map(plan.gpu_hours, missing))
        seconds = (3600 * hours / scale.gpus + starts) / (jobs or 1)
        where = at_a_time or f"on {scale.gpus} GPU{'s' * (scale.gpus > 1)}"
        cost = f"{hours:,.1f} GPU-hours"
    else:
        cores = cores or os.cpu_count() or 1
        work = sum(i.seconds for i in missing)
        seconds = (work + starts) / (jobs or cores)
        where = at_a_time or f"here ({cores} core{'s' * (cores > 1)})"
        cost = f"{duration(work)} on one core"
    lines = [
        f"{text}{len(missing)} to compute: {cost}, about {duration(seconds)} {where}.",
        f"Rates {scale.basis}.",
        "Expected, per experiment (what several share counts at the first):",
    ]
    for name, members in plan.by_experiment(missing).items():
        took = duration(sum(one.seconds for one in members))
        if scale.device == "cuda":
            took = f"{sum(map(plan.gpu_hours, members)):,.1f} GPU-hours"
        lines.append(f"  {name:11}{len(members):6} results  {took}")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """12 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"
