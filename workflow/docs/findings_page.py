"""docs/findings.md: the claims that are contradicted or open, contrast by contrast.

`python -m workflow.docs.readme` writes it. The discussion of a claim at a scale stands in
discussion.yaml, and is shown only where the claim is contradicted there.
"""

from pathlib import Path

from simclr import files
from workflow.docs import found, markdown
from workflow.figures.states import DAGGER
from workflow.pages import ledger
from workflow.planning.planner import build_plan
from workflow.planning.scale import read_yaml
from workflow.publishing import power

DISCUSSION = Path(__file__).with_name("discussion.yaml")
UNKNOWN = "not explained yet: no run here shows what it hangs on."
INTRODUCTION = """\
# Findings: what is contradicted, what is open

This page is written by `python -m workflow.docs.readme` from `paper_figures/<scale>/claims.csv`
and `workflow/docs/discussion.yaml`; a test compares them. [claims.md](claims.md) says what the
verdicts mean, and has all claims.

At scales whose encoders are trained for minutes, seeds differ by several points and some of the
paper's effects drown; the verdict then says *inconclusive*. A contradiction at such a scale says
nothing about the paper's own. The explanations are ours, as far as we see.
"""
AGAINST = ("mixed", "contradicted")  # wholly or in part
OPEN = """\
Contrasts whose interval includes zero, or the margin, the cheapest to decide first: what they
exclude, how many seeds would decide an effect of this size, and what the missing seeds cost on
one core or the scale's GPUs (`simclr power SCALE` prints the same).
"""


def page() -> str:
    """Return the page, as the claims are published now."""
    root = files.ROOT / "paper_figures"
    scales = found.scales(root)
    contrasts = {scale: ledger.read_rows(root / scale / "claims.csv") for scale in scales}
    rows = ledger.over_scales(root, scales)
    contradicted = {
        row["id"]: [scale for scale in scales if row[f"{scale} verdict"] in AGAINST] for row in rows
    }
    parts = [INTRODUCTION, "## Contradicted, wholly or in part\n"]
    parts += [
        _contradicted(row, contradicted[row["id"]], contrasts)
        for row in rows
        if contradicted[row["id"]]
    ]
    if not any(contradicted.values()):
        parts.append("No claim is contradicted at any scale.\n")
    parts += ["## Open\n", OPEN]
    for scale, its in contrasts.items():
        parts += [f"### At `{scale}`\n", _open(scale, its)]
    if DAGGER in "".join(parts):
        parts.append(f"{found.EXPLAINED}\n")
    return "\n".join(parts).replace("\n\n\n", "\n\n")


def _contradicted(row: dict, where: list[str], contrasts: dict[str, list[dict]]) -> str:
    """A claim that is contradicted, or partly so, at the scales `where`: its contrasts, and why."""
    lines = [["scale", "contrast", "effect", "verdict", "corrected (Holm)"]]
    for scale, rows in contrasts.items():
        for one in rows:
            if one["id"] == row["id"] and one["verdict"] != "not tested":
                holds = "decided" if ledger.decided_after_holm(one) else "open"
                figure = f"[`{scale}`](../paper_figures/{scale}/{one['experiment']}.png)"
                effect, verdict = ledger.effect(one), one["verdict"]
                lines.append([figure, one["contrast"], effect, verdict, holds])
    notes = read_yaml(DISCUSSION, DISCUSSION.name).get(row["id"], {})
    why = {}  # the same text for several scales stands once
    for scale in where:
        why.setdefault(notes.get(scale, UNKNOWN), []).append(f"`{scale}`")
    return "\n".join(
        [
            f"### {row['id']} {row['claim']}\n",
            f"{row['where']}. In the paper: {row['paper_effect']}.\n",
            markdown.table(lines, numbers=False),
            *(f"At {', '.join(names)}: {text}\n" for text, names in why.items()),
        ]
    )


def _open(scale: str, contrasts: list[dict]) -> str:
    """A table of the open contrasts of a scale, the cheapest to decide first."""
    lines = [["contrast", "effect", "what it excludes, and what would decide it", "cost"]]
    for row, seconds in power.still_open(build_plan(scale), contrasts):
        what = f"{row['id']}: {row['contrast']}"
        effect, said = ledger.effect(row), ledger.what_is_open(row)
        lines.append([what, effect, said, power.cost(seconds)])
    if len(lines) == 1:
        return "Nothing is open.\n"
    return markdown.table(lines, numbers=False)
