"""How much of a scale is published, and how much compute is behind it."""

from collections.abc import Iterable

UNITS = ("core-hours", "GPU-hours")


def hours(plan, lines: Iterable[dict]) -> dict[str, float]:
    """Return {unit: hours} that the plan expects of what is published, each training once.

    The seconds that results took say less: machines that compute for nights are shared.
    lines: of data/published/<scale>.jsonl.
    """
    needed = {one.key: one for i in shown(plan, lines) for one in (i, *i.inputs.values())}
    totals = dict.fromkeys(UNITS, 0.0)
    for one in needed.values():
        gpus = plan.gpus(one)
        totals[UNITS[gpus > 0]] += (gpus or 1) * one.seconds / 3600
    return {unit: round(total, 3) for unit, total in totals.items() if total}


def counts(plan, lines: Iterable[dict]) -> dict[str, int]:
    """Return how many results with metrics the scale plans, and how many there are to be shown.

    Those that are published, under whatever key, and those that are computed here.
    """
    published = {one.key for one in shown(plan, lines)}
    planned = plan.of_kind("measurement")
    there = [one for one in planned if one.key in published or plan.has(one)]
    return {"planned": len(planned), "there": len(there)}


def shown(plan, lines: Iterable[dict]) -> list:
    """Return the instances that are published, under whatever key."""
    names = {(line["stage"], line["name"]) for line in lines}
    return [one for one in plan.instances.values() if (one.stage.name, one.name) in names]


def by_cost(hours: dict[str, float]) -> list[float]:
    """Return what to sort by, from little compute to much: a GPU's hour is more than any core's."""
    return [hours.get(unit, 0) for unit in reversed(UNITS)]


def text(hours: dict[str, float]) -> str:
    """Return hours in words, "2.2 core-hours"; where nothing is known, that."""
    parts = [f"{value:.2g}" if value < 10 else f"{value:,.0f}" for value in hours.values()]
    known = [f"{part} {unit}" for part, unit in zip(parts, hours, strict=True)]
    return " and ".join(known) or "nothing published"


def cost(summary: dict) -> str:
    """Return the hours of a scale in words, and whether it is in part, from its metrics.json."""
    results = summary.get("results", {})
    in_part = results.get("there", 0) < results.get("planned", 0)
    return text(summary.get("hours", {})) + ", in part" * in_part
