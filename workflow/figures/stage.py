"""Stage `figures`: from the metrics of an experiment's runs to its figure, numbers and verdicts.

Writes, for experiment <name>:

    <name>.svg, <name>.png   the figure, this replication beside the paper
    <name>.csv               tidy: a row per setting, seed and metric; whether the run learned
    <name>.summary.csv       a row per setting and metric: mean, 95 % interval, n, how many of these
                             runs did not learn (states.py)
    <name>.claims.csv        a row per contrast: effect, interval, verdict, and what the paper says
    <name>.caption.md        the caption
    <name>.curves.svg, .csv  training curves, where its runs trained something

Equal metrics give equal bytes. The experiment's module is imported by name, so that the code that
a figure depends on is its own module, not all of them.
"""

import importlib
import math
from pathlib import Path

import pandas as pd

from simclr.config import ConfigError
from simclr.files import read_json, write_atomic, write_csv
from simclr.registry import metrics as declared_metrics
from workflow import paper
from workflow.figures import contrasts, curves, plotting, states

CURVES = "curves.csv"  # of each training, by epoch
ENCODER_CURVES = "curves.csv of the encoder"  # where the run itself is no evaluation


def run(settings, inputs: dict[str, Path], out: Path, checkpoint: Path, report) -> None:
    """Draw `settings.experiment` into `out`.

    settings: experiment, rows (setting, seed and labels of each run), context (scale, title) and
    paper, the SHA-256 of its numbers; inputs: "<setting>.s<seed>" -> the folder with the
    metrics.json of that run; "<setting>.s<seed>.encoder" -> the evaluation of the encoder that it
    started from. A run without a folder is missing: its row has no metric, and the figure says how
    many are.
    """
    if settings.paper != paper.sha256():
        raise ConfigError(f"{paper.FOLDER}: changed since this figure was planned; run again.")
    experiment = settings.experiment
    module = importlib.import_module(f"workflow.experiments.{experiment}")
    rows, tables = [], {name: [] for name in _files_of(module)}
    for labels in settings.rows:
        role = f"{labels['setting']}.s{labels['seed']}"
        folder = inputs.get(role)
        metrics = read_json(folder / "metrics.json") if folder else {}
        if both := set(labels) & set(metrics):
            raise ValueError(f"{experiment}: {min(both)} is a label and a metric; rename it.")
        rows.append({**labels, **metrics})
        files = {name: folder / name for name in tables if folder and name != ENCODER_CURVES}
        if f"{role}.encoder" in inputs:
            files[ENCODER_CURVES] = inputs[f"{role}.encoder"] / CURVES
        for name, file in files.items():
            if file.is_file():
                part = pd.read_csv(file, dtype={"pixels": str})  # may be digits only
                tables[name].append(part.assign(setting=labels["setting"], seed=labels["seed"]))
    report(0.2, "drawing")
    files = {name: pd.concat(parts) for name, parts in tables.items() if parts}
    draw(experiment, rows, settings.context, out, files)
    report(1.0, "drawn")


def draw(experiment: str, rows: list[dict], context: dict, out: Path, files=None) -> None:
    """Write all files of `experiment` into the folder `out`.

    rows: one per setting and seed, with labels and metrics; context: scale and title, and chances;
    files: name -> table, of those that the module lists as FILES, and of curves.csv, as far as runs
    have them.
    """
    files = dict(files or {})
    curve_rows, of_encoders = files.pop(CURVES, None), files.pop(ENCODER_CURVES, None)
    module = importlib.import_module(f"workflow.experiments.{experiment}")
    table, absent = _table(rows, module.LABELS)
    missing, seeds = sum(absent), table["seed"].nunique()
    whole = seeds - table["seed"][absent].nunique()
    in_part = f" (in part: {whole} of {seeds} seeds)" if missing else ""
    chances, known = context.get("chances", {}), {}
    for rows_of in (curve_rows, of_encoders):
        known |= {} if rows_of is None else states.by_run(rows_of, chances)
    if known:
        runs = zip(table["setting"], table["seed"], strict=True)
        table = table.assign(state=[known.get(run, "") for run in runs])
    arguments = [table, reported(module.PAPER)]
    if hasattr(module, "FILES"):
        arguments.append(files)
    title, note = f"{module.NUMBER}: {module.TITLE}", _note(table, context, missing)
    with plotting.style(seeds if missing else 0):
        figure = module.draw(*arguments)
        plotting.headline(figure, title, note)
        plotting.save(figure, out, experiment)
        if curve_rows is not None:
            figure = curves.draw(curve_rows, known)
            plotting.headline(figure, f"{title}: training", note)
            plotting.save(figure, out, f"{experiment}.curves", png=False)
            means = curves.means(curve_rows).round(6)
            means.to_csv(out / f"{experiment}.curves.csv", index=False, lineterminator="\n")
    labels = [name for name in module.LABELS if name in table]
    metrics = sorted(set(table) - {"setting", "seed", "state", *labels})
    contents = {
        "csv": _values(experiment, table, labels, metrics),
        "summary.csv": _summary(experiment, table, labels, metrics),
        "claims.csv": _claims(
            experiment, module, _judged(table, absent, metrics), arguments[1], in_part
        ),
    }
    for suffix, (header, *rows) in contents.items():
        cells = [[_text(value) for value in row] for row in rows]
        write_csv(out / f"{experiment}.{suffix}", header, cells)
    write_atomic(out / f"{experiment}.caption.md", f"{module.CAPTION} {note}\n")


