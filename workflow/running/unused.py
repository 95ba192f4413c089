"""Put results aside that the plan does not name, and restore them when it names them again."""

import os
import shutil
from pathlib import Path

from simclr.store import results
from simclr.store.results import UNUSED, WORK
from workflow.planning.plan import Plan
from workflow.running.locks import moving
from workflow.stages import STAGES


def settle(plan: Plan) -> None:
    """Move results outside this plan aside, and restore those that it needs, by renaming.

    So the folders that DVC records depend on the plan, not on the branches visited before. Raises
    ConfigError where there is something to move while a run is at work.
    """
    if _moves(plan):
        with moving(plan.store):
            for source, target in _moves(plan):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.rmtree(target, ignore_errors=True)
                source.rename(target)


def _moves(plan: Plan) -> list[tuple[Path, Path]]:
    """Return (from, to) of each folder that is not where this plan wants it."""
    moves = []
    for stage in STAGES:
        here = plan.store / stage
        aside = results.workplace(plan.store, stage) / UNUSED / stage
        for name in _names(here) - plan.instances.keys():
            moves.append((here / name, aside / name))
        for name in _names(aside) & plan.instances.keys():
            if results.is_finished(aside / name) and not results.is_finished(here / name):
                moves.append((aside / name, here / name))
    return moves


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) - {WORK} if folder.is_dir() else set()
