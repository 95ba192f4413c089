"""Write the opening figure and the table of verdicts into README.md, as they are published.

    python -m workflow.docs.readme

rewrites what stands between `<!-- compute -->`, or `<!-- claims SCALE SCALE ... -->`, and
`<!-- end -->`. A test compares the two, so no number there is typed.
"""

import re
from collections import Counter

from simclr import files
from workflow.docs import markdown
from workflow.pages import against_compute, hours, ledger
from workflow.pages.ledger import read_rows

README = files.ROOT / "README.md"
OPENING = re.compile(r"(<!-- compute -->\n).*?(<!-- end -->)", re.DOTALL)
SECTION = re.compile(r"(<!-- claims (?P<scales>[\w -]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
VERDICTS = ("reproduced", "inconclusive", "contradicted", "not tested")


def filled(text: str) -> str:
    """Return the README's text with its figure and every section of claims as published now."""
    text = OPENING.sub(lambda match: match[1] + opening() + match[2], text)
    return SECTION.sub(lambda match: match[1] + table(match["scales"].split()) + match[3], text)


def opening() -> str:
    """Return the figure of claims against compute, with the cost and verdicts of each scale."""
    root = files.ROOT / "paper_figures"
    scales = against_compute.in_order(root)
    rows = ledger.over_scales(root, list(scales))
    costs = []
    for scale, took in scales.items():
        counts = Counter(row[f"{scale} verdict"] for row in rows)
        held, not_held = counts["reproduced"], counts["contradicted"]
        costs.append(f"`{scale}` ({hours.text(took)}): {held} reproduced, {not_held} contradicted")
    return (
        f"![The effect in each of {len(rows)} claims of the paper, with its interval, at scales "
        f"{', '.join(scales)}](paper_figures/{against_compute.FIGURE}.png)\n\n"
        f"{against_compute.TITLE}. Of {len(rows)} claims, at {'; '.join(costs)}. "
        f"([Numbers](paper_figures/{against_compute.CSV}))\n"
    )


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
