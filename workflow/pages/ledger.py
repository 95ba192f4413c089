"""The ledger: every claim of the paper, by what it was tested, and its verdict at each scale.

Reads the claims that stage `figures` computed per contrast (workflow/figures/contrasts.py), never a
metric. No pandas here: publishing takes a moment. Writes

    paper_figures/<scale>/claims.csv   every contrast of a scale, with p corrected by Holm's method
    paper_figures/claims.csv           every claim, with its verdict at each published scale

A claim may have several contrasts. It is reproduced if all that were tested are; contradicted if
some are and none is reproduced; else inconclusive.
"""

import csv
import io
from pathlib import Path

from simclr import files

CLAIMS = files.ROOT / "data" / "paper" / "claims.csv"
LEVEL = 0.05


def read(path: Path) -> list[dict]:
    """Return the rows of a CSV file, as text; none where it is not there."""
    if not path.is_file():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def collect(folder: Path, names: list[str]) -> list[dict]:
    """Return all contrasts of the figures `names` in `folder`, by claim, with a column p_holm.

    A claim that none of them tests has a row that says so.
    """
    found = [row for name in names for row in read(folder / f"{name}.claims.csv")]
    tested = [row for row in found if row["p"]]
    for row, p in zip(tested, holm([float(row["p"]) for row in tested]), strict=True):
        row["p_holm"] = f"{p:.4g}"
    for said in read(CLAIMS):
        if said["id"] not in {row["id"] for row in found}:
            found.append(_untested(said))
    order = ("id", "experiment", "claim", "contrast", "effect", "low", "high", "n")
    order += ("p", "p_holm", "unit", "verdict", "paper_effect", "where")
    found.sort(key=lambda row: row["id"])  # stable: contrasts keep their order
    return [{name: row.get(name, "") for name in order} for row in found]


def _untested(said: dict) -> dict:
    kept = {name: said[name] for name in ("id", "claim", "paper_effect", "where")}
    return {**kept, "contrast": "no experiment of this scale", "n": "0", "verdict": "not tested"}


def holm(values: list[float]) -> list[float]:
    """Return p corrected for their number: Holm's step-down method, in the order given."""
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, least = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = least
    return corrected


def holds(row: dict) -> bool:
    """Tell whether a contrast is decided also after the correction."""
    decided = row["verdict"] in ("reproduced", "contradicted")
    return decided and bool(row["p_holm"]) and float(row["p_holm"]) < LEVEL


def verdict(rows: list[dict]) -> str:
    """The verdict on a claim from those on its contrasts."""
    found = {row["verdict"] for row in rows} - {"not tested"}
    if not found:
        return "not tested"
    if found == {"reproduced"}:
        return "reproduced"
    decided = "contradicted" in found and "reproduced" not in found
    return "contradicted" if decided else "inconclusive"


def by_claim(rows: list[dict]) -> dict[str, list[dict]]:
    """Contrasts by the id of their claim."""
    found = {}
    for row in rows:
        found.setdefault(row["id"], []).append(row)
    return found


def over_scales(root: Path, scales: list[str]) -> list[dict]:
    """Return a row per claim of the paper: id, claim, where, paper_effect, and for each scale the
    verdict, how many of the tested contrasts are reproduced, and the first one's effect.
    """
    by_scale = {scale: by_claim(read(root / scale / "claims.csv")) for scale in scales}
    rows = []
    for said in read(CLAIMS):
        line = {name: said[name] for name in ("id", "claim", "where", "paper_effect")}
        for scale, claims in by_scale.items():
            contrasts = claims.get(said["id"], [])
            tested = [row for row in contrasts if row["verdict"] != "not tested"]
            good = sum(row["verdict"] == "reproduced" for row in tested)
            line[f"{scale} verdict"] = verdict(contrasts)
            line[f"{scale} contrasts"] = f"{good}/{len(tested)}"
            line[f"{scale} effect"] = effect(tested[0]) if tested else ""
        rows.append(line)
    return rows


def effect(row: dict) -> str:
    """'+3.2 pp [1.0, 5.4], n=3'"""
    if not row["effect"]:
        return ""
    digits = 1 if row["unit"] == "pp" else 2
    text = f"{float(row['effect']):+.{digits}f} {row['unit']}".rstrip()
    if row["low"]:
        text += f" [{float(row['low']):.{digits}f}, {float(row['high']):.{digits}f}]"
    return f"{text}, n={row['n']}"


def published(root: Path) -> list[str]:
    """The scales that have claims below `root`, the default one first, then by name."""
    found = (path.parent.name for path in root.glob("*/claims.csv"))
    return sorted(found, key=lambda name: (name != "tiny", name))


def text_of(rows: list[dict]) -> str:
    """The rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
