"""What was found, in sentences that a rule reads off the published claims; and what was not run."""

from collections import Counter
from pathlib import Path

from workflow.figures.contrasts import VERDICTS
from workflow.figures.states import DAGGER
from workflow.pages import against_compute, ledger

SHOWN = 3  # claims that a sentence names
EXPLAINED = f"{DAGGER}: some of the runs that this rests on did not learn."


def scales(root: Path) -> list[str]:
    """Return the published scales below `root` (paper_figures), the one with most compute first."""
    return list(reversed(against_compute.in_order(root)))


def sentences(root: Path) -> list[str]:
    """Return what was found at the published scales below `root`, as lines of a Markdown list."""
    names = scales(root)
    if not names:
        return ["* Nothing is published yet."]
    rows = ledger.over_scales(root, names)
    contrasts = {name: ledger.read_rows(root / name / "claims.csv") for name in names}
    counted = [f"at `{name}` {count(rows, name)}" for name in names]
    decided = [f"{corrected(contrasts[name])} at `{name}`" for name in names]
    found = [
        f"* Of the paper's {len(rows)} claims, {'; '.join(counted)}.",
        f"* Decided also after correction for their number (Holm): {', '.join(decided)}.",
        *_clearest(rows, contrasts[names[0]], names, "reproduced"),
        *_clearest(rows, contrasts[names[0]], names, "contradicted"),
    ]
    found += _over_scales(rows, names)
    return [*found, f"* {EXPLAINED}"] if DAGGER in "".join(found) else found


def corrected(contrasts: list[dict]) -> str:
    """Return how many of the tested contrasts are decided after Holm's correction."""
    tested = sum(row["verdict"] != "not tested" for row in contrasts)
    return f"{sum(map(ledger.decided_after_holm, contrasts))} of {tested} contrasts"


def count(rows: list[dict], scale: str) -> str:
    """Return how many claims have which verdict at a scale."""
    counts = Counter(row[f"{scale} verdict"] for row in rows)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])


def _clearest(rows: list, contrasts: list, names: list[str], verdict: str) -> list[str]:
    """Name claims with this verdict at the scale with most compute: those that have it at most
    scales first, then by the least p of their contrasts."""
    scale = names[0]
    of_claim = ledger.by_claim([row for row in contrasts if row["verdict"] == verdict])
    chosen = {
        row["id"]: min(of_claim[row["id"]], key=lambda contrast: float(contrast["p"] or 1))
        for row in rows
        if row[f"{scale} verdict"] == verdict
    }
    if not chosen:
        return [f"* None is {verdict} at `{scale}`."]
    same = {row["id"]: sum(row[f"{name} verdict"] == verdict for name in names) for row in rows}
    order = sorted(chosen, key=lambda name: (-same[name], float(chosen[name]["p"] or 1)))
    lines = [f"* Clearest of what is {verdict} at `{scale}`:"]
    for name in order[:SHOWN]:
        row = chosen[name]
        lines.append(f"  * {name} *{row['claim']}*: {row['contrast']}, {ledger.effect(row)}")
    return lines


def _over_scales(rows: list[dict], names: list[str]) -> list[str]:
    """Name the claims on which all scales agree, and those on which two contradict each other."""
    if len(names) < 2:
        return []
    verdicts = {row["id"]: {row[f"{name} verdict"] for name in names} for row in rows}
    groups = {
        "Reproduced at every scale": [n for n, v in verdicts.items() if v == {"reproduced"}],
        "contradicted at every scale": [n for n, v in verdicts.items() if v == {"contradicted"}],
        "reproduced at one and contradicted at another": [
            n for n, v in verdicts.items() if {"reproduced", "contradicted"} <= v
        ],
    }
    said = [f"{what}: {', '.join(ids) or 'none'}" for what, ids in groups.items()]
    return [f"* {'; '.join(said)}."]
