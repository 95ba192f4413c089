"""Tell DVC that its stages are up to date."""

import configparser
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from simclr import files
from simclr.config import printable
from simclr.store import results
from workflow.planning.plan import Plan
from workflow.planning.scale import default_scale, read_yaml
from workflow.running.plan_file import write_plan

# Files that DVC writes in place, and what it says where one was cut.
WRITTEN_IN_PLACE = {".dvc/tmp/rwlock": "RWLock-file", "dvc.lock": "dvc.lock'"}
REMEDIES = {  # by words of DVC's
    "not a git repository": "`git init` makes it one",
    "No space left": "make room, or name another disk (`dvc config cache.dir PLACE`)",
}


def record(plan: Plan) -> None:
    """Tell DVC that its stages are up to date, as far as it does not know (`dvc commit`).

    Records nothing within `dvc repro`, which does it itself, and nothing of a part of the results:
    imported metrics would be recorded as a scale without encoders. Verifies every byte first; a
    damaged one raises ResultError, and nothing is recorded.
    """
    if "DVC_STAGE" in os.environ or not Path(".dvc").is_dir():
        return
    if plan.name != default_scale():
        print(f"Not recorded for DVC, whose scale is that of params.yaml: {default_scale()}.")
        return
    write_plan(plan)
    note = plan.store / "recorded"
    if note.is_file() and files.read_text(note) == _signature(plan) and _is_cached(plan):
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
    lines = done.stderr.strip().splitlines() or ["no reason given"]
    errors = [line for line in lines if line.startswith("ERROR:")]  # also with exit status 0
    if done.returncode == 0 and not errors:
        files.write_atomic(note, _signature(plan))
        print("Recorded for DVC in dvc.lock; `dvc push` shares the results.")
    else:
        reason = printable((errors or lines)[-1].removeprefix("ERROR: "))
        remedies = [remedy for words, remedy in REMEDIES.items() if words in reason]
        remedy = (remedies or ["mend that"])[0]
        print(f"DVC did not record the results ({reason}): {remedy}, then run this again.")


def _dvc_commit() -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "dvc", "commit", "--force"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace")


def _is_cached(plan: Plan) -> bool:
    """Tell whether DVC's cache has all that dvc.lock names of the results: what is pushed.

    Where the place of the cache is said beyond this project it is not found; no harm comes of that.
    """
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        settings.read([".dvc/config", ".dvc/config.local"], encoding="utf-8")
        place = settings.get("cache", "dir", fallback="cache").strip("'\"")
        cache = Path(".dvc", place, "files", "md5")
        stages = read_yaml(Path("dvc.lock"), "dvc.lock")["stages"].values()
        outs = [out for stage in stages for out in stage.get("outs", ())]
        digests = [out["md5"] for out in outs if Path(out["path"]) not in _uncached(plan)]
        listings = [cache / digest[:2] / digest[2:] for digest in digests]
        for listing in listings:
            if listing.suffix == ".dir":
                digests += [file["md5"] for file in files.read_json(listing)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, configparser.Error):
        return False
    return all((cache / digest[:2] / digest[2:]).is_file() for digest in digests)


def _uncached(plan: Plan) -> tuple[Path, Path]:
    """Return the outputs that Git has, so that DVC does not (`cache: false` in dvc.yaml)."""
    return plan.store / "plan", Path("paper_figures") / plan.name


def _signature(plan: Plan) -> str:
    """A hash over all that dvc.yaml names; of results the provenance, which has their hashes."""
    paths = [Path(name) for name in ("dvc.yaml", "dvc.lock", "params.yaml", "requirements.lock")]
    folders = ("simclr", "workflow", "data/paper", plan.store / "plan")
    for folder in (*map(Path, folders), Path("paper_figures") / plan.name):
        paths += [f for f in sorted(folder.rglob("*")) if "__pycache__" not in f.parts]
    paths += [i.path(plan.store) / results.PROVENANCE for i in plan.instances.values()]
    parts = [f"{file} {files.sha256(file)}\n" for file in paths if file.is_file()]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