def _files_of(module) -> tuple[str, ...]:
    return (*getattr(module, "FILES", ()), CURVES, ENCODER_CURVES)


def reported(ids: str | tuple[str, ...]) -> pd.DataFrame:
    """Return the numbers that the paper reports under these ids."""
    table = pd.DataFrame(paper.rows("paper_reported.csv"))
    table = table[table["id"].isin([ids] if isinstance(ids, str) else ids)].reset_index(drop=True)
    return table.assign(value=pd.to_numeric(table["value"]))


def _table(rows: list[dict], labels: tuple[str, ...]) -> tuple[pd.DataFrame, list[bool]]:
    """Return the rows as a table, and for each whether it has no metric: its run is missing.

    If some have none, all metrics are columns: those of a stage whose runs are all missing too.
    """
    table = pd.DataFrame(rows)
    absent = [row.keys() <= {"setting", "seed", *labels} for row in rows]
    if any(absent):
        names = [metric.name for metric in declared_metrics() if metric.name not in table]
        table = table.assign(**dict.fromkeys(names, math.nan))
    return table, absent


def _judged(table: pd.DataFrame, absent: list[bool], metrics: list[str]) -> pd.DataFrame:
    """Return the rows of the seeds of which all runs are there: contrasts compare within a seed.

    Where there is no such seed: all rows without metrics, so that no contrast is tested.
    """
    partial = table["seed"].isin(table["seed"][absent])
    if partial.all():
        return table.assign(**dict.fromkeys(metrics, math.nan))
    return table[~partial]


def _note(table: pd.DataFrame, context: dict, missing: int) -> str:
    """Scale, number of seeds, and runs that are missing: nothing is shown without them."""
    n = table["seed"].nunique()
    seeds = f"n = {n} seeds, 95 % intervals" if n > 1 else "n = 1 seed, no intervals"
    if missing:
        seeds += f", in part: {missing} of {len(table)} runs are missing"
    note = f"Scale {context['scale']}: {context['title']}. {seeds}.\n{states.footnote(table)}"
    return note.strip()


def _values(experiment, table, labels, metrics) -> list[list]:
    header = ["experiment", "setting", *labels, "seed", "metric", "value", "state"]
    rows = [
        [
            *(experiment, row["setting"], *(row[name] for name in labels), row["seed"]),
            *(metric, value, row.get("state", "")),
        ]
        for row in table.to_dict("records")
        for metric in metrics
        if not math.isnan(value := row[metric])
    ]
    return [header, *rows]


def _summary(experiment, table, labels, metrics) -> list[list]:
    columns = ("metric", "mean", "low", "high", "n", states.NOT_LEARNED)
    rows = [["experiment", "setting", *labels, *columns]]
    for setting, group in table.groupby("setting", sort=False):
        label_values = [group[name].iloc[0] for name in labels]
        for metric in metrics:
            mean, low, high, n = contrasts.interval(group[metric])
            if n:
                values = [mean, low, high, n, contrasts.not_learned(group)]
                rows.append([experiment, setting, *label_values, metric, *values])
    return rows


def _claims(experiment, module, table, paper_numbers, in_part: str) -> list[list]:
    claimed = {row["id"]: row for row in paper.rows("claims.csv")}
    tested = module.claims(table) if module.CLAIMS else []
    of_paper = paper_effects(module, paper_numbers)
    absent = [name for name in module.CLAIMS if name not in {claim.id for claim in tested}]
    uses = contrasts.uses_not_learned(module.claims, table) if module.CLAIMS else {}
    tested += [contrasts.directional(name, "no such settings", contrasts.EMPTY) for name in absent]
    header = (
        "id,experiment,claim,contrast,effect,low,high,n,p,unit,verdict,needed,side,against,"
        "paper,not_learned,paper_effect,where"
    )
    tested.sort(key=lambda claim: claim.id)
    rows = [
        [
            claim.id,
            experiment,
            claimed[claim.id]["claim"],
            f"{claim.contrast}{in_part}",
            *claim[2:],  # effect to against
            of_paper.get(same, math.nan),
            uses.get(claim[:2], ""),
            claimed[claim.id]["paper_effect"],
            claimed[claim.id]["where"],
        ]
        for claim, same in zip(tested, _same(tested), strict=True)
    ]
    return [header.split(","), *rows]


def paper_effects(module, numbers: pd.DataFrame) -> dict[tuple, float]:
    """Return the effect of each contrast that the paper's numbers have, by paper.same_contrasts."""
    if not hasattr(module, "of_paper"):
        return {}
    table = module.of_paper(numbers).reset_index(drop=True)
    judged = module.claims(pd.DataFrame({"setting": table.index, "seed": 0}).assign(**table))
    return {same: claim.effect for claim, same in zip(judged, _same(judged), strict=True)}


def _same(claims: list[contrasts.Claim]) -> list[tuple]:
    return paper.same_contrasts([(claim.id, claim.contrast) for claim in claims])


def _text(value) -> str:
    """Return the shortest text that reads back as the same number; "" for nan."""
    if isinstance(value, str):
        return value
    number = float(value)
    if math.isnan(number):
        return ""
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
