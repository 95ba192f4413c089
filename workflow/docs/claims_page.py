"""docs/claims.md, the ledger: every claim of the paper with its verdict at each published scale.

`python -m workflow.docs.readme` writes it.
"""

from simclr import files
from workflow.docs import found, markdown
from workflow.figures.states import DAGGER
from workflow.pages import ledger

INTRODUCTION = f"""\
# The ledger: every claim of the paper

This page is written by `python -m workflow.docs.readme` from `paper_figures/<scale>/claims.csv`;
a test compares the two.

A claim is tested by contrasts. A contrast is computed within every seed, then averaged; its
interval is Student's t over seeds, at 95 %; it is *reproduced* or *contradicted* where the
interval excludes zero on one side or the other, otherwise *inconclusive*. Of a claim that
something hardly matters, the interval lies below a margin, or above it.

{ledger.RULE}

A cell has the verdict, with a link to the figure that it rests on, how many of the claim's
contrasts are reproduced, and the first one's effect, in percentage points unless said otherwise,
with its interval over n seeds; the paper trains one network for each number.
[findings.md](findings.md) has all contrasts of what is contradicted or open, and what would
decide it. The pages (`paper_figures/index.html`) let you sort and filter.
"""


def page() -> str:
    """Return the page, as the claims are published now."""
    root = files.ROOT / "paper_figures"
    scales = found.scales(root)
    rows = ledger.over_scales(root, scales)
    contrasts = {scale: ledger.read_rows(root / scale / "claims.csv") for scale in scales}
    experiments = {
        (scale, row["id"]): row["experiment"] for scale in scales for row in contrasts[scale]
    }
    counts = [
        f"* Scale `{scale}`: {found.count(rows, scale)}; {found.corrected(contrasts[scale])} are "
        "decided also after Holm's correction for their number.\n"
        for scale in scales
    ]
    lines = [["claim", "where", "in the paper", *(f"`{scale}`" for scale in scales)]]
    for row in rows:
        cells = [_cell(row, scale, experiments.get((scale, row["id"]))) for scale in scales]
        lines.append([f"{row['id']} {row['claim']}", row["where"], row["paper_effect"], *cells])
    table = markdown.table(lines, numbers=False)
    notes = [f"{found.EXPLAINED}\n"] if DAGGER in table else []
    return "\n".join([INTRODUCTION, "".join(counts), table, *notes])


def _cell(row: dict, scale: str, experiment: str | None) -> str:
    """The verdict on a claim at a scale, as '[**reproduced**](figure) 2/3: +3.2 pp [1.0, 5.4]'."""
    verdict = row[f"{scale} verdict"]
    if verdict == "not tested":
        return verdict
    text = f"**{verdict}**" if verdict != "inconclusive" else verdict
    figure = f"paper_figures/{scale}/{experiment}.png"
    if (files.ROOT / figure).is_file():
        text = f"[{text}](../{figure})"
    return f"{text} {row[f'{scale} contrasts']}: {row[f'{scale} effect']}"
