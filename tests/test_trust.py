"""The page of promises: it is what its command writes, its tests exist, its figures are good."""

import ast
import copy

import pytest

from tests import bits, evidence, fuzz, mutants, trust
from tests.project import ROOT, Project


def test_the_page_is_what_the_command_writes():
    assert trust.PAGE.read_text() == trust.page(), "run `python -m tests.trust`"


@pytest.mark.parametrize("test", [t for group in trust.PROMISES.values() for t in group.values()])
def test_each_promise_has_its_test(test):
    file, name = test.split("::")
    tree = ast.parse((ROOT / "tests" / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_evidence_is_of_what_is_there():
    """The same mutants, tests and environments; enough rounds; nothing lost."""
    found = evidence.read()
    assert found["faults"]["stopped"]["kill"] >= 100 and found["faults"]["flips"] >= 200
    assert not found["faults"]["lost"]
    assert not found["fuzz"]["failed"]
    assert found["mutants"]["mutants"] == len(mutants.MUTANTS)
    assert found["mutants"]["caught"] >= 0.9 * len(mutants.MUTANTS)
    tests = {name.partition("[")[0] for name in found["fuzz"]["tests"]}
    tree = ast.parse((ROOT / "tests" / "test_fuzz.py").read_text())
    given = {n.name for n in tree.body if isinstance(n, ast.FunctionDef) and drawn(n)}
    assert tests == given and len(given) > 10
    assert min(one["tried"] for one in found["fuzz"]["tests"].values()) > fuzz.PROFILES["short"]
    for what, one in found["bits"]["environments"].items():
        variables, _, equal = bits.ENVIRONMENTS[what]
        assert one["variables"] == variables and equal == (not one["differ"])


def drawn(function: ast.FunctionDef) -> bool:
    return any(ast.unparse(one).startswith("given(") for one in function.decorator_list)


def test_what_is_lost_or_survives_shows():
    found = copy.deepcopy(evidence.read())
    found["faults"]["lost"] = ["dvc repro, kill: other bits"]
    found["mutants"]["survived"] = ["optim: a -> b"]
    found["fuzz"]["failed"] = True
    said = trust.page(found)
    assert "1 lost.\n\n* lost: dvc repro, kill: other bits\n\n|" in said
    assert "survived: `optim: a -> b`" in said and "a test failed" in said


@pytest.mark.parametrize("name, old, new, tests", mutants.MUTANTS)
def test_each_mutant_has_its_place(name, old, new, tests):
    assert (ROOT / "simclr" / f"{name}.py").read_text().count(old) == 1 and old != new
    assert (ROOT / tests).is_file()


def test_a_mutant_is_caught_and_an_equal_program_is_not(tmp_path):
    project = Project.create(tmp_path / "project")
    old = "return loss / (2 * n)"
    assert mutants.is_caught(project, "losses", old, "return loss / n", mutants.LOSS)
    assert not mutants.is_caught(project, "losses", old, "return loss / (n * 2)", mutants.LOSS)
