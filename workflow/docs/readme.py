"""Write the table of verdicts into README.md, from the claims of the published figures.

    python -m workflow.docs.readme

rewrites what stands between `<!-- claims SCALE SCALE ... -->` and `<!-- end -->`. A test compares
the two, so no number there is typed.
"""

import re
from collections import Counter

from simclr import files
from workflow.docs import markdown
from workflow.pages import ledger
from workflow.pages.ledger import read_rows

README = files.ROOT / "README.md"
SECTION = re.compile(r"(<!-- claims (?P<scales>[\w -]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
VERDICTS = ("reproduced", "inconclusive", "contradicted", "not tested")


def filled(text: str) -> str:
    """Return the README's text with every section of claims as it is published now."""
    return SECTION.sub(lambda match: match[1] + table(match["scales"].split()) + match[3], text)


def table(scales: list[str]) -> str:
    """Return a line for each scale that counts its verdicts, and the ledger as a Markdown table."""
    root = files.ROOT / "paper_figures"
    rows = ledger.over_scales(root, scales)
    counts = [_count(scale, rows, read_rows(root / scale / "claims.csv")) for scale in scales]
    lines = [["claim", "paper", *(f"`{scale}`" for scale in scales)]]
    for row in rows:
        cells = [f"{row['id']} {row['claim']}", row["paper_effect"]]
        cells += [_cell(row, scale) for scale in scales]
        lines.append([cell.replace("|", "/") for cell in cells])
    return "\n".join(counts) + "\n\n" + markdown.table(lines, numbers=False)


def _count(scale: str, rows: list[dict], contrasts: list[dict]) -> str:
    """How many claims have which verdict, and how many contrasts are decided after correction."""
    counts = Counter(row[f"{scale} verdict"] for row in rows)
    verdicts = ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])
    decided = sum(ledger.decided_after_holm(row) for row in contrasts)
    tested = sum(row["verdict"] != "not tested" for row in contrasts)
    return (
        f"* Scale `{scale}`: of {len(rows)} claims {verdicts}. Of {tested} contrasts {decided} are "
        "decided also after correction for their number."
    )


def _cell(row: dict, scale: str) -> str:
    """The verdict on a claim at a scale, as '**reproduced** 2/3: +3.2 pp [1.0, 5.4], n=3'."""
    verdict = row[f"{scale} verdict"]
    if verdict == "not tested":
        return verdict
    text = f"**{verdict}**" if verdict != "inconclusive" else verdict
    return f"{text} {row[f'{scale} contrasts']}: {row[f'{scale} effect']}"


if __name__ == "__main__":
    files.write_atomic(README, filled(files.read_text(README)))
