"""The page paper_figures/<scale>/index.html: every figure beside the paper's, and every verdict.

One file that needs no network; figures are linked by relative path, so it works from disk and from
any host. It shows what stage `figures` wrote (CSV, captions), without pandas, so that publishing
takes a moment. Equal inputs give an equal page.
"""

from collections import Counter
from pathlib import Path

from simclr import registry
from simclr.files import write_atomic
from workflow.pages import ledger, published_figures
from workflow.pages.csv_files import read_rows
from workflow.pages.rendering import write_page
from workflow.pages.runs import RUNS


def write_index(folder: Path, scale: str, title: str) -> int:
    """Write index.html and claims.csv for the figures in `folder`; return how many files changed.

    scale, title: the scale's name and its description in one line.
    """
    names = published_figures.names_in(folder)
    contrasts = ledger.collect(folder, names)
    changed = write_atomic(folder / "claims.csv", ledger.text_of(contrasts))
    return changed + write_page(
        folder / "index.html",
        "scale.html.j2",
        links=published_figures.top_bar(folder.parent, scale),
        scale=scale,
        description=title,
        figures=[_figure(folder, name) for name in names],
        has_runs=(folder / RUNS).is_file(),
        data=_data(folder),
        **_ledger(contrasts),
    )


def _figure(folder: Path, name: str) -> dict:
    """What the page shows of an experiment."""
    curves = f"{name}.curves.svg"
    return {
        "figure": published_figures.figure(name),
        "image": published_figures.image(folder, f"{name}.svg"),
        "caption": (folder / f"{name}.caption.md").read_text().strip(),
        "contrasts": [_with_effect(row) for row in read_rows(folder / f"{name}.claims.csv")],
        "numbers": _numbers(read_rows(folder / f"{name}.summary.csv")),
        "curves": published_figures.image(folder, curves) if (folder / curves).is_file() else None,
    }


def _with_effect(contrast: dict) -> dict:
    return {**contrast, "effect_text": ledger.effect(contrast)}


def _numbers(rows: list[dict]) -> dict:
    """The table of a figure's metrics: a row per setting, with mean and 95 % interval.

    A metric that a setting lacks is None there.
    """
    present = {row["metric"] for row in rows}
    metrics = [metric for metric in registry.metrics() if metric.name in present]
    settings = {}
    for row in rows:
        settings.setdefault(row["setting"], {})[row["metric"]] = row
    return {
        "labels": [metric.heading for metric in metrics],
        "rows": [
            {
                "setting": setting,
                "cells": [_cell(means.get(metric.name)) for metric in metrics],
                "n": next(iter(means.values()))["n"],
            }
            for setting, means in settings.items()
        ],
    }


def _cell(row: dict | None) -> dict | None:
    """A metric's mean with half its interval, as '71.3 ± 0.4', and the number to sort by."""
    if row is None:
        return None
    digits = 2 if abs(float(row["mean"])) < 2 else 1
    text = f"{float(row['mean']):.{digits}f}"
    if row["low"]:
        text += f" ± {(float(row['high']) - float(row['low'])) / 2:.{digits}f}"
    return {"text": text, "value": row["mean"]}


def _ledger(contrasts: list[dict]) -> dict:
    """The table of contrasts and, for the counts above it, those of claims and contrasts."""
    claims = ledger.by_claim(contrasts)
    decided = [row for row in contrasts if ledger.decided_after_holm(row)]
    tested = [row["experiment"] for row in contrasts if row["experiment"]]
    return {
        "claims": Counter(ledger.verdict(rows) for rows in claims.values()),
        "verdicts": Counter(row["verdict"] for row in contrasts),
        "decided": Counter(row["verdict"] for row in decided),
        "tested": {name: published_figures.figure(name) for name in tested},
        "contrasts": [
            {
                **_with_effect(row),
                "is_first": row is claims[row["id"]][0],
                "is_decided": ledger.decided_after_holm(row),
            }
            for row in contrasts
        ],
    }


def _data(folder: Path) -> dict | None:
    """The number of images and the contact sheet, where the data card is published."""
    card = folder / "data_card.md"
    if not card.is_file():
        return None
    return {
        "counts": card.read_text().splitlines()[2],
        "contact_sheet": published_figures.image(folder, "contact_sheet.png"),
    }
