"""Tell DVC that its stages are up to date."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from simclr import files
from simclr.store import results
from workflow.planning.plan import Plan
from workflow.planning.scale import default_scale
from workflow.running.plan_file import write_plan

# Files that DVC writes in place, and what it says where one was cut.
WRITTEN_IN_PLACE = {".dvc/tmp/rwlock": "RWLock-file", "dvc.lock": "dvc.lock'"}


def record(plan: Plan) -> None:
    """Tell DVC that its stages are up to date, as far as it does not know (`dvc commit`).

    Never within `dvc repro` (which records by itself), never a part of the results as the whole
    (who has the metrics alone would record that there are no encoders), and only after every byte
    has been verified; a damaged one raises ResultError and nothing is recorded.
    """
    if "DVC_STAGE" in os.environ or not Path(".dvc").is_dir():
        return
    if plan.name != default_scale():
        print(f"Not recorded for DVC, whose scale is that of params.yaml: {default_scale()}.")
        return
    write_plan(plan)
    note = plan.store / "recorded"
    if note.is_file() and files.read_text(note) == _signature(plan):
        return
    absent = []
    for instance in plan.instances.values():
        path = instance.path(plan.store)
        if path.exists():
            results.verify(path)
        else:
            absent.append(instance.stage.name)
    if absent:
        print(
            f"Not recorded for DVC, since {len(absent)} results are not here "
            f"({', '.join(dict.fromkeys(absent))}): `dvc pull` brings what was pushed."
        )
        return
    done = _dvc_commit()
    for file, complaint in WRITTEN_IN_PLACE.items():
        if done.returncode and complaint in done.stderr:  # cut, if DVC was stopped while it wrote
            Path(file).unlink(missing_ok=True)
            done = _dvc_commit()
    if done.returncode == 0:
        files.write_atomic(note, _signature(plan))
        print("Recorded for DVC in dvc.lock; `dvc push` shares the results.")
    else:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        no_git = "not a git repository" in reason
        remedy = "`git init` makes it one" if no_git else "mend that"
        print(f"DVC did not record the results ({reason}): {remedy}, then run this again.")


def _dvc_commit() -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "dvc", "commit", "--force"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")


def _signature(plan: Plan) -> str:
    """A hash over all that dvc.yaml names; of results the provenance, which has their hashes."""
    paths = [Path(name) for name in ("dvc.yaml", "dvc.lock", "params.yaml", "requirements.lock")]
    folders = ("simclr", "workflow", "data/paper", plan.store / "plan")
    for folder in (*map(Path, folders), Path("paper_figures") / plan.name):
        paths += [f for f in sorted(folder.rglob("*")) if "__pycache__" not in f.parts]
    paths += [i.path(plan.store) / results.PROVENANCE for i in plan.instances.values()]
    parts = [f"{file} {files.sha256(file)}\n" for file in paths if file.is_file()]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
