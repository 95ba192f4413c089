"""Write docs/benchmarks.md from the JSON files of the benchmarks; a test compares the two.

make benchmarks        # all those that need no GPU, then this page (about half an hour)
python -m benchmarks.report
"""

import importlib
import json
import statistics
from pathlib import Path

from benchmarks import measure
from workflow.docs.markdown import table

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
ORDER = (
    "views",
    "pretrain",
    "step",
    "instructions",
    "epoch",
    "evaluate",
    "loss",
    "memory",
    "loader",
)
INTRODUCTION = """\
# Benchmarks

What is compared takes turns in one run, so that a busy machine slows all alike. Rates are medians
over n turns; "ours is 2x" is the median of the ratios of neighbouring turns.
This page is written by `python -m benchmarks.report` from `benchmarks/results/*.json`, which
`make benchmarks` writes.
"""


def page(results: Path = HERE / "results") -> str:
    """Return the page as the result files have it now."""
    sections = [INTRODUCTION]
    for name in ORDER:
        files = sorted(results.glob(f"{name}*.json"))
        if files:
            sections.append(_title(name))
        for path in files:
            found = json.loads(path.read_text(encoding="utf-8"))
            sections.append(f"`{found['command']}`: {measure.header(found)}, {found['date']}.\n")
            for what, case in found["cases"].items():
                sections.append({"loss": _loss, "memory": _memory}.get(name, _rates)(what, case))
    return "\n".join(sections)


def _title(name: str) -> str:
    """The benchmark's own description, but for its usage."""
    about = importlib.import_module(f"benchmarks.{name}").__doc__
    first, usage, *rest = about.strip().split("\n\n")
    assert usage.startswith("    python -m"), name
    return "\n\n".join([f"## {first}", *rest]) + "\n"


def _rates(what: str, case: dict) -> str:
    shares = case.get("share_of_peak", {})
    head = ["", f"{case['unit']}, median", "least", "most", f"{case['ours']} is"]
    lines = [[*head, "of the matrix product's rate"] if shares else head]
    for name, *rates, times in measure.rows(case):
        own = "" if name == case["ours"] else f"{times:.2f}x"
        cells = [name, *(f"{rate:,.4g}" if rate < 1000 else f"{rate:,.0f}" for rate in rates), own]
        lines.append([*cells, f"{shares[name]:.0%}"] if shares else cells)
    return f"{what}:\n\n{table(lines)}"


def _loss(what: str, case: dict) -> str:
    kinds = list(dict.fromkeys(row["kind"] for row in case["rows"]))
    cells = {(row["kind"], row["images"]): row for row in case["rows"]}
    lines = [["images", *(f"{kind}, {unit}" for unit in ("s", "MiB") for kind in kinds)]]
    for images in dict.fromkeys(row["images"] for row in case["rows"]):
        found = [cells.get((kind, images)) for kind in kinds]
        seconds = [f"{statistics.median(one['seconds']):.3g}" if one else "" for one in found]
        lines.append(
            [f"{images:,}", *seconds, *(f"{one['mib']:,.0f}" if one else "" for one in found)]
        )
    return f"{what}:\n\n{table(lines)}"


def _memory(what: str, case: dict) -> str:
    lines = [["images in a batch", "kept, MiB", "recomputed, MiB"]]
    for images, peaks in case["mib"].items():
        lines.append([f"{int(images):,}", *(f"{one:,.0f}" if one else "no room" for one in peaks)])
    return f"{what}, {case['way']}:\n\n{table(lines)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
