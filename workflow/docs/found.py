"""What was found, in sentences that a rule reads off the published claims; and what was not run."""

from collections import Counter
from pathlib import Path

from workflow.figures.states import DAGGER
from workflow.pages import against_compute, ledger

SHOWN = 3  # claims that a sentence names
EXPLAINED = f"{DAGGER}: some of the runs that this rests on did not learn."


def scales(root: Path) -> list[str]:
    """Return the published scales below `root` (paper_figures), the one with most compute first."""
    return list(reversed(against_compute.costs(root)))


def sentences(root: Path) -> list[str]:
    """Return what was found at the published scales below `root`, as lines of a Markdown list."""
    names = scales(root)
    if not names:
        return ["* Nothing is published yet."]
    rows = ledger.over_scales(root, names)
    contrasts = {name: ledger.read_rows(root / name / "claims.csv") for name in names}
    counted = [f"at `{name}` {count(rows, name)}" for name in names]
    decided = [f"{corrected(contrasts[name])} at `{name}`" for name in names]
    largest = _largest(rows, names)
    found = [
        f"* Of the paper's {len(rows)} claims, {'; '.join(counted)}.",
        f"* Decided also after correction for their number (Holm): {', '.join(decided)}.",
        *_clearest(rows, contrasts[largest], names, largest, "reproduced"),
        *_clearest(rows, contrasts[largest], names, largest, "contradicted"),
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
    return ", ".join(
        f"{counts[verdict]} {verdict}" for verdict in ledger.VERDICTS if counts[verdict]
    )


def _largest(rows: list[dict], names: list[str]) -> str:
    """Return the scale with most compute that tests most of the claims: one that is computed in
    part would speak for all with the few that it has."""
    tested = {name: sum(row[f"{name} verdict"] != "not tested" for row in rows) for name in names}
    return next((name for name in names if 2 * tested[name] > len(rows)), names[0])


def _clearest(
    rows: list[dict], contrasts: list[dict], names: list[str], scale: str, verdict: str
) -> list[str]:
    """Name claims with this verdict at a scale: those that have it at most scales first, then by
    the least p of their contrasts there."""
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
    """Name the claims on which all scales that test them agree, two or more, and those on which
    two contradict each other."""
    if len(names) < 2:
        return []
    every, opposed = {"reproduced": [], "contradicted": []}, []
    for row in rows:
        verdicts = [row[f"{name} verdict"] for name in names]
        verdicts = [verdict for verdict in verdicts if verdict != "not tested"]
        if set(verdicts) >= set(every):
            opposed.append(row["id"])
        elif len(verdicts) > 1 and len(set(verdicts)) == 1 and verdicts[0] in every:
            every[verdicts[0]].append(row["id"])
    where = "at every scale that tests it"
    groups = {
        f"Reproduced {where}": every["reproduced"],
        f"contradicted {where}": every["contradicted"],
        "reproduced at one and contradicted at another": opposed,
    }
    said = [f"{what}: {', '.join(ids) or 'none'}" for what, ids in groups.items()]
    return [f"* {'; '.join(said)}."]
