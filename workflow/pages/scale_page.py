"""The page paper_figures/<scale>/index.html: every figure beside the paper's, and every verdict.

One file that needs no network; figures are linked by relative path, so it works from disk and from
any host. It shows what stage `figures` wrote (CSV, captions), without pandas, so that publishing
takes a moment. Equal inputs give an equal page.
"""

from collections import Counter
from pathlib import Path

from simclr import registry
from simclr.files import read_text, write_atomic
from workflow import catalog
from workflow.pages import figure_files, ledger
from workflow.pages.ledger import read_rows
from workflow.pages.rendering import write_page
from workflow.pages.runs import RUNS


def write_index(folder: Path, scale: str, title: str, results: dict[str, int]) -> int:
    """Write index.html and claims.csv for the figures in `folder`; return how many files changed.

    scale, title: the scale's name and its description in one line; results: how many it plans, and
    how many of them are there (extent.counts).
    """
    names = figure_files.names_in(folder)
    contrasts = ledger.collect(folder, names)
    changed = write_atomic(folder / "claims.csv", ledger.text_of(contrasts))
    return changed + write_page(
        folder / "index.html",
        "scale.html.j2",
        here=scale,
        scales=ledger.published(folder.parent),
        about=title,
        results=results,
        figures=[_figure(folder, name) for name in names],
        has_runs=(folder / RUNS).is_file(),
        data=_data(folder),
        **_ledger(contrasts),
    )


def _figure(folder: Path, name: str) -> dict:
    """What the page shows of an experiment."""
    curves = f"{name}.curves.svg"
    return {
        "figure": catalog.entry(name),
        "image": figure_files.of_figure(folder, name),
        "caption": read_text(folder / f"{name}.caption.md").strip(),
        "contrasts": [_with_effect(row) for row in read_rows(folder / f"{name}.claims.csv")],
        "numbers": _numbers(read_rows(folder / f"{name}.summary.csv")),
        "curves": figure_files.image(folder, curves) if (folder / curves).is_file() else None,
    }


def _with_effect(contrast: dict) -> dict:
    return {
        **contrast,
        "effect_text": ledger.effect(contrast),
        "open_text": ledger.what_is_open(contrast),
        "not_learned_text": ledger.what_did_not_learn(contrast),
    }


def _numbers(rows: list[dict]) -> dict:
    """The table of a figure's metrics: labels by metric; rows of means by setting and metric."""
    present = {row["metric"] for row in rows}
    settings = {}
    for row in rows:
        settings.setdefault(row["setting"], {})[row["metric"]] = row
    return {
        "labels": {m.name: m.heading for m in registry.metrics() if m.name in present},
        "settings": settings,
    }


def _ledger(contrasts: list[dict]) -> dict:
    """The table of contrasts and, for the counts above it, those of claims and contrasts."""
    claims = ledger.by_claim(contrasts)
    decided = [row for row in contrasts if ledger.decided_after_holm(row)]
    counts = Counter(row["verdict"] for row in contrasts)
    tested = [row["experiment"] for row in contrasts if row["experiment"]]
    return {
        "claims": Counter(ledger.verdict(rows) for rows in claims.values()),
        "verdicts": {verdict: counts[verdict] for verdict in ledger.OF_CONTRASTS},
        "decided": Counter(row["verdict"] for row in decided),
        "tested": {name: catalog.entry(name) for name in tested},
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
        "counts": read_text(card).splitlines()[2],
        "contact_sheet": figure_files.image(folder, "contact_sheet.png"),
    }
