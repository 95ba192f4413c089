"""Results that the plan does not name are put aside, and brought back when it names them again."""

import os
import shutil
from pathlib import Path

from simclr.store import results
from simclr.store.results import UNUSED
from workflow.planning.planner import ALL_STAGES, Plan


def settle(plan: Plan) -> None:
    """Let results/<scale>/<stage> hold the results of this plan alone; by renaming, in no time.

    What the plan does not name is put aside, what it names again is brought back. So the folders
    that DVC records depend on the plan, not on the branches that were visited before.
    """
    for stage in ALL_STAGES:
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
