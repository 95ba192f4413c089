"""Write the table of verdicts into README.md, from the claims of the published figures.

    python -m workflow.docs.readme

rewrites what stands between `<!-- claims SCALE SCALE ... -->` and `<!-- end -->`. A test compares
the two, so no number there is typed.
"""

import re
from collections import Counter

from simclr import files
from workflow.pages import ledger

README = files.ROOT / "README.md"
SECTION = re.compile(r"(<!-- claims (?P<scales>[\w -]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return the README's text with every section of claims as it is published now."""
    return SECTION.sub(lambda found: found[1] + table(found["scales"].split()) + found[3], text)


def table(scales: list[str]) -> str:
    """Return the ledger of these scales as a Markdown table, with lines that count the verdicts."""
    root = files.ROOT / "paper_figures"
    rows = ledger.over_scales(root, scales)
    lines = [count(scale, rows, ledger.read(root / scale / "claims.csv")) for scale in scales]
    lines += ["", f"| claim | paper | {' | '.join(f'`{scale}`' for scale in scales)} |"]
    lines.append("| --- | --- |" + " --- |" * len(scales))
    for row in rows:
        cells = [f"{row['id']} {row['claim']}", row["paper_effect"]]
        cells += [_cell(row, scale) for scale in scales]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def count(scale: str, rows: list[dict], contrasts: list[dict]) -> str:
    """One line: how many claims have which verdict, and what is left after correction."""
    counts = Counter(row[f"{scale} verdict"] for row in rows)
    found = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    kept = sum(ledger.holds(row) for row in contrasts)
    tested = sum(row["verdict"] != "not tested" for row in contrasts)
    return (
        f"* Scale `{scale}`: of {len(rows)} claims {found}. Of {tested} contrasts {kept} are "
        "decided also after correction for their number."
    )


VERDICTS = ("reproduced", "inconclusive", "contradicted", "not tested")


def _cell(row: dict, scale: str) -> str:
    """'**reproduced** 2/3: +3.2 pp [1.0, 5.4], n=3'"""
    verdict = row[f"{scale} verdict"]
    if verdict == "not tested":
        return verdict
    text = f"**{verdict}**" if verdict != "inconclusive" else verdict
    return f"{text} {row[f'{scale} contrasts']}: {row[f'{scale} effect']}"


if __name__ == "__main__":
    files.write_atomic(README, filled(README.read_text()))
