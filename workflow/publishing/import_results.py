"""Results from elsewhere, brought in by key: published metrics, or folders of another machine.

A result folder is accepted only if its key is in this checkout's plan, all that its provenance
says of its making gives this key, and every file is the recorded one. It is judged on a copy,
which one rename then puts in its place: a crash at any moment leaves the whole result or none.

Hashes tell of damage and mistakes. Who makes a file, its hash and its seal anew can lie about the
content: compare with the published metrics (every full run does), or compute it again.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from simclr.config import ConfigError
from simclr.store import keys, results
from simclr.store.results import PROVENANCE, ResultError
from simclr.store.runner import TRAINING, keyed_settings
from workflow.planning.planner import ALL_STAGES, MEASURES, Plan
from workflow.planning.unused import settle
from workflow.publishing.publish import DATA_CARD
from workflow.publishing.published import DRAWN, METRICS

KEY = re.compile(r"[0-9a-f]{12}")
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
    made = there = refused = 0
    others = {}  # why a result is not in the plan -> names of such
    found = result_folders(source)
    for path in found:
        try:
            provenance = _read(path)
            instance = plan.instances.get(provenance["key"])
            if instance is None:
                others.setdefault(_unplanned(plan, provenance), []).append(provenance["name"])
            elif results.is_finished(instance.path(plan.store)):
                there += 1
            else:
                _bring_one(plan.store, instance, path)
                made += 1
        except ResultError as error:
            refused += 1
            print(f"error: {error}", file=sys.stderr)
    if len(found) == sum(map(len, others.values())):
        why = max(others, key=lambda one: len(others[one]))
        raise ConfigError(
            f"{source}: none of its {len(found)} results is in the plan of scale {plan.scale} "
            f"(e.g. {others[why][0]}, {why}): name the scale that they are of, or check out the "
            "commit that computed them."
        )
    lines = [f"{made} results brought in, {there} were there already, {refused} refused."]
    if others:
        count = sum(map(len, others.values()))
        lines.append(f"{count} are not in the plan of scale {plan.scale}:")
        lines += [f"  {len(names)} {why}; {names[0]}" for why, names in sorted(others.items())]
    return "\n".join(lines), refused


def result_folders(source: Path) -> list[Path]:
    """The folders below `source` that have the name of a result. Raises ConfigError if none has."""
    if not source.is_dir():
        raise ConfigError(f"{source}: no such folder (an archive must be unpacked first).")
    if KEY.fullmatch(source.name):
        return [source]
    stages = [source / stage for stage in ALL_STAGES if (source / stage).is_dir()] or [source]
    found = [path for stage in stages for path in sorted(stage.iterdir())]
    found = [path for path in found if KEY.fullmatch(path.name)]
    if not found:
        raise ConfigError(
            f"{source}: no results in it; give a results/SCALE, or the folder of a stage of it."
        )
    return found


def _read(path: Path) -> dict:
    """The provenance of a result folder, if its key fits and it lists no file but its own.

    Nothing is read through a link, or outside of the folder. Raises ResultError.
    """
    if path.is_symlink() or not path.is_dir():
        raise ResultError(f"{path}: not a folder; {REMEDY}.")
    present = set()
    with os.scandir(path) as entries:
        for entry in entries:
            present.add(entry.name)
            if not entry.is_file(follow_symlinks=False):
                raise ResultError(f"{entry.path}: a link or no plain file; {REMEDY}.")
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
    """What made a result, by its provenance, as simclr.store.keys.made_of has it."""
    return {
        "stage": provenance["stage"],
        "settings": keyed_settings(provenance["settings"]),
        "inputs": {role: key for role, (_, key) in provenance["inputs"].items()},
        "code": provenance["code"],
        "versions": dict(provenance["versions"]),
    }


def _planned(instance) -> dict:
    """The same of a planned result, by this checkout's code and lock file."""
    inputs = {role: key for role, (_, key) in instance.inputs.items()}
    settings, modules = keyed_settings(instance.settings), tuple(instance.modules)
    return keys.made_of(instance.stage, settings, inputs, modules)


def _unplanned(plan: Plan, provenance: dict) -> str:
    """'pretrain: other code': what of this result differs from the planned one of its name."""
    stage, name = provenance["stage"], provenance["name"]
    recorded, closest = _recorded(provenance), None
    for instance in plan.of(stage):
        if instance.name == name:
            planned = _planned(instance)
            differing = [part for part in recorded if recorded[part] != planned[part]]
            if closest is None or len(differing) < len(closest):
                closest = [_said(part, recorded[part], planned[part]) for part in differing]
    if closest is None:
        return f"{stage}: no such name is planned"
    return f"{stage}: other {', '.join(closest)}"


def _said(part: str, one: dict, other: dict) -> str:
    """'settings (epochs)', 'versions (numpy)', or the part alone."""
    if part not in ("settings", "versions"):
        return part
    names = [name for name in sorted(one | other) if one.get(name) != other.get(name)]
    return f"{part} ({', '.join(names)})"


def _bring_one(store: Path, instance, path: Path) -> None:
    """Copy one result, judge the copy, put it in its place. Raises ResultError."""
    final, room = instance.path(store), store / "tmp" / "brought"
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
        results.commit(copy, final)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _check(copy: Path, provenance: dict, instance) -> None:
    """Check what neither key nor hashes say: places of inputs, the files, the hardware."""
    where = copy / PROVENANCE
    if _recorded(provenance) != _planned(instance) or provenance["inputs"] != instance.inputs:
        raise ResultError(f"{where}: not made of what is planned as {instance.name}; run it again.")
    present = set(provenance["outputs"])
    imported = provenance.get("imported") is True  # metrics without the rest, as published
    for name in _needed(instance):
        if name not in present:
            raise ResultError(f"{copy / name}: missing, every {instance.stage} has it; {REMEDY}.")
    if imported and not (instance.stage in MEASURES and present <= {METRICS, *DRAWN}):
        raise ResultError(f"{where}: says that it was imported, but is more than metrics.")
    device, hardware = instance.settings.get("device", "cpu"), provenance.get("hardware")
    if not isinstance(hardware, str):
        raise ResultError(f"{where}: does not say which hardware computed it; run it again.")
    if not imported and (device == "cpu") != bool(PROCESSOR.search(hardware)):
        raise ResultError(f"{where}: computed by {hardware!r}, but device {device} is planned.")


def _needed(instance) -> tuple[str, ...]:
    """Files without which a result of this stage is none."""
    if instance.stage == "prepare":
        return ("data.json", *DATA_CARD)
    if instance.stage == "figures":
        return (f"{instance.settings['experiment']}.svg",)
    if instance.stage in TRAINING and instance.stage not in MEASURES:
        return ("encoder.safetensors",)
    return (METRICS,)
