"""Stage `figures`: from the metrics of an experiment's runs to its figure, numbers and verdicts.

Writes, for experiment <name>:

    <name>.svg, <name>.png   the figure, this replication beside the paper
    <name>.csv               tidy: a row per setting, seed and metric
    <name>.summary.csv       a row per setting and metric: mean, 95 % interval, n
    <name>.claims.csv        a row per contrast: effect, interval, verdict, and what the paper says
    <name>.caption.md        the caption
    <name>.curves.svg, .csv  training curves, where its runs trained something

Equal metrics give equal bytes. The experiment's module is imported by name, so that the code that
a figure depends on is its own module, not all of them.
"""

import csv
import importlib
import json
import math
from pathlib import Path

import pandas as pd

from simclr.files import ROOT
from workflow.figures import contrasts, curves, plotting

CURVES = "curves.csv"  # of each training, by epoch
REFERENCE = ROOT / "data" / "paper"


def run(settings, inputs: dict[str, Path], out: Path, checkpoint: Path, report) -> None:
    """Draw `settings.experiment` into `out`.

    settings: experiment, rows (setting, seed and labels of each run) and context (scale, title);
    inputs: "<setting>.s<seed>" -> the folder with the metrics.json of that run.
    """
    module = importlib.import_module(f"workflow.experiments.{settings.experiment}")
    wanted = (*getattr(module, "FILES", ()), CURVES)
    rows, files = [], {name: [] for name in wanted}
    for row in settings.rows:
        folder = inputs[f"{row['setting']}.s{row['seed']}"]
        metrics = json.loads((folder / "metrics.json").read_text())
        if both := set(row) & set(metrics):
            raise ValueError(f"{settings.experiment}: {min(both)} is a label and a metric.")
        rows.append({**row, **metrics})
        for name in wanted:
            if (folder / name).is_file():
                found = pd.read_csv(folder / name)
                files[name].append(found.assign(setting=row["setting"], seed=row["seed"]))
    report(0.2, "drawing")
    files = {name: pd.concat(parts) for name, parts in files.items() if parts}
    draw(settings.experiment, rows, settings.context, out, files)
    report(1.0, "drawn")


def draw(experiment: str, rows: list[dict], context: dict, out: Path, files=None) -> None:
    """Write all files of `experiment` into the folder `out`.

    rows: one per setting and seed, with labels and metrics; context: scale and title; files: name
    -> table, of those that the module lists as FILES, and of curves.csv.
    """
    module = importlib.import_module(f"workflow.experiments.{experiment}")
    table = pd.DataFrame(rows)
    paper = pd.read_csv(REFERENCE / "paper_reported.csv", dtype=str, keep_default_na=False)
    sources = [module.PAPER] if isinstance(module.PAPER, str) else module.PAPER
    paper = paper[paper["id"].isin(sources)].reset_index(drop=True)
    paper["value"] = pd.to_numeric(paper["value"])
    with plotting.style():
        more = {name: rows for name, rows in (files or {}).items() if name != CURVES}
        figure = module.draw(table, paper, more) if more else module.draw(table, paper)
        plotting.headline(figure, module.TITLE, _note(table, context))
        plotting.save(figure, out, experiment)
        if CURVES in (files or {}):
            trained = curves.draw(files[CURVES])
            plotting.headline(trained, f"{module.TITLE}: training", _note(table, context))
            trained.savefig(out / f"{experiment}.curves.svg", metadata=plotting.PLAIN)
            shown = curves.means(files[CURVES]).round(6)
            shown.to_csv(out / f"{experiment}.curves.csv", index=False, lineterminator="\n")
    labels = [name for name in module.LABELS if name in table]
    _write_values(experiment, table, labels, out / f"{experiment}.csv")
    _write_summary(experiment, table, labels, out / f"{experiment}.summary.csv")
    _write_claims(experiment, module, table, out / f"{experiment}.claims.csv")
    caption = f"{module.CAPTION} {_note(table, context)}\n"
    (out / f"{experiment}.caption.md").write_text(caption)


def _note(table: pd.DataFrame, context: dict) -> str:
    """Scale and number of seeds: nothing is shown without them."""
    n = table["seed"].nunique()
    seeds = f"n = {n} seeds, 95 % intervals" if n > 1 else "n = 1 seed, no intervals"
    return f"Scale {context['scale']}: {context['title']}. {seeds}."


def _metrics(table: pd.DataFrame, labels: list[str]) -> list[str]:
    return sorted(set(table) - {"setting", "seed", *labels})


def _write_values(experiment, table, labels, path) -> None:
    rows = [
        [experiment, row["setting"], *(row[name] for name in labels), row["seed"], metric, value]
        for row in table.to_dict("records")
        for metric in _metrics(table, labels)
        if not math.isnan(value := row[metric])
    ]
    _write(path, ["experiment", "setting", *labels, "seed", "metric", "value"], rows)


def _write_summary(experiment, table, labels, path) -> None:
    rows = []
    for setting, group in table.groupby("setting", sort=False):
        first = group.iloc[0]
        for metric in _metrics(table, labels):
            mean, low, high, n = contrasts.interval(group[metric])
            if n:
                words = [first[name] for name in labels]
                rows.append([experiment, setting, *words, metric, mean, low, high, n])
    header = ["experiment", "setting", *labels, "metric", "mean", "low", "high", "n"]
    _write(path, header, rows)


def _write_claims(experiment, module, table, path) -> None:
    with open(REFERENCE / "claims.csv", newline="") as file:
        said = {row["id"]: row for row in csv.DictReader(file)}
    found = module.claims(table)
    absent = [name for name in module.CLAIMS if name not in {claim.id for claim in found}]
    nothing = pd.Series(dtype=float)
    found += [contrasts.directional(name, "no such settings", nothing) for name in absent]
    rows = [
        [
            claim.id,
            experiment,
            said[claim.id]["claim"],
            claim.contrast,
            *(claim.effect, claim.low, claim.high, claim.n, claim.p, claim.unit, claim.verdict),
            said[claim.id]["paper_effect"],
            said[claim.id]["where"],
        ]
        for claim in sorted(found, key=lambda claim: claim.id)
    ]
    names = "id,experiment,claim,contrast,effect,low,high,n,p,unit,verdict,paper_effect,where"
    _write(path, names.split(","), rows)


def _write(path: Path, header: list[str], rows: list[list]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([_text(value) for value in row] for row in rows)


def _text(value) -> str:
    """Shortest text that reads back as the same number; nothing for nan."""
    if isinstance(value, str):
        return value
    number = float(value)
    if math.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
