"""Compare metrics side by side, by stage and name: keys change with every change of code."""

import math
from dataclasses import dataclass
from pathlib import Path

from simclr.config import ConfigError
from workflow.planning.plan import Plan
from workflow.publishing.published import (
    PUBLISHED,
    measured,
    published_file,
    published_line,
    read_lines,
)

SHOWN = 5  # of the metrics that differ


@dataclass
class Side:
    """One side of a comparison. lines: (stage, name) -> a line as it is published."""

    title: str
    lines: dict[tuple[str, str], dict]

    @property
    def hardware(self) -> str:
        """Where its results were computed."""
        return ", ".join(sorted({line["hardware"] for line in self.lines.values()}))


def side_of_plan(plan: Plan) -> Side:
    """Return the results of a plan that are there. Raises ConfigError where none is."""
    lines = [published_line(instance, plan.store) for instance in measured(plan)]
    return _side(f"{plan.store}", [line for line in lines if line is not None])


def side_of_file(path: Path) -> Side:
    """Return the results of a published file. Raises ConfigError where it is not one."""
    if not path.exists():
        raise ConfigError(f"{path}: no such file; give a scale or a file as in {PUBLISHED}.")
    return _side(str(path), read_lines(path))


def _side(title: str, lines: list[dict]) -> Side:
    if not lines:
        raise ConfigError(f"{title}: no results there; compute or import some.")
    return Side(title, {(line["stage"], line["name"]): line for line in lines})


def compare(left: Side, right: Side, shown: int = SHOWN) -> tuple[str, bool]:
    """Return (text for the user, whether all metrics that both sides have are identical)."""
    same, differing = 0, []  # differing: (size of the difference, text)
    for where in left.lines.keys() & right.lines.keys():
        ours, theirs = left.lines[where]["metrics"], right.lines[where]["metrics"]
        for metric in ours.keys() | theirs.keys():
            a, b = ours.get(metric), theirs.get(metric)
            if a == b or (a != a and b != b):  # nan is not equal to itself
                same += 1
            else:
                size = math.inf if a is None or b is None else abs(a - b)
                size = size if size == size else math.inf
                differing.append((size, f"{' '.join(where)} {metric}: {a} | {b}"))
    differing.sort(key=lambda each: (-each[0], each[1]))
    text = [f"{same} of {same + len(differing)} metrics identical: {left.title} | {right.title}."]
    if differing:
        text.append(f"{len(differing)} differ, by {differing[0][0]:.4g} at most. The largest:")
        text += [f"  {line}" for _, line in differing[:shown]]
        if left.hardware != right.hardware:
            text.append(f"Processors round differently: {left.hardware} | {right.hardware}.")
    for side, other in ((left, right), (right, left)):
        if alone := sorted(side.lines.keys() - other.lines.keys()):
            first = " ".join(alone[0])
            text.append(f"{len(alone)} results are only in {side.title}, e.g. {first}.")
    return "\n".join(text), not differing


def compare_with_published(plan: Plan) -> str:
    """Return how the results of a plan compare with those that are published."""
    path = published_file(plan.name)
    if not path.exists():
        return f"Nothing is published for scale {plan.name} yet (`simclr export` does it)."
    return compare(side_of_plan(plan), side_of_file(path))[0]
