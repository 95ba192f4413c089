"""Write the tables of verdicts into README.md, from the claims of the published figures.

    python -m workflow.readme

rewrites what stands between `<!-- claims SCALE -->` and `<!-- end -->`. A test compares the two, so
no number there is typed.
"""

import csv
import re

from simclr import keys, results

README = keys.ROOT / "README.md"
SECTION = re.compile(r"(<!-- claims (?P<scale>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return the README's text with every section of claims as it is published now."""
    return SECTION.sub(lambda found: found[1] + table(found["scale"]) + found[3], text)


def table(scale: str) -> str:
    """Return the claims of a scale as a Markdown table, with a line that counts the verdicts."""
    path = keys.ROOT / "paper_figures" / scale / "claims.csv"
    with open(path, newline="") as file:
        claims = list(csv.DictReader(file))
    verdicts = [claim["verdict"] for claim in claims]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in sorted(set(verdicts), key=_rank))
    lines = [
        f"Scale `{scale}`: {counts}.",
        "",
        "| claim | contrast | here, 95 % interval | n | paper | verdict |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for claim in claims:
        cells = (
            f"{claim['id']} {claim['claim']}",
            claim["contrast"],
            _interval(claim),
            claim["n"],
            claim["paper_effect"],
            claim["verdict"],
        )
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _rank(verdict: str) -> int:
    known = ("reproduced", "inconclusive", "contradicted")
    return known.index(verdict) if verdict in known else len(known)


def _interval(claim: dict) -> str:
    numbers = [claim[name] for name in ("effect", "low", "high")]
    if not numbers[0]:
        return ""
    effect, *ends = [f"{float(value):+.1f}" if value else "?" for value in numbers]
    return f"{effect} [{', '.join(ends)}]"


if __name__ == "__main__":
    results.write_atomic(README, filled(README.read_text()))
