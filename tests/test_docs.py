"""Every command in the README and the docs is run, here or where `ELSEWHERE` says."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile

import pytest

from simclr import files
from simclr.store import keys
from tests import jpegs, newcomer
from tests.project import BIN, ROOT, Project

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("snakemake", "dvc", "simclr", "make", "python", "torchrun", "source")
# Beginning of a command: what runs it, and words of its own that stand there.
ELSEWHERE = {
    "source .venv/bin/activate": ("Makefile", ".venv/bin"),
    "dvc plots": ("tests/test_dvc_views.py", '"plots"'),
    "dvc metrics diff": ("tests/test_dvc_views.py", '"metrics", "diff", "HEAD~1"'),
    "dvc dag": ("tests/test_dvc_views.py", '"dag", "--mermaid"'),
    "snakemake --report": ("tests/test_dvc_views.py", '"--report"'),
    "snakemake --rulegraph": ("tests/test_dvc_views.py", '"--rulegraph"'),
    "simclr run --again": ("tests/test_driving.py", '"run", "--again"'),
    "simclr features": ("tests/test_use.py", '"features"'),
    "simclr export-encoder": ("tests/test_export_encoder.py", "simclr (export-encoder .+)"),
    "simclr crate": ("tests/test_crate.py", "A crate, to be deposited"),
    "python docs/examples/neighbours.py": ("tests/test_use.py", "neighbours.py"),
    "python -m workflow.docs.cost_page": ("tests/test_planning.py", "cost_page.page"),
    "python -m workflow.docs.lesson": ("tests/test_lesson.py", "lesson.execute"),
    "python -m workflow.docs.readme": ("tests/test_readme.py", "readme.filled"),
    "python -m workflow.docs.screenshots": ("tests/test_browser.py", "screenshots.take"),
    "python -m benchmarks.report": ("tests/test_readme.py", "report.page"),
    "python -m tests.trust": ("tests/test_trust.py", "trust.page"),
    "python -m tests.edits": ("tests/test_edits.py", "edits.edited"),
    "python -m tests.faults": ("tests/test_faults.py", "faults.crash"),
    "python -m tests.fuzz": ("tests/test_fuzz.py", "from tests.fuzz import"),
    "python -m tests.mutants": ("tests/test_trust.py", "mutants.is_caught"),
    "python -m tests.bits": ("tests/test_same_bits.py", "bits.hashes"),
    "python -m tests.newcomer": ("tests/test_docs.py", "newcomer.story"),
    "python -m tests.bare": ("tests/test_bare.py", "root.command"),
    "torchrun": ("tests/test_ranks.py", "torchrun"),
    "python -m tests.slurm_log": ("tests/test_slurm.py", "def test_the_dag_runs_through_sbatch"),
    "snakemake --workflow-profile profiles/slurm": ("tests/slurm.py", '"profiles/slurm"'),
}
BENCHMARKS = "python -m benchmarks."  # test_benchmarks.py runs all of them
# Only tried, by `make --dry-run`: the end of what would be run, and why it is not.
BY_HAND = {
    "make": "snakemake --cores all",  # which is run here, after the setup, which CI does
    "make setup": "touch .venv/installed",  # the same
    "make setup PYTHON=python3.12": "touch .venv/installed",
    "make test": "python -m pytest",  # what runs this
    "make quick": 'python -m pytest -m "not slow"',  # the same, or part of it
    "make audit": "python -m tests.audit",  # asks the index; CI runs it after the tests
    "make benchmarks": "python -m workflow.docs.cost_page",  # seventeen minutes; see BENCHMARKS
    "make .peers": "pytorch-metric-learning==2.9.0",  # the same index
    "make overhead": "python -m workflow.docs.cost_page",  # eleven minutes
    "make lock": "--output-file requirements.lock",  # asks an index for new versions
}
NAMES = {
    "tiny": "mini",
    "small": "mini",
    "medium": "mini",
    "SCALE": "mini",
    "scale=small": "scale=mini",
    "scale=medium": "scale=mini",
    "scale=SCALE": "scale=mini",
    "fig8.none.s0": "table5.l2-0.5.s0",
    "fig8.nonlinear-128.s0": "table5.l2-0.5.s0",
    "PATH": "data/raw/mine.tar",  # the fixture `project` writes it
    "NAME": "fig6",
    "FOLDER": "results/mini",
}


def commands() -> dict[str, str]:
    """Command -> the page that has it; inline code, and indented or `sh` blocks."""
    found = {}
    for page in PAGES:
        if page.name in ("extending.md", "sharing.md"):  # their own tests run all of them
            continue
        text = page.read_text()
        blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        lines = [line for line in text.splitlines() if line.startswith("    ")]
        lines += [line for block in blocks for line in block.splitlines()]
        spans = [span for span in re.findall(r"`([^`\n]+)`", text) if " " in span]
        for one in [re.split(r"\s{2,}#", line.strip())[0] for line in lines] + spans:
            if one.split()[0] in PROGRAMS:
                found.setdefault(one, page.name)
    return found


COMMANDS = commands()
BEFORE = ("snakemake", "dvc repro", "simclr export")  # in this order; the others after them


def here() -> list[str]:
    """The commands to run here, as they are in the docs."""
    others = (*ELSEWHERE, BENCHMARKS)
    chosen = [c for c in COMMANDS if c not in BY_HAND and not c.startswith(others)]
    return sorted(chosen, key=lambda c: [not c.startswith(one) for one in BEFORE])


def arguments(command: str) -> list[str]:
    """The command for the minute scale of the tests."""
    words = [NAMES.get(word, word) for word in shlex.split(command)]
    if words[0] == "snakemake" and "--cores" not in words:
        words[1:1] = ["--cores", "all"]
    if words[0] == "simclr":  # the one of this copy
        words[:1] = ["python", "-m", "workflow"]
    return [sys.executable if words[0] == "python" else BIN / words[0], *words[1:]]


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory) -> Project:
    project = finished.copy(tmp_path_factory.mktemp("docs") / "project")
    images = jpegs.write_folder(tmp_path_factory.mktemp("images"), classes=2, train=3, val=2)
    archive = project.path / NAMES["PATH"]
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w") as file:
        file.add(images / "train", "train")
        file.add(images / "val", "test")
    return project


@pytest.mark.slow
def test_the_commands_of_the_docs_work(project, finished):
    """One after another in a finished project: none fails, and none computes anything."""
    chosen = here()
    assert len(chosen) > 15
    for command in chosen:
        done = project._run(arguments(command), check=False)
        assert done.returncode == 0, f"{COMMANDS[command]}: {command}\n{done.stdout}"
    assert project.executed() == finished.executed()


def test_what_is_run_elsewhere_is():
    found = [
        f"{name} has no {words!r}, which is to run {command}"
        for command, (name, words) in ELSEWHERE.items()
        if words not in (ROOT / name).read_text()
    ]
    found += [
        f"no page has {command}: remove it here"
        for command in (*ELSEWHERE, *BY_HAND)
        if not any(one.startswith(command) for one in COMMANDS)
    ]
    assert not found, "\n".join(found)


def test_the_results_that_the_docs_name_are_planned(planned):
    """At scale tiny, or at that which stands in the same line."""
    files = [*PAGES, *(ROOT / "docs" / "examples").glob("*.py"), ROOT / "workflow" / "cli.py"]
    found = set()
    for line in "\n".join(file.read_text() for file in files).splitlines():
        scale = "cifar10" if "run cifar10" in line else "tiny"
        found |= {(scale, name) for name in re.findall(r"\b(?:fig|table)\w+\.[\w.-]+\.s\d\b", line)}
    names = {(s, one.name) for s in ("tiny", "cifar10") for one in planned(s).of("pretrain")}
    assert len(found) > 3 and found <= names, found - names


def test_links_between_pages_resolve():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), (page, target)


def test_what_the_docs_import_is_there():
    """In snippets of Python, of pages and of docstrings."""
    files = [*PAGES, *ROOT.glob("workflow/*.py")]
    lines = re.findall(
        r"^from ((?:simclr|workflow)[\w.]*) import ([\w, ]+)$",
        "\n".join(file.read_text() for file in files if file.name != "extending.md"),
        re.MULTILINE,
    )
    found = [(module, name) for module, names in lines for name in names.split(", ")]
    assert len(found) > 10
    for module, name in found:
        has = hasattr(importlib.import_module(module), name)
        assert has or importlib.util.find_spec(f"{module}.{name}"), f"{module} has no {name}"


def test_what_is_run_by_hand_would_run():
    for command, end in BY_HAND.items():
        assert dry(*shlex.split(command)[1:]).endswith(f"{end}\n"), command


def test_every_target_of_make_would_run():
    (names,) = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    usual = {*keys.locked(), "uv", ".venv/bin/python"}  # the last two as the Makefile says
    for name in names.split():
        for line in dry(name).replace("\\\n", " ").splitlines():
            program = shlex.split(line)[0]
            assert program in usual or shutil.which(program, path=os.environ["PATH"]), line


def dry(*words: str) -> str:
    """What make would run where nothing is set up yet, and where it was not make that ran this."""
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
    done = subprocess.run(
        ["make", "--dry-run", "--always-make", *words],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name not in outer},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_every_command_of_the_readme_has_been_run_by_a_newcomer_or_is_run_here():
    """In the log that the README quotes no command failed; what came since is run by a test."""
    log = files.read_text(newcomer.LOG)
    logged = re.findall(r"^\$ (.+)$", log, re.MULTILINE)
    assert re.findall(r"^\[exit status (\S+),", log, re.MULTILINE) == ["0"] * len(logged)
    assert len(logged) >= 10 and "make" in logged
    assert not re.search(r"://|/(work|root|home|tmp|opt|srv|mnt)\b", log)  # of no machine
    elsewhere = [one for one in COMMANDS if one.startswith(tuple(ELSEWHERE))]
    tested = (*logged, *here(), *elsewhere, "make setup")  # which the logged `make` runs first
    assert "\nmake test\n" in files.read_text(ROOT / ".ci" / "run")
    assert not [one for one in newcomer.commands() if one not in tested]


def test_a_newcomer_s_log_is_continued_from_a_command_on():
    log = files.read_text(newcomer.LOG)
    kept = newcomer.before("make")
    assert log.startswith("\n".join([*kept, "$ make", ""])) and "$ dvc repro" not in kept


@pytest.mark.slow
def test_the_newcomer_s_story_says_what_failed(project):
    """A command that fails is logged with its own exit status and last words."""
    (project.path / ".venv").mkdir()
    (project.path / ".venv" / "bin").symlink_to(BIN)
    said = []
    newcomer.story(project.path, ["simclr plan", "simclr no-such-command"], said.append)
    assert [line.split(",")[0] for line in said if line.startswith("[exit")] == [
        "[exit status 0",
        "[exit status 2",
    ]
    assert any("no-such-command" in line for line in said[-3:-1])
