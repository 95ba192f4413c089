"""The pages paper_figures/claims/<id>.html: a claim, and our effect at each scale.

Effects are drawn towards the paper's side, as in the figure of claims against compute.
"""

import math
from pathlib import Path

from workflow import catalog
from workflow.pages import against_compute, ledger
from workflow.pages.rendering import around, write_page
from workflow.paper import without_part

FOLDER = "claims"
WIDEST = 3  # times the largest effect: of longer intervals the ends are left out


def write(root: Path, figures: list[dict], claims: list[dict], common: dict) -> int:
    """Write a page for each claim of the paper; return how many changed.

    figures: as figure_pages.published returns them; claims: with their verdicts; common: for
    every page.
    """
    said = {row["id"]: row for row in ledger.read_rows(ledger.CLAIMS)}
    found = against_compute.by_contrast(root, common["scales"])
    tested = {
        entry["figure"].name: catalog.module(entry["figure"].name).CLAIMS for entry in figures
    }
    pages = [(f"{claim['id']}.html", claim["id"]) for claim in claims]
    changed = 0
    for number, claim in enumerate(claims):
        rows = [rows for name, rows in found.items() if name[0] == claim["id"]]
        changed += write_page(
            root / FOLDER / f"{claim['id']}.html",
            "claim.html.j2",
            **common,
            claim={**said[claim["id"]], **claim},
            contrasts=_contrasts(rows),
            figures=[one for one in figures if claim["id"] in tested[one["figure"].name]],
            **around(pages, number),
        )
    return changed


def _contrasts(groups: list[list[dict]]) -> list[dict]:
    """What the page shows of each contrast; those of one unit are drawn on one axis.

    groups: the rows of a contrast at its scales.
    """
    towards = [[against_compute.csv_row(row, True) for row in rows] for rows in groups]
    return [
        _contrast(rows, drawn, _limit(towards, rows[0]["unit"]))
        for rows, drawn in zip(groups, towards, strict=True)
    ]


def _contrast(rows: list[dict], drawn: list[dict], limit: float) -> dict:
    tick = _tick(limit)
    return {
        "words": without_part(rows[0]["contrast"]),
        "unit": rows[0]["unit"],
        "margin": drawn[0]["margin"],
        "ticks": {_place(value, limit): value for value in (-tick, 0, tick)},
        "rows": [
            {
                **row,
                "effect_text": ledger.effect(row),
                "is_decided": ledger.decided_after_holm(row),
                "change": what_would_change(row),
                "strip": _strip(values, limit),
                "spoken": _spoken(values),
            }
            for row, values in zip(rows, drawn, strict=True)
        ],
    }


def _limit(towards: list[list[dict]], unit: str) -> float:
    """Return where the axis of a unit ends, on both sides of zero."""
    rows = [row for drawn in towards for row in drawn if row["unit"] == unit]

    def largest(*names: str) -> float:
        return max((abs(float(row[n])) for row in rows for n in names if row[n]), default=0.0)

    effects = largest("towards_paper", "papers_own")
    return 1.08 * min(max(effects, largest("low", "high")), WIDEST * effects) or 1.0


def _tick(limit: float) -> float:
    """Return the largest of 1, 2, 5, 10, ... (or their tenths, ...) that is well on the axis."""
    power = 10 ** math.floor(math.log10(0.9 * limit))
    return next(step * power for step in (5, 2, 1) if step * power <= 0.9 * limit)


def _place(value: float, limit: float) -> float:
    """Return the place of a value on an axis from -limit to limit, in percent."""
    return round(50 + 50 * max(-1.0, min(1.0, value / limit)), 2)


def _strip(row: dict, limit: float) -> dict:
    """Places of the effect, of its interval and of the paper's effect; None where there is none.

    ends: whether the interval goes on beyond the axis, to the left and to the right.
    """
    names = ("towards_paper", "low", "high", "papers_own")
    numbers = {name: float(row[name]) if row[name] else None for name in names}
    ends = [value is not None and abs(value) > limit for value in (numbers["low"], numbers["high"])]
    places = {k: None if v is None else _place(v, limit) for k, v in numbers.items()}
    return {**places, "ends": ends}


def _spoken(row: dict) -> str:
    """Return what a reader hears in place of the strip."""
    digits = ledger.digits(row)

    def number(name: str) -> str:
        return f"{float(row[name]):.{digits}f}"

    text = f"scale {row['scale']}: {number('towards_paper')} {row['unit']}".rstrip()
    text += " towards the paper's side"
    if row["low"]:
        text += f", interval {number('low')} to {number('high')}"
    return text + (f"; the paper's own {number('papers_own')}" if row["papers_own"] else "")


def what_would_change(row: dict) -> str:
    """Return what would change the verdict on a contrast."""
    if row["verdict"] == "inconclusive":
        return ledger.what_is_open(row)
    digits = ledger.digits(row)
    against = float(row["against"])
    near = min(abs(float(row[end]) - against) for end in ("low", "high"))
    border = "the margin" if against else "zero"
    text = f"the interval would have to reach {border}; its nearer end is {near:.{digits}f}"
    text = f"{text} {row['unit']}".rstrip() + " away"
    if not ledger.decided_after_holm(row):
        text += "; not decided after correction for the number of contrasts"
    return text
