"""Verify stored results; delete those that no plan names."""

import shutil
import sys

from simclr.store import results
from simclr.store.instance import Instance
from simclr.store.results import UNUSED
from workflow.planning.plan import Plan
from workflow.running.unused import settle
from workflow.stages import STAGES


def verify(plan: Plan, stages=tuple(STAGES)) -> list[Instance]:
    """Check every output of the finished results, name each damaged one; return those."""
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
    removed = 0
    for place in {results.workplace(plan.store, stage) for stage in STAGES}:
        for left in ("tmp", "locks"):  # by crashed attempts
            shutil.rmtree(place / left, ignore_errors=True)
        for path in (place / UNUSED).glob("*/*"):
            path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path)
            removed += 1
        for path in (place / "checkpoints").glob("*"):
            if path.name.split(".")[0] not in plan.instances:
                path.unlink()
    return f"{removed} results removed, {len(plan.instances)} are in the plan."
