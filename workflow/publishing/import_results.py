"""Results of another machine, brought in by key.

A result folder is accepted only if its key is in this checkout's plan, all that its provenance
says of its making gives this key, and every file is the recorded one. It is judged on a copy,
which one rename then puts in its place: a crash at any moment leaves the whole result or none.

Hashes show damage and mistakes, not forgery: whoever makes a file, its hash and its seal anew can
lie about the content. Compare with the published metrics, as every full run does, or recompute.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from simclr.config import ConfigError, unkeyed
from simclr.store import keys, results
from simclr.store.instance import Instance
from simclr.store.results import PROVENANCE, ResultError
from workflow.planning.plan import Plan
from workflow.publishing.published import METRICS, SHARED_CSV
from workflow.running.unused import settle
from workflow.stages import STAGES

REMEDY = "copy it again from where it was computed"
# Words of a processor's name (simclr/store/provenance.py); a card's name has none of these.
PROCESSOR = re.compile(
    r"\b(x86_64|amd64|intel64|i[3-6]86|arm\w*|aarch64|ppc64\w*|riscv64|s390x)\b", re.IGNORECASE
)


def import_results(plan: Plan, source: Path) -> tuple[str, int]:
    """Bring the results in the folder `source` into results/<scale>, as far as they are right.

    source: a results/<scale> of another machine, the folder of a stage of it, or of one result.
    Returns a text for the user and how many were refused; each of these is named on stderr.
    Raises ConfigError where there is nothing to look at, or nothing of this scale and code.
    """
    settle(plan)
    imported = present = refused = 0
    unplanned = {}  # why a result is not in the plan -> names of such results
    folders = result_folders(source)
    for path in folders:
        try:
            provenance = _read(path)
            instance = plan.instances.get(provenance["key"])
            if instance is None:
                reason = _unplanned(plan, provenance)
                unplanned.setdefault(reason, []).append(provenance["name"])
            elif results.is_finished(instance.path(plan.store)):
                present += 1
            else:
                _import_one(plan.store, instance, path)
                imported += 1
        except ResultError as error:
            refused += 1
            print(f"error: {error}", file=sys.stderr)
    count = sum(map(len, unplanned.values()))
    if count == len(folders):
        reason = max(unplanned, key=lambda each: len(unplanned[each]))
        raise ConfigError(
            f"{source}: none of its {count} results is in the plan of scale {plan.name} "
            f"(e.g. {unplanned[reason][0]}, {reason}): name the scale that they are of, or check "
            "out the commit that computed them."
        )
    lines = [f"{imported} results brought in, {present} were there already, {refused} refused."]
    if unplanned:
        lines.append(f"{count} are not in the plan of scale {plan.name}:")
        lines += [f"  {len(names)} {why}; {names[0]}" for why, names in sorted(unplanned.items())]
    return "\n".join(lines), refused


def result_folders(source: Path) -> list[Path]:
    """Return the folders below `source` that are named as results. Raises ConfigError."""
    if not source.is_dir():
        raise ConfigError(f"{source}: no such folder (an archive must be unpacked first).")
    if results.KEY.fullmatch(source.name):
        return [source]
    stages = [source / stage for stage in STAGES if (source / stage).is_dir()] or [source]
    folders = [path for stage in stages for path in sorted(stage.iterdir())]
    folders = [path for path in folders if results.KEY.fullmatch(path.name)]
    if not folders:
        raise ConfigError(
            f"{source}: no results in it; give a results/SCALE, or the folder of a stage of it."
        )
    return folders


def _read(path: Path) -> dict:
    """The provenance of a result folder, if its key fits and it lists no file but its own.

    Nothing is read through a link, or outside of the folder. Raises ResultError.
    """
    if path.is_symlink():
        raise ResultError(f"{path}: a link; copy what it names by `cp -rL`.")
    if not path.is_dir():
        raise ResultError(f"{path}: not a folder; {REMEDY}.")
    present = set()
    with os.scandir(path) as entries:
        for entry in entries:
            present.add(entry.name)
            if entry.is_symlink():
                raise ResultError(f"{entry.path}: a link; copy the folder by `cp -rL`, as files.")
            if not entry.is_file(follow_symlinks=False):
                raise ResultError(f"{entry.path}: no plain file; {REMEDY}.")
    if not results.is_finished(path):
        raise ResultError(f"{path / PROVENANCE}: missing, was it copied in part? Then {REMEDY}.")
    provenance = results.read_provenance(path, REMEDY)
    for name in provenance["outputs"]:
        if name not in present:
            raise ResultError(
                f"{path / PROVENANCE}: lists {name!r}, which is no file of this result; {REMEDY}."
            )
    try:
        key = keys.key_of(_recorded(provenance))
        if not f"{provenance['stage']} {provenance['name']}".isprintable():
            raise ValueError("name")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"damaged ({type(error).__name__}: {error})"
        raise ResultError(f"{path / PROVENANCE}: {problem}; {REMEDY}.") from None
    if key != provenance["key"]:
        raise ResultError(
            f"{path / PROVENANCE}: its stage, settings, inputs, code and versions make the key "
            f"{key}, so it is not the result {provenance['key']}; run it again."
        )
    return provenance


def _recorded(provenance: dict) -> dict:
    """Return what made a result, by its provenance, as Instance.parts has it."""
    stage = STAGES.get(provenance["stage"])
    left_out = unkeyed(stage.settings) if stage else set()
    settings = {k: v for k, v in provenance["settings"].items() if k not in left_out}
    return {
        "stage": provenance["stage"],
        "settings": settings,
        "inputs": {role: key for role, (_, key) in provenance["inputs"].items()},
        "code": provenance["code"],
        "versions": dict(provenance["versions"]),
    }


def _unplanned(plan: Plan, provenance: dict) -> str:
    """Return 'pretrain: other code': what differs from the planned result of its name."""
    stage, name = provenance["stage"], provenance["name"]
    recorded, closest = _recorded(provenance), None
    for instance in plan.of(stage):
        if instance.name == name:
            planned = instance.parts()
            differing = [part for part in recorded if recorded[part] != planned[part]]
            if closest is None or len(differing) < len(closest):
                closest = [_difference(part, recorded[part], planned[part]) for part in differing]
    if closest is None:
        return f"{stage}: no such name is planned"
    return f"{stage}: other {', '.join(closest)}"


def _difference(part: str, recorded: dict, planned: dict) -> str:
    """Return 'settings (epochs)', 'versions (numpy)', or only the part's name."""
    if part not in ("settings", "versions"):
        return part
    names = [n for n in sorted(recorded | planned) if recorded.get(n) != planned.get(n)]
    return f"{part} ({', '.join(names)})"


