"""How long what is published took to compute: core-hours and GPU-hours."""

import re

# Words of a processor's name (simclr/store/provenance.py); a card's name has none of these.
PROCESSOR = re.compile(
    r"\b(x86_64|amd64|intel64|i[3-6]86|arm\w*|aarch64|ppc64\w*|riscv64|s390x)\b", re.IGNORECASE
)
UNITS = ("core-hours", "GPU-hours")


def hours(published: dict[str, dict]) -> dict[str, float]:
    """Return {unit: hours} of all results, and of the trainings of encoders that they read.

    published: key -> line of data/published/<scale>.jsonl. A result takes one core, or one GPU.
    """
    found = {}  # what took the time -> unit, seconds: many results read the same training
    for line in published.values():
        unit = UNITS[not PROCESSOR.search(line.get("hardware", ""))]
        for one in (line, line.get("training", {})):
            if one.get("seconds"):
                found[one["key"]] = unit, one["seconds"]
    totals = {unit: sum(s for u, s in found.values() if u == unit) / 3600 for unit in UNITS}
    return {unit: round(total, 3) for unit, total in totals.items() if total}


def text(hours: dict[str, float]) -> str:
    """Return hours in words, "2.2 core-hours"; where nothing is known, that."""
    parts = [f"{value:.2g}" if value < 10 else f"{value:,.0f}" for value in hours.values()]
    known = [f"{part} {unit}" for part, unit in zip(parts, hours, strict=True)]
    return " and ".join(known) or "time not published"
