"""Put results aside that the plan does not name, and restore them when it names them again."""

import os
import shutil
from pathlib import Path

from simclr.store import results
from simclr.store.results import UNUSED
from workflow.planning.plan import Plan
from workflow.stages import STAGES


def settle(plan: Plan) -> None:
    """Move results outside this plan aside, and restore those that it needs, by renaming.

    So the folders that DVC records depend on the plan, not on the branches visited before.
    """
    for stage in STAGES:
        here, aside = plan.store / stage, plan.store / UNUSED / stage
        for name in _names(here) - plan.instances.keys():
            _move(here / name, aside / name)
        for name in _names(aside) & plan.instances.keys():
            if results.is_finished(aside / name) and not results.is_finished(here / name):
                _move(aside / name, here / name)


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    source.rename(target)
