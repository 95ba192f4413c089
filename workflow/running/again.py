"""Compute a finished result again, and compare it with the kept one, bit by bit."""

import filecmp
import os
import shutil
from pathlib import Path

from simclr.store import runner
from simclr.store.instance import Instance
from simclr.store.results import PROVENANCE, UNUSED

AGAIN = "again"  # results/<scale>/again/<stage>/<key>: until it is compared


def compute_again(instance: Instance, store: Path, report) -> tuple[bool, str]:
    """Compute a result that is there; return (whether its bits are the same, a line that says so).

    The kept one stays until the new one is complete. Where bits differ the new one takes its place,
    and the old one is put aside. Of several ranks the first compares.
    """
    kept, new = instance.path(store), instance.path(store / AGAIN)
    runner.compute(instance, store, report, new)
    if os.environ.get("RANK", "0") != "0":
        return True, ""
    names = {file.name for folder in (kept, new) for file in folder.iterdir()} - {PROVENANCE}
    _, differing, absent = filecmp.cmpfiles(kept, new, names, shallow=False)
    if not differing + absent:
        shutil.rmtree(new)
        return True, f"{instance.label}: computed again, the same bits; the kept one stays."
    aside = instance.path(store / UNUSED)
    shutil.rmtree(aside, ignore_errors=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    kept.rename(aside)
    new.rename(kept)
    files = ", ".join(sorted(differing + absent))
    return False, (
        f"{instance.label}: computed again, OTHER BITS in {files}. The new one is in its place, "
        f"the old one in {aside}; results that were computed from the old one stay."
    )
