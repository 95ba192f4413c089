"""What is imported is what is hashed, whatever is edited when, and from below the project only."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import ROOT

COPIED = ("__init__", "code", "config", "determinism", "files", "store/__init__", "store/keys")
# What a process does: T is the project, `code()` the fingerprint, `value()` what the code computes.
BEGIN = """
import pathlib, sys
T = pathlib.Path.cwd()
def code():
    from simclr.store import keys
    return keys.fingerprint(("simclr.a",))
def value():
    from simclr import a
    return a.value()
def edit(old, new, name="simclr/b.py"):
    text = (T / name).read_text()
    assert old in text
    (T / name).write_text(text.replace(old, new))
"""


@pytest.fixture
def project(tmp_path) -> Path:
    """A small project: `a` imports `b` when it is called, which has the value."""
    return small(tmp_path / "project")


def small(folder: Path, value: int = 1) -> Path:
    for name in COPIED:
        (folder / "simclr" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "simclr" / f"{name}.py", folder / "simclr" / f"{name}.py")
    (folder / "workflow").mkdir()
    shutil.copyfile(ROOT / "workflow" / "__init__.py", folder / "workflow" / "__init__.py")
    (folder / "simclr/a.py").write_text(
        "def value():\n    from simclr.b import value\n    return value\n"
    )
    (folder / "simclr/b.py").write_text(f"value = {value}\n")
    return folder


def run(project: Path, script: str, status: int = 0, **variables) -> str:
    """What a process prints; where it fails, the last line of what it says."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-c", f"{BEGIN}\n{script}"],
        cwd=project,
        env={**kept, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return done.stdout if status == 0 else done.stderr.strip().splitlines()[-1]


def test_an_edit_is_in_the_code_and_in_the_value_or_in_neither(project):
    before = run(project, "print(code(), value())")
    hashed_first = "one = code(); edit('1', '2'); print(one, value())"
    assert run(project, hashed_first) == before
    after = run(project, "print(code(), value())")
    assert after.endswith(" 2\n") and after != before
    imported_first = "import simclr.b; edit('2', '1'); print(code(), value())"
    assert run(project, imported_first) == after
    assert run(project, "print(code(), value())") == before
    to_and_fro = "edit('1', '2'); one = code(); edit('2', '1'); print(one, value())"
    assert run(project, to_and_fro) == after
    assert run(project, "print(code(), value())") == before


def test_no_compiled_file_is_trusted(project):
    """An edit that leaves length and date as they were."""
    date = (1e9, 1e9)
    os.utime(project / "simclr/b.py", date)
    assert run(project, "print(value())") == "1\n"
    (project / "simclr/b.py").write_text("value = 2\n")
    os.utime(project / "simclr/b.py", date)
    assert run(project, "print(value())") == "2\n"
    assert not list((project / "simclr").rglob("b.*.pyc"))


def test_what_is_loaded_before_the_finder_is_compared(project):
    """Python itself takes the .pyc of the package's `__init__`."""
    file, date = project / "simclr/__init__.py", (1e9, 1e9)
    file.write_text(file.read_text() + "x = 1\n")
    os.utime(file, date)
    run(project, "import simclr")
    file.write_text(file.read_text().replace("x = 1", "x = 2"))
    os.utime(file, date)
    said = run(project, "import simclr", status=1)
    assert said.startswith(f"ImportError: {file}: it is simclr, but not as it stands below")
    shutil.rmtree(project / "simclr" / "__pycache__")
    run(project, "import simclr; assert simclr.x == 2")


def test_a_module_that_was_not_there_is_not_found_later(project):
    """Else it would be imported, and stand in no key."""
    script = "\n".join(
        [
            "(T / 'simclr/a.py').write_text('from simclr import late')",
            "code()",
            "(T / 'simclr/late.py').write_text('')",
            "import simclr.a",
        ]
    )
    assert "cannot import name 'late'" in run(project, script, status=1)


@pytest.mark.parametrize("first", ["import simclr", "import workflow"])
def test_another_copy_on_the_path_is_not_taken(project, tmp_path, first):
    other = small(tmp_path / "other", value=7)
    script = f"{first}\nsys.path.insert(0, {str(other)!r})\nprint(value())"
    assert run(project, script) == "1\n"
    assert run(project, script, PYTHONPATH=str(other)) == "1\n"
    shutil.rmtree(project / "simclr")  # its workflow, and the other's simclr
    said = run(project, "import workflow", status=1, PYTHONPATH=str(other))
    assert f"it is workflow, but not as it stands below {other}" in said


def test_a_package_goes_before_a_module_of_its_name(project):
    """As Python itself has it, so that what is hashed is what is imported."""
    (project / "simclr/b").mkdir()
    (project / "simclr/b/__init__.py").write_text("value = 3\n")
    before = run(project, "print(code(), value())")
    assert before.endswith(" 3\n")
    (project / "simclr/b.py").write_text("value = 4\n")
    assert run(project, "print(code(), value())") == before


def test_the_tests_load_it_so_too():
    import simclr.losses

    assert type(simclr.losses.__loader__).__name__ == "Loader"