def _import_one(store: Path, instance: Instance, path: Path) -> None:
    """Copy one result, judge the copy, put it in its place. Raises ResultError."""
    room = results.workplace(store, instance.stage.name) / "tmp" / "brought"
    copy = room / instance.key
    shutil.rmtree(room, ignore_errors=True)  # of an import that was killed
    copy.mkdir(parents=True)
    try:
        for file in sorted(path.iterdir()):
            shutil.copyfile(file, copy / file.name, follow_symlinks=False)
        try:
            provenance = _read(copy)
            results.verify(copy, remedy=REMEDY)
            _check(copy, provenance, instance)
        except ResultError as error:  # the user knows the original
            raise ResultError(str(error).replace(str(copy), str(path))) from None
        results.commit(copy, instance.path(store))
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _check(copy: Path, provenance: dict, instance: Instance) -> None:
    """Check what neither key nor hashes say: places of inputs, the files, the hardware."""
    where, stage = copy / PROVENANCE, instance.stage
    same_inputs = provenance["inputs"] == instance.references()
    if _recorded(provenance) != instance.parts() or not same_inputs:
        raise ResultError(f"{where}: not made of what is planned as {instance.name}; run it again.")
    present = set(provenance["outputs"])
    imported = provenance.get("imported") is True  # metrics without the rest, as published
    for name in stage.files:
        name = name.format(experiment=instance.experiment)
        if name not in present:
            raise ResultError(f"{copy / name}: missing, every {stage.name} has it; {REMEDY}.")
    if imported and not (stage.kind == "measurement" and present <= {METRICS, *SHARED_CSV}):
        raise ResultError(f"{where}: says that it was imported, but is more than metrics.")
    hardware = provenance.get("hardware")
    if not isinstance(hardware, str):
        raise ResultError(f"{where}: does not say which hardware computed it; run it again.")
    on_processor = bool(PROCESSOR.search(hardware))
    if not imported and (instance.device == "cpu") != on_processor:
        raise ResultError(
            f"{where}: computed by {hardware!r}, but device {instance.device} is planned."
        )
