"""The ledger: every claim of the paper, by what it was tested, and its verdict at each scale.

Stage `figures` tests the claims, one contrast at a time (workflow/figures/contrasts.py); the ledger
collects its verdicts and reads no metric. It is without pandas, so that publishing takes a moment.

    paper_figures/<scale>/claims.csv   every contrast of a scale, with p corrected by Holm's method
    paper_figures/claims.csv           every claim, with its verdict at each published scale
"""

import math
from pathlib import Path

from simclr import files
from simclr.files import csv_text, read_csv
from workflow.figures.states import DAGGER

CLAIMS = files.ROOT / "data" / "paper" / "claims.csv"
LEVEL = 0.05
OF_CONTRASTS = ("reproduced", "contradicted", "inconclusive", "not tested")
VERDICTS = ("reproduced", "mixed", "contradicted", "inconclusive", "not tested")  # on a claim
RULE = """\
A claim is reproduced if all its contrasts are, contradicted if some are and none is reproduced,
mixed if some are reproduced and some contradicted, else inconclusive."""
COLUMNS = (
    *("id", "experiment", "claim", "contrast", "effect", "low", "high", "n"),
    *("p", "p_holm", "unit", "verdict", "needed", "side", "against", "paper"),
    *("not_learned", "paper_effect", "where"),
)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a published CSV file; one that is not there has no rows."""
    return read_csv(path) if path.is_file() else []


def collect(folder: Path, names: list[str]) -> list[dict]:
    """Return all contrasts of the figures `names` in `folder`, by claim, with a column p_holm.

    A claim that no figure tests has one row, with the verdict `not tested`.
    """
    rows = [row for name in names for row in read_rows(folder / f"{name}.claims.csv")]
    with_p = [row for row in rows if row["p"]]
    corrected = holm([float(row["p"]) for row in with_p])
    for row, p in zip(with_p, corrected, strict=True):
        row["p_holm"] = f"{p:.4g}"
    tested = {row["id"] for row in rows}
    rows += [_untested(claim) for claim in read_rows(CLAIMS) if claim["id"] not in tested]
    rows.sort(key=lambda row: row["id"])  # stable: contrasts keep their order
    return [{name: row.get(name, "") for name in COLUMNS} for row in rows]


def _untested(claim: dict) -> dict:
    row = {name: claim[name] for name in ("id", "claim", "paper_effect", "where")}
    return {**row, "contrast": "no published figure tests it", "n": "0", "verdict": "not tested"}


def holm(values: list[float]) -> list[float]:
    """Return p values corrected for their number by Holm's step-down method, in the given order."""
    ascending = sorted(range(len(values)), key=values.__getitem__)
    corrected, largest = [0.0] * len(values), 0.0
    for rank, index in enumerate(ascending):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = largest
    return corrected


def decided_after_holm(row: dict) -> bool:
    """Tell whether a contrast is decided also after the correction."""
    decided = row["verdict"] in ("reproduced", "contradicted")
    return decided and bool(row["p_holm"]) and float(row["p_holm"]) < LEVEL


def verdict(rows: list[dict]) -> str:
    """Return the verdict on a claim from those on its tested contrasts, by RULE."""
    verdicts = {row["verdict"] for row in rows} - {"not tested"}
    if not verdicts:
        return "not tested"
    if verdicts == {"reproduced"}:
        return "reproduced"
    if "contradicted" in verdicts:
        return "mixed" if "reproduced" in verdicts else "contradicted"
    return "inconclusive"


def by_claim(rows: list[dict]) -> dict[str, list[dict]]:
    """Return contrasts by the id of their claim."""
    claims = {}
    for row in rows:
        claims.setdefault(row["id"], []).append(row)
    return claims


def over_scales(root: Path, scales: list[str]) -> list[dict]:
    """Return a row per claim of the paper: id, claim, where, paper_effect, and for each scale the
    verdict, how many of the tested contrasts are reproduced, and the first one's effect.
    """
    by_scale = {scale: by_claim(read_rows(root / scale / "claims.csv")) for scale in scales}
    rows = []
    for claim in read_rows(CLAIMS):
        row = {name: claim[name] for name in ("id", "claim", "where", "paper_effect")}
        for scale, contrasts_of in by_scale.items():
            contrasts = contrasts_of.get(claim["id"], [])
            tested = [one for one in contrasts if one["verdict"] != "not tested"]
            reproduced = sum(one["verdict"] == "reproduced" for one in tested)
            row[f"{scale} verdict"] = verdict(contrasts)
            row[f"{scale} contrasts"] = f"{reproduced}/{len(tested)}"
            row[f"{scale} effect"] = effect(tested[0]) if tested else ""
        rows.append(row)
    return rows


def digits(row: dict) -> int:
    """Return how many digits behind the point a contrast's numbers are shown with."""
    return 1 if row["unit"] == "pp" else 2


def effect(row: dict) -> str:
    """Return a contrast's effect as '+3.2 pp [1.0, 5.4], n=3', or nothing where it has none.

    A dagger follows where it rests on runs that did not learn (workflow/figures/states.py).
    """
    if not row["effect"]:
        return ""
    places = digits(row)
    text = f"{float(row['effect']):+.{places}f} {row['unit']}".rstrip()
    if row["low"]:
        text += f" [{float(row['low']):.{places}f}, {float(row['high']):.{places}f}]"
    return f"{text}, n={row['n']}" + (f" {DAGGER}" if row.get("not_learned") else "")


def what_did_not_learn(row: dict) -> str:
    """Return that a contrast rests on runs that did not learn, or nothing where all did."""
    count = row.get("not_learned")  # drawn before it was counted: none
    return f"{count} runs did not learn {DAGGER}" if count else ""


def what_is_open(row: dict) -> str:
    """Return what an inconclusive contrast excludes, and how many seeds would decide it."""
    if row["verdict"] != "inconclusive":
        return ""
    if not row["low"]:
        return "one seed excludes nothing"
    beyond = max(abs(float(row[end])) for end in ("low", "high"))
    text = f"no effect beyond ±{beyond:.{digits(row)}f} {row['unit']}".rstrip()
    if not row.get("needed"):  # drawn before it was computed
        return text
    seeds = float(row["needed"])
    number = f"{seeds:.0f}" if seeds < math.inf else "more than 1,000"
    return f"{text}; {number} seeds would decide it"


def published(root: Path, *scales: str) -> list[str]:
    """Return `scales` and those that have claims below `root`: `tiny` first, then by name."""
    with_claims = {path.parent.name for path in root.glob("*/claims.csv")}
    return sorted(with_claims.union(scales), key=lambda scale: (scale != "tiny", scale))


def text_of(rows: list[dict]) -> str:
    """Return rows of the ledger as CSV."""
    return csv_text(rows[0], [row.values() for row in rows])
