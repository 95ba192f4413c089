"""Write docs/benchmarks.md from the JSON files of the benchmarks; a test compares the two.

make benchmarks        # all those that need no GPU, then this page (seventeen minutes)
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
over n turns; "ours is 2x" is the median of the ratios of neighbouring turns. What was measured at
several times of a day counts together; "between times" is the least and the most of those times'
own medians.
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
            sections.append(f"`{found['command']}`: {measure.header(found)}{_when(found)}.\n")
            for what in found["cases"]:
                cases = [one["cases"][what] for one in measure.times(found)]
                sections.append({"loss": _loss, "memory": _memory}.get(name, _rates)(what, cases))
    return "\n".join(sections)


def _when(found: dict) -> str:
    """The date, and the hours where there are several."""
    times = measure.times(found)
    if len(times) == 1:
        return f", {found['date']}"
    hours = ", ".join(f"{one['date']} {one['time']}" for one in times)
    return f" at each of {len(times)} times, {hours}"


def _title(name: str) -> str:
    """The benchmark's own description, but for its usage."""
    about = importlib.import_module(f"benchmarks.{name}").__doc__
    first, usage, *rest = about.strip().split("\n\n")
    assert usage.startswith("    python -m"), name
    return "\n\n".join([f"## {first}", *rest]) + "\n"


def _rates(what: str, cases: list[dict]) -> str:
    """cases: one for each time."""
    case = _together(cases)
    shares, several = case.get("share_of_peak", {}), len(cases) > 1
    head = ["", f"{case['unit']}, median", "least", "most", f"{case['ours']} is"]
    head += ["between times"] * several + ["of the matrix product's rate"] * bool(shares)
    lines = [head]
    each = zip(*([ratio for *_, ratio in measure.rows(one)] for one in cases), strict=True)
    for (name, *rates, ratio), ratios in zip(measure.rows(case), each, strict=True):
        other = name != case["ours"]
        cells = [name, *(f"{rate:,.4g}" if rate < 1000 else f"{rate:,.0f}" for rate in rates)]
        cells.append(f"{ratio:.2f}x" if other else "")
        if several:
            cells.append(f"{min(ratios):.2f}x to {max(ratios):.2f}x" if other else "")
        if shares:
            cells.append(f"{shares[name]:.0%}")
        lines.append(cells)
    return f"{what}:\n\n{table(lines)}"


def _together(cases: list[dict]) -> dict:
    """The turns of all times as those of one; a share is the median of theirs."""
    made = {**cases[-1]}
    made["seconds"] = {
        name: [one for case in cases for one in case["seconds"][name]] for name in made["seconds"]
    }
    if "share_of_peak" in made:
        made["share_of_peak"] = {
            name: statistics.median(case["share_of_peak"][name] for case in cases)
            for name in made["share_of_peak"]
        }
    return made


def _loss(what: str, cases: list[dict]) -> str:
    """cases: one for each time."""
    rows = [row for case in cases for row in case["rows"]]
    kinds, sizes = (list(dict.fromkeys(row[by] for row in rows)) for by in ("kind", "images"))
    lines = [["images", *(f"{kind}, {unit}" for unit in ("s", "MiB") for kind in kinds)]]
    for images in sizes:
        found = [[r for r in rows if (r["kind"], r["images"]) == (k, images)] for k in kinds]
        peaks = [f"{max(row['mib'] for row in of):,.0f}" if of else "" for of in found]
        lines.append([f"{images:,}", *(_seconds(of) for of in found), *peaks])
    off = {k: [row["off"] for row in rows if row["kind"] == k and "off" in row] for k in kinds}
    peers = [f"{kind} {max(most):.0e}" for kind, most in off.items() if most]
    end = f"\nValue and gradients differ from ours, of the largest, by: {', '.join(peers)}.\n"
    return f"{what}:\n\n{table(lines)}" + (end if peers else "")


def _seconds(rows: list[dict]) -> str:
    """The median, and the least and the most of the medians of several times."""
    if not rows:
        return ""
    median = statistics.median(second for row in rows for second in row["seconds"])
    each = [statistics.median(row["seconds"]) for row in rows]
    between = f" ({min(each):.3g} to {max(each):.3g})" if len(each) > 1 else ""
    return f"{median:.3g}{between}"


def _memory(what: str, cases: list[dict]) -> str:
    """cases: of which the last counts; it is counted, or the same at all times."""
    case = cases[-1]
    lines = [["images in a batch", "kept, MiB", "recomputed, MiB"]]
    for images, peaks in case["mib"].items():
        lines.append([f"{int(images):,}", *(f"{one:,.0f}" if one else "no room" for one in peaks)])
    return f"{what}, {case['way']}:\n\n{table(lines)}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
