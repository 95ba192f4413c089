"""From keyed results to stable names: paper_figures/, the published metrics, DVC's record.

Figures are drawn under their key and published by copying, so a reverted change re-publishes what
was drawn before. A full publication compares its metrics with the published ones and, where this
is a DVC repository, records the results (after verifying every byte).
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from simclr import results
from simclr.config import ConfigError
from workflow.plan import ALL_STAGES, LISTS, UNUSED, Plan, settle, write_plan
from workflow.session import default_scale
from workflow.summary import FILES as SUMMARY

PUBLISHED = Path("data/published")
METRICS = "metrics.json"
# What figures show beside metrics, published with them.
KINDS = ("curves", "points", "spectrum", "histograms", "examples", "neighbours")
DRAWN = tuple(f"{name}.csv" for name in KINDS)
DATA_CARD = ("data_card.md", "contact_sheet.png")
# Files that DVC writes in place, and what it says where one was cut.
WRITTEN_IN_PLACE = {".dvc/tmp/rwlock": "RWLock-file", "dvc.lock": "dvc.lock'"}


def publish(plan: Plan, experiments: list[str] | None = None) -> None:
    """Copy finished figures to paper_figures/<scale>; all of them (then also compare and record)
    or the named `experiments` alone. Raises ResultError where a figure is not there or damaged.
    """
    folder = Path("paper_figures") / plan.scale
    wanted = [plan.figure(name) for name in experiments] if experiments else plan.of("figures")
    changed = 0
    for instance in wanted:
        source = instance.path(plan.store)
        for name in results.verify(source)["outputs"]:
            changed += results.copy_atomic(source / name, folder / name)
    for instance in (i for i in plan.of("prepare") if i.name == "data"):  # the scale's own set
        source = instance.path(plan.store)
        if results.is_finished(source):  # imported metrics come without it: then the card stays
            results.verify(source, DATA_CARD)  # not the images, of which there may be many
            changed += sum(results.copy_atomic(source / name, folder / name) for name in DATA_CARD)
    if experiments is None:
        changed += _remove_others(plan, folder)
    write_pages(plan)
    what = "figure or table" if len(wanted) == 1 else "figures and tables"
    print(f"{folder}/index.html: {len(wanted)} {what}, {changed} files changed.")
    if experiments is None:
        print(compare_metrics(plan))
        record(plan)


def write_pages(plan: Plan) -> None:
    """Write the pages that browse the published figures of the scale, and of all scales."""
    from workflow import gallery, overview, runs, summary

    folder = Path("paper_figures") / plan.scale
    runs.write_runs(plan, read_published(plan.scale), folder)
    gallery.write_index(folder, plan.scale, plan.settings.title)
    summary.write_summary(folder)
    overview.write_overview(folder.parent)


def _remove_others(plan: Plan, folder: Path) -> int:
    """Delete what belongs to experiments that the scale no longer has; returns how many files."""
    keep = {"index.html", "runs.html", "claims.csv", *SUMMARY, *DATA_CARD}
    for instance in plan.of("figures"):
        keep |= set(results.read_provenance(instance.path(plan.store))["outputs"])
    others = [path for path in folder.iterdir() if path.name not in keep and path.is_file()]
    for path in others:
        path.unlink()
    return len(others)


def measured(plan: Plan) -> list:
    """The instances whose result is a metrics file, sorted by name."""
    return sorted(plan.of(*LISTS["evaluate"]), key=lambda i: (i.name, i.stage))


def _line(instance, store: Path) -> dict | None:
    """What is published of one result, None where it is not there."""
    path = instance.path(store)
    if not results.is_finished(path):
        return None
    provenance = results.verify(path)
    return {
        "name": instance.name,
        "stage": instance.stage,
        "key": instance.key,
        "metrics": json.loads((path / METRICS).read_text()),
        **_drawn(path),
        **_durations(instance, provenance, store),
        "outputs": provenance["outputs"],
        "hardware": provenance["hardware"],
        "versions": provenance["versions"],
        "code": provenance["code"],
    }


def _durations(instance, provenance: dict, store: Path) -> dict:
    """What the result took, in seconds, and the training of the encoder that it looked at."""
    found = {"seconds": provenance["seconds"]} if "seconds" in provenance else {}
    if "encoder" in instance.inputs:
        stage, key = instance.inputs["encoder"]
        path = results.folder(store, stage, key)
        if results.is_finished(path):
            seconds = results.read_provenance(path).get("seconds")
            found["training"] = {"key": key, "seconds": seconds}
    return found


def _drawn(path: Path) -> dict:
    files = {name: (path / name).read_text() for name in DRAWN if (path / name).is_file()}
    return {"files": files} if files else {}


def export_metrics(plan: Plan) -> str:
    """Write data/published/<scale>.jsonl from the results; returns a line for the user."""
    lines = [_line(instance, plan.store) for instance in measured(plan)]
    if None in lines:
        raise ConfigError(
            f"{lines.count(None)} of {len(lines)} results are not computed yet: "
            f"run `snakemake --cores all --config scale={plan.scale}` first."
        )
    before = read_published(plan.scale)
    for line in lines:  # of an imported result, or without its encoder: what was published stays
        known = before.get(line["key"], {})
        line.update({k: known[k] for k in ("seconds", "training") if k in known and k not in line})
    text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
    results.write_atomic(PUBLISHED / f"{plan.scale}.jsonl", text)
    if (Path("paper_figures") / plan.scale).is_dir():
        write_pages(plan)
    return f"{PUBLISHED / plan.scale}.jsonl: {len(lines)} results."


def read_published(scale: str) -> dict[str, dict]:
    """Return {key: published line} of a scale; empty where nothing is published."""
    path = PUBLISHED / f"{scale}.jsonl"
    if not path.is_file():
        return {}
    found = {}
    for number, text in enumerate(path.read_bytes().splitlines(), 1):
        try:
            line = json.loads(text)
            found[line["key"]] = line
            if not isinstance(line["metrics"], dict):
                raise ValueError("metrics")
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path}:{number}: not a published result; restore it.") from None
    return found


def compare_metrics(plan: Plan) -> str:
    """Say how many metrics of this scale are identical to the published ones, and which are not."""
    published = read_published(plan.scale)
    if not published:
        return f"Nothing is published for scale {plan.scale} yet (`simclr export` does it)."
    same, different, absent, largest = 0, [], 0, (0.0, "")
    for instance in measured(plan):
        line = _line(instance, plan.store)
        other = published.get(instance.key)
        if line is None or other is None:
            absent += line is not None
            continue
        for name in sorted(set(line["metrics"]) | set(other["metrics"])):
            ours, theirs = line["metrics"].get(name), other["metrics"].get(name)
            if ours == theirs:
                same += 1
                continue
            different.append(f"{instance.name} {name}: {ours} (published: {theirs})")
            if ours is not None and theirs is not None:
                largest = max(largest, (abs(ours - theirs), f"{instance.name} {name}"))
    lines = [f"{same} of {same + len(different)} metrics identical to the published ones."]
    if different:
        lines.append(f"Largest difference {largest[0]:.4g} ({largest[1]}). The first that differ:")
        lines += [f"  {text}" for text in different[:5]]
        theirs = next(iter(published.values()))["hardware"]
        lines.append(f"Other processors round differently; the published ones ran on: {theirs}.")
    if absent:
        lines.append(f"{absent} results have no published counterpart (settings or code differ).")
    return "\n".join(lines)


def verify(plan: Plan, stages=ALL_STAGES) -> list:
    """Check every output of the finished results, name each damaged one; returns those."""
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
    unused = [path for path in (plan.store / UNUSED).glob("*/*")]
    for path in unused:
        shutil.rmtree(path)
    for path in (plan.store / "checkpoints").glob("*"):
        if path.name.split(".")[0] not in plan.instances:
            path.unlink()
    return f"{len(unused)} results removed, {len(plan.instances)} are in the plan."


def record(plan: Plan) -> None:
    """Tell DVC that its stages are up to date, as far as it does not know (`dvc commit`).

    Never within `dvc repro` (which records by itself), never a part of the results as the whole
    (who has the metrics alone would record that there are no encoders), and only after every byte
    has been verified; a damaged one raises ResultError and nothing is recorded.
    """
    if "DVC_STAGE" in os.environ or not Path(".dvc").is_dir():
        return
    if plan.scale != default_scale():
        print(f"Not recorded for DVC, whose scale is that of params.yaml: {default_scale()}.")
        return
    write_plan(plan)
    note = plan.store / "recorded"
    if note.is_file() and note.read_text() == _signature(plan):
        return
    absent = []
    for instance in plan.of(*ALL_STAGES):
        path = instance.path(plan.store)
        if path.exists():
            results.verify(path)
        else:
            absent.append(instance.stage)
    if absent:
        print(
            f"Not recorded for DVC, since {len(absent)} results are not here "
            f"({', '.join(dict.fromkeys(absent))}): `dvc pull` brings what was pushed."
        )
        return
    command = [sys.executable, "-m", "dvc", "commit", "--force"]
    done = subprocess.run(command, capture_output=True, text=True)
    for file, complaint in WRITTEN_IN_PLACE.items():
        if done.returncode and complaint in done.stderr:  # cut, if DVC was stopped while it wrote
            Path(file).unlink(missing_ok=True)
            done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        results.write_atomic(note, _signature(plan))
        print("Recorded for DVC in dvc.lock; `dvc push` shares the results.")
    else:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"DVC did not record the results ({reason}); `dvc commit -f` does it.")


def _signature(plan: Plan) -> str:
    """A hash over all that dvc.yaml names; of results the provenance, which has their hashes."""
    files = [Path(name) for name in ("dvc.yaml", "dvc.lock", "params.yaml", "requirements.lock")]
    folders = ("simclr", "workflow", "data/paper", plan.store / "plan")
    for folder in (*map(Path, folders), Path("paper_figures") / plan.scale):
        files += [f for f in sorted(folder.rglob("*")) if "__pycache__" not in f.parts]
    files += [i.path(plan.store) / results.PROVENANCE for i in plan.of(*ALL_STAGES)]
    parts = [f"{file} {results.sha256(file)}\n" for file in files if file.is_file()]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
