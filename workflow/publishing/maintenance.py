"""Verify stored results; delete those that no plan names."""

import os
import shutil
import sys

from simclr.config import printable
from simclr.store import results
from simclr.store.instance import Instance
from simclr.store.results import UNUSED
from workflow.planning.plan import Plan
from workflow.running.locks import moving
from workflow.running.run import run_instances, use_one_instruction_set
from workflow.running.torchrun import check_ranks
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


def repair(plan: Plan, damaged: list[Instance]) -> int:
    """Compute damaged results again, and inputs of theirs that are missing; the exit status."""
    check_ranks(os.environ)
    wanted = plan.with_missing_inputs(damaged)
    use_one_instruction_set([one for one in wanted if one in damaged or not plan.has(one)])
    with moving(plan.store):
        for instance in damaged:
            results.remove(instance.path(plan.store))
    return run_instances(plan.name, wanted)


def prune(plan: Plan) -> str:
    """Delete results and checkpoints of this scale that the plan does not name.

    What else somebody put beside the results was put aside with them; it is kept.
    """
    settle(plan)
    removed, others = 0, []
    for place in {results.workplace(plan.store, stage) for stage in STAGES}:
        for left in ("tmp", "locks"):  # by crashed attempts
            shutil.rmtree(place / left, ignore_errors=True)
        for path in (place / UNUSED).glob("*/*"):
            if results.KEY.fullmatch(path.name):
                results.remove(path)
                removed += 1
            else:
                others.append(path)
        for path in (place / "checkpoints").glob("*"):
            if path.name.split(".")[0] not in plan.instances:
                path.unlink()
    kept = f" Kept, since they are no results: {', '.join(map(str, others))}." if others else ""
    return f"{removed} results removed, {len(plan.instances)} are in the plan.{printable(kept)}"
