"""requirements.lock has all that pyproject.toml asks for, with hashes, for every Python allowed."""

import itertools
import re
import tomllib

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
PYTHONS = ("3.11", "3.13")  # the oldest and the newest that are tried
# name, version, marker or "", the lines of hashes
LOCKED = re.findall(
    r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]+))?((?: \\\n {4}--hash=sha256:[0-9a-f]{64})+)",
    (ROOT / "requirements.lock").read_text(),
    re.MULTILINE,
)


def test_each_library_that_the_project_names_is_locked():
    for wanted, python in itertools.product(map(Requirement, WANTED), PYTHONS):
        here = {"python_version": python, "python_full_version": f"{python}.0"}
        versions = [
            version
            for name, version, marker, _ in LOCKED
            if canonicalize_name(name) == canonicalize_name(wanted.name)
            and (not marker or Marker(marker).evaluate(here))
        ]
        locked = len(versions) == 1 and wanted.specifier.contains(versions[0])
        assert locked, f"{wanted}, Python {python}: {versions} locked; run `make lock`"


def test_nothing_else_stands_in_the_lock():
    """Every line belongs to a library with its hashes: no other source, no option."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert len(lines) == sum(1 + hashes.count("--hash=") for *_, hashes in LOCKED)
