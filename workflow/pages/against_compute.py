"""Claims against compute: which claims show at which cost, in one figure over all scales.

    paper_figures/contrasts.csv        a row for each contrast and scale: the effect towards the
                                       paper's side, and the paper's own where it has numbers
    paper_figures/claims.svg, .png     the claims, each by one contrast

An effect towards the paper's side is positive where it agrees with the paper. Of a claim that
something hardly matters, it is the margin minus the effect.
"""

import hashlib
import importlib.metadata
import math
import tempfile
from pathlib import Path

from simclr.code import ROOT, source
from simclr.files import copy_atomic, csv_text, read_json, read_text, write_atomic
from workflow import catalog, paper
from workflow.pages import extent, ledger

CSV, FIGURE = "contrasts.csv", "claims"
CODE = ("pages/against_compute.py", "pages/extent.py", "figures/forest.py", "figures/plotting.py")
TITLE = "Which claims of the paper show at which cost"
NOTE = (
    "Of each claim the effect in one contrast, to the right where it agrees with the paper, with "
    "its 95 % interval over seeds. Percentage points of accuracy; (×100): hundredths of a "
    "correlation or silhouette; (=): claims that something hardly matters, by its margin less the "
    "effect. Decided: also after correction for the number of contrasts."
)
TOPICS = {  # heading -> experiments
    "Augmentation": ("fig5", "fig6", "table1"),
    "Encoder and projection head": ("fig7", "fig8", "table3", "figb3", "figb4"),
    "Details": ("variants",),
    "Loss, batch size, length": ("table4", "table5", "fig9", "figb2"),
    "Few labels, transfer, supervised": ("table7", "table8", "tableb3", "figb5"),
    "CIFAR-10": ("figb8",),
}
POINTS = ("pp", "%")  # units that are points already; others are hundredths of one


def write(root: Path) -> int:
    """Write figure and CSV for the scales below `root`; return how many files changed.

    The figure is drawn only where its numbers or its code have changed: publishing takes a moment.
    """
    scales = costs(root)
    rows = contrasts(root, list(scales))
    if not rows:
        return 0
    text = csv_text(rows[0], [row.values() for row in rows])
    changed = write_atomic(root / CSV, text)
    legend = [f"{name}: {cost}" for name, cost in scales.items()]
    svg, png = (root / f"{FIGURE}.{kind}" for kind in ("svg", "png"))
    stamp = f"<!-- drawn from {_stamp(text, *legend)} -->\n"
    if svg.is_file() and png.is_file() and read_text(svg).endswith(stamp):
        return changed
    from workflow.figures import forest, plotting

    with tempfile.TemporaryDirectory() as name, plotting.style():
        figure = forest.draw(_topics(rows, list(scales)), legend, TITLE, NOTE)
        plotting.save(figure, Path(name), FIGURE)
        changed += copy_atomic(Path(name, png.name), png)
        return changed + write_atomic(svg, read_text(Path(name, svg.name)) + stamp)


def _stamp(*numbers: str) -> str:
    """Return the SHA-256 of all that the figure is made of."""
    read = [ledger.CLAIMS, *(ROOT / "workflow" / name for name in CODE)]
    parts = [*numbers, importlib.metadata.version("matplotlib")]
    parts += [source(file).decode() for file in read]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def costs(root: Path) -> dict[str, str]:
    """Return {scale: "2.3 core-hours, in part"}, as published, from little compute to much."""
    found = {}
    for scale in ledger.published(root):
        summary = root / scale / "metrics.json"
        found[scale] = read_json(summary) if summary.is_file() else {}
    ordered = sorted(found, key=lambda scale: extent.by_cost(found[scale].get("hours", {})))
    return {scale: extent.cost(found[scale]) for scale in ordered}


def contrasts(root: Path, scales: list[str]) -> list[dict]:
    """Return the rows of the CSV, by claim and contrast.

    A claim is shown by the contrast that most scales have, the first of those.
    """
    found, shown = by_contrast(root, scales), {}
    for name in sorted(found, key=lambda name: -len(found[name])):
        shown.setdefault(name[0], name)
    return [
        csv_row(row, name == shown[name[0]])
        for name in sorted(found, key=lambda name: name[0])
        for row in found[name]
    ]


def by_contrast(root: Path, scales: list[str]) -> dict[tuple, list[dict]]:
    """Return {the same contrast: its row of claims.csv at each scale that has an effect}."""
    found = {}
    for scale in scales:
        rows = ledger.read_rows(root / scale / "claims.csv")
        names = paper.same_contrasts([(row["id"], row["contrast"]) for row in rows])
        for name, row in zip(names, rows, strict=True):
            if row["effect"] and row.get("side"):  # not of a figure drawn before there was one
                found.setdefault(name, []).append({"scale": scale, **row})
    return found


def csv_row(row: dict, shown: bool) -> dict:
    """Return the row of the CSV of a row of `by_contrast`."""
    side, against = int(row["side"]), float(row["against"])

    def towards(name: str) -> str:
        return f"{side * (float(row[name]) - against):.6g}" if row[name] else ""

    return {
        **{name: row[name] for name in ("id", "contrast", "scale")},
        "towards_paper": towards("effect"),
        "low": towards("low" if side > 0 else "high"),
        "high": towards("high" if side > 0 else "low"),
        "papers_own": towards("paper"),
        **{name: row[name] for name in ("unit", "n", "verdict")},
        "decided": "yes" if ledger.decided_after_holm(row) else "no",
        "shown": "yes" if shown else "no",
        "margin": row["against"] if against else "",
    }


def _topics(rows: list[dict], scales: list[str]) -> dict[str, list]:
    """Return {heading: rows of the figure}; all claims of the paper, tested or not."""
    from workflow.figures.forest import Row

    tested, topics = ledger.by_claim(rows), {}
    claims = {claim["id"]: claim["claim"] for claim in ledger.read_rows(ledger.CLAIMS)}
    for topic, experiments in TOPICS.items():
        for name in sorted(name for one in experiments for name in catalog.module(one).CLAIMS):
            found = tested.get(name, [])
            shown = [row for row in found if row["shown"] == "yes"]
            others = [_point(row, scales) for row in found if row["shown"] == "no"]
            words, papers = claims[name], math.nan
            if shown:
                words += " (=)" if shown[0]["margin"] else ""
                words += " (×100)" if shown[0]["unit"] not in POINTS else ""
                papers = _points(shown[0], "papers_own")
            points = [_point(row, scales) for row in shown]
            row = Row(name, words, points, others, papers)
            topics.setdefault(topic, []).append(row)
    return topics


def _point(row: dict, scales: list[str]):
    from workflow.figures.forest import Point

    values = (_points(row, name) for name in ("towards_paper", "low", "high"))
    return Point(scales.index(row["scale"]), *values, row["decided"] == "yes")


def _points(row: dict, name: str) -> float:
    """Return a value in points; nan where there is none."""
    if not row[name]:
        return math.nan
    return float(row[name]) * (1 if row["unit"] in POINTS else 100)
