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
    tested = [row for row in rows if row["verdict"] != "not tested"]
    still_open = [row for row in tested if row["verdict"] == "inconclusive" and row["needed"]]
    seconds = {row["experiment"]: _seconds_of_a_seed(plan, row["experiment"]) for row in still_open}

    def cost(row: dict) -> float:
        """Seconds of the seeds that are missing, each with all runs of the figure."""
        return (float(row["needed"]) - int(row["n"])) * seconds[row["experiment"]]

    lines = [f"{len(tested) - len(still_open)} of {len(tested)} contrasts are decided."]
    for row in sorted(still_open, key=cost):
        more = f"about {duration(cost(row))}" if cost(row) < math.inf else "out of reach"
        lines += [
            f"{row['id']} {row['experiment']}: {row['contrast']}",
            f"    {ledger.effect(row)}; {ledger.what_is_open(row)}: {more}",
        ]
    return "\n".join(lines)


def _seconds_of_a_seed(plan: Plan, experiment: str) -> float:
    """Return what another seed of all runs of a figure takes, one after another."""
    runs = plan.runs(plan.figure(experiment))
    first = runs[0][0]["seed"]
    results = plan.with_inputs(run for row, run in runs if row["seed"] == first)
    return sum(result.seconds for result in results if result.stage.kind != "data")
