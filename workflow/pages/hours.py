"""How much compute is behind what is published: core-hours and GPU-hours."""

UNITS = ("core-hours", "GPU-hours")


def hours(plan, published: dict[str, dict]) -> dict[str, float]:
    """Return {unit: hours} that the plan expects of what is published, each training once.

    The seconds that results took say less: machines that compute for nights are shared.
    published: key -> line of data/published/<scale>.jsonl.
    """
    names = {(line["stage"], line["name"]) for line in published.values()}
    shown = [i for i in plan.instances.values() if (i.stage.name, i.name) in names]
    needed = {one.key: one for i in shown for one in (i, *i.inputs.values())}
    totals = dict.fromkeys(UNITS, 0.0)
    for one in needed.values():
        gpus = plan.gpus(one)
        totals[UNITS[gpus > 0]] += (gpus or 1) * one.seconds / 3600
    return {unit: round(total, 3) for unit, total in totals.items() if total}


def by_cost(hours: dict[str, float]) -> list[float]:
    """Return what to sort by, from little compute to much: a GPU's hour is more than any core's."""
    return [hours.get(unit, 0) for unit in reversed(UNITS)]


def text(hours: dict[str, float]) -> str:
    """Return hours in words, "2.2 core-hours"; where nothing is known, that."""
    parts = [f"{value:.2g}" if value < 10 else f"{value:,.0f}" for value in hours.values()]
    known = [f"{part} {unit}" for part, unit in zip(parts, hours, strict=True)]
    return " and ".join(known) or "nothing published"
