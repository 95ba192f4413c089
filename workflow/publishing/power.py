"""What it would take to decide the contrasts of a scale that its seeds leave open."""

import math
from pathlib import Path

from simclr.config import ConfigError
from workflow.pages import ledger
from workflow.planning.plan import Plan
from workflow.planning.summary import duration


def text(plan: Plan) -> str:
    """Return a line for each open contrast of the published figures, the cheapest first.

    Raises ConfigError where nothing is published.
    """
    rows = ledger.read_rows(Path("paper_figures") / plan.name / "claims.csv")
    if not rows:
        raise ConfigError(f"scale {plan.name}: no figure is published; run it first.")
    tested = sum(row["verdict"] != "not tested" for row in rows)
    open_rows = still_open(plan, rows)
    lines = [f"{tested - len(open_rows)} of {tested} contrasts are decided."]
    for row, seconds in open_rows:
        lines += [
            f"{row['id']} {row['experiment']}: {row['contrast']}",
            f"    {ledger.effect(row)}; {ledger.what_is_open(row)}: {cost(seconds)}",
        ]
    return "\n".join(lines)


def still_open(plan: Plan, rows: list[dict]) -> list[tuple[dict, float]]:
    """Return the open contrasts of `rows`, the cheapest first, with what would decide each:
    seconds of the seeds that are missing, each with all runs of the figure."""
    chosen = [row for row in rows if row["verdict"] == "inconclusive" and row["needed"]]
    each = {row["experiment"]: _seconds_of_a_seed(plan, row["experiment"]) for row in chosen}
    pairs = [(r, (float(r["needed"]) - int(r["n"])) * each[r["experiment"]]) for r in chosen]
    return sorted(pairs, key=lambda pair: pair[1])


def cost(seconds: float) -> str:
    """Return seconds in words."""
    return f"about {duration(seconds)}" if seconds < math.inf else "out of reach"


def _seconds_of_a_seed(plan: Plan, experiment: str) -> float:
    """Return what another seed of all runs of a figure takes, one after another."""
    runs = plan.runs(plan.figure(experiment))
    first = runs[0][0]["seed"]
    results = plan.with_inputs(run for row, run in runs if row["seed"] == first)
    return sum(result.seconds for result in results if result.stage.kind != "data")
