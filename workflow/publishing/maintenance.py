"""Verify stored results; delete those that no plan names."""

import shutil
import sys

from simclr.store import results
from simclr.store.results import UNUSED
from workflow.planning.planner import ALL_STAGES, Plan
from workflow.planning.unused import settle


def verify(plan: Plan, stages=ALL_STAGES) -> list:
    """Check every output of the finished results, name each damaged one; returns those."""
    damaged, intact = [], 0
    for instance in plan.of(*stages):
        path = instance.path(plan.store)
        if not path.exists():
            continue
        try:
            results.verify(path)
            intact += 1
        except results.ResultError as error:
            damaged.append(instance)
            print(f"error: {error}", file=sys.stderr)
    print(f"{intact} results intact, {len(damaged)} damaged.")
    return damaged


def prune(plan: Plan) -> str:
    """Delete results and checkpoints of this scale that the plan does not name."""
    settle(plan)
    unused = [path for path in (plan.store / UNUSED).glob("*/*")]
    for path in unused:
        shutil.rmtree(path)
    for path in (plan.store / "checkpoints").glob("*"):
        if path.name.split(".")[0] not in plan.instances:
            path.unlink()
    return f"{len(unused)} results removed, {len(plan.instances)} are in the plan."
