"""The page of promises: it is what its command writes, its tests exist, its figures are good."""

import ast
import copy
import json
from pathlib import Path

import pytest

from tests import bits, edits, evidence, fuzz, mutants, trust
from tests.project import ROOT, Project


def test_the_page_is_what_the_command_writes():
    assert trust.PAGE.read_text() == trust.page(), "run `python -m tests.trust`"


def functions(file: Path) -> list[ast.FunctionDef]:
    return [n for n in ast.parse(file.read_text()).body if isinstance(n, ast.FunctionDef)]


def test_each_promise_has_its_test():
    named = [test for group in trust.PROMISES.values() for test in group.values()]
    files = {test.split("::")[0] for test in named}
    present = {f"{f}::{one.name}" for f in files for one in functions(ROOT / "tests" / f)}
    assert len(named) > 40 and not [test for test in named if test not in present]


def test_the_evidence_is_of_what_is_there():
    """The same mutants, tests and environments; enough rounds; nothing lost."""
    found = evidence.read()
    assert found["faults"]["stopped"]["kill"] >= 100 and found["faults"]["flips"] >= 200
    assert not found["faults"]["lost"]
    assert found["edits"]["rounds"] == len(edits.DRIVERS) * len(edits.DELAYS)
    assert not found["edits"]["wrong"]
    assert not found["fuzz"]["failed"]
    assert found["mutants"]["mutants"] == len(mutants.MUTANTS)
    assert found["mutants"]["caught"] >= 0.9 * len(mutants.MUTANTS)
    tests = {name.partition("[")[0] for name in found["fuzz"]["tests"]}
    given = {n.name for n in functions(ROOT / "tests" / "test_fuzz.py") if drawn(n)}
    assert tests == given and len(given) > 10
    assert min(one["tried"] for one in found["fuzz"]["tests"].values()) > fuzz.PROFILES["short"]
    for what, one in found["bits"]["environments"].items():
        variables, _, equal = bits.ENVIRONMENTS[what]
        assert one["variables"] == variables and equal == (not one["differ"])


def test_what_is_found_in_parts_adds_up(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["tests/faults.py", "--seed", "2", "--json", "x"])
    file = tmp_path / "faults.json"
    evidence.keep(file, {"tried": 2, "minutes": 0.1, "lost": ["a"], "counts": {"kill": 1}})
    more = {"tried": 3, "minutes": 0.2, "lost": [], "counts": {"kill": 1, "int": 4}}
    evidence.keep(file, more, add=True)
    found = json.loads(file.read_text())
    assert found["command"] == "; ".join(2 * ["python -m tests.faults --seed 2"])
    assert found.items() >= {"tried": 5, "minutes": 0.3, "lost": ["a"]}.items()
    assert found["counts"] == {"kill": 2, "int": 4}


def drawn(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(one).startswith("given(") for one in function.decorator_list)


def test_what_is_lost_or_survives_shows():
    found = copy.deepcopy(evidence.read())
    found["edits"]["wrong"] = ["run, training, 0.2 s: evaluate/0/metrics.json"]
    found["faults"]["lost"] = ["dvc repro, kill: other bits"]
    found["mutants"]["survived"] = ["optim: a -> b"]
    found["fuzz"]["failed"] = True
    said = trust.page(found)
    assert "1 lost.\n\n* lost: dvc repro, kill: other bits\n\n|" in said
    assert "1 wrong values.\n\n* wrong: run, training, 0.2 s" in said
    assert "survived: `optim: a -> b`" in said and "a test failed" in said


def test_every_mutant_applies():
    assert len(mutants.MUTANTS) > 40
    found = [said for entry in mutants.MUTANTS if (said := mutants.problem(ROOT, *entry))]
    assert not found, "\n".join(["mend the list in tests/mutants.py:", *found])


def test_a_mutant_that_does_not_apply_is_named(tmp_path):
    (tmp_path / "simclr").mkdir()
    (tmp_path / "simclr" / "one.py").write_text("x = (\n    1 +\n    2)\ny = 1\nz = 1\n")
    tests = __file__
    assert mutants.problem(tmp_path, "one", "1 + 2", "1 - 2", tests) is None  # laid out otherwise
    for entry, said in (
        (("two", "1 + 2", "3", tests), "no file simclr/two.py"),
        (("one", "2 + 1", "3", tests), "'2 + 1' stands there 0 times"),
        (("one", "= 1", "= 2", tests), "'= 1' stands there 2 times"),
        (("one", "1 + 2", "1 +", tests), "'1 +' is no Python there"),
        (("one", "1 + 2", "(1 + 2)", tests), "'(1 + 2)' changes nothing"),
        (("one", "1 + 2", "3", "tests/none.py"), "no file tests/none.py"),
    ):
        assert said in mutants.problem(tmp_path, *entry)


@pytest.mark.slow
def test_a_mutant_is_caught_and_an_equal_program_is_not(tmp_path):
    project = Project.create(tmp_path / "project")
    name, old, new, tests = next(one for one in mutants.MUTANTS if one[3] == mutants.LOSS)
    assert mutants.is_caught(project, name, old, new, tests)
    assert not mutants.is_caught(project, name, old, f"({old}) + 0", tests)
