"""Input by the thousand, made by Hypothesis: never a hang, a wrong result, or a stack trace.

python -m tests.fuzz            # some minutes; the tests try a fiftieth of it

Runs tests/test_fuzz.py with the profile `long`, which makes fifty times as much, and counts what
each test tried and how much of it was refused. Exit status 1 where a test fails.
"""

import collections
import dataclasses
import os
import sys
import time
import typing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some

from simclr.config import ConfigError
from simclr.registry import DECLARED
from tests import evidence

SECONDS = 20  # for one input, on a busy machine
BASE = {"deadline": 1000 * SECONDS, "suppress_health_check": list(HealthCheck)}
PROFILES = {"short": 40, "long": 2000}  # inputs of a test
COUNTS = collections.defaultdict(lambda: [0, 0])  # of a test: inputs tried, refused
for _name, _inputs in PROFILES.items():
    settings.register_profile(_name, max_examples=_inputs, derandomize=True, **BASE)


def refuses(call, *given) -> bool:
    """True where the call raised a ConfigError; it must be one line. Others go through."""
    count = COUNTS[os.environ["PYTEST_CURRENT_TEST"].split("::")[1].partition(" ")[0]]
    count[0] += 1
    try:
        call(*given)
    except ConfigError as error:
        assert "\n" not in str(error)
        count[1] += 1
        return True
    return False


WORDS = sorted({name for one in DECLARED for name in one.settings.__dataclass_fields__})
SCALARS = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(),
    some.floats(),
    some.text(max_size=8),
    some.sampled_from(["crop", "lars", "nonlinear", "cifar", "nt_xent", 0.5, 1, 8, 18]),
)
TREES = some.recursive(
    SCALARS,
    lambda inner: (
        some.lists(inner, max_size=4)
        | some.dictionaries(some.sampled_from(WORDS) | some.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=12,
)


# Never a number of anything: for every setting that is a number.
WRONG = (-1, 10**10, 1e300, -1e300, float("nan"), float("inf"), "x", True, None, [], {})


def numbers(cls, path=()):
    """Yield (path of names, whether it is a list) of every number among the settings of a class."""
    for name, kind in typing.get_type_hints(cls).items():
        if dataclasses.is_dataclass(kind):
            yield from numbers(kind, (*path, name))
        elif {kind, *typing.get_args(kind)} & {int, float}:
            yield (*path, name), typing.get_origin(kind) is tuple


@some.composite
def damaged(draw, content: bytes):
    """The content with some bytes changed, cut, doubled, or put in."""
    for _ in range(draw(some.integers(1, 4))):
        place = draw(some.integers(0, max(0, len(content) - 1)))
        how = draw(some.sampled_from(["change", "cut", "drop", "insert"]))
        if how == "change":
            content = content[:place] + draw(some.binary(min_size=1, max_size=8)) + content[place:]
            content = content[: place + 1] + content[place + 2 :]
        elif how == "cut":
            content = content[:place]
        elif how == "drop":
            content = content[:place] + content[place + draw(some.integers(1, 64)) :]
        else:
            content = content[:place] + draw(some.binary(max_size=16)) + content[place:]
    return content


def main() -> int:
    arguments = evidence.parser("fuzz", __doc__.split("\n")[0]).parse_args()
    started, file = time.monotonic(), Path(__file__).with_name("test_fuzz.py")
    options = ["-o", "addopts=", "-q", "-p", "no:xdist", "--hypothesis-profile=long"]
    status = pytest.main([*options, str(file)])
    from tests.fuzz import COUNTS as counts  # pytest imported this file under its own name

    tests = {name: {"tried": t, "refused": r} for name, (t, r) in sorted(counts.items())}
    minutes = round((time.monotonic() - started) / 60, 1)
    tried = sum(one["tried"] for one in tests.values())
    found = {"minutes": minutes, "tried": tried, "tests": tests, "failed": bool(status)}
    evidence.keep(arguments.json, found)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
