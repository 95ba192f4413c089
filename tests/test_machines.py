"""What machines differ in: locale, umask, disks, file systems without locks, other Pythons."""

import ast
import errno
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simclr import files
from simclr.config import ConfigError
from simclr.models import weights
from simclr.store import results
from tests.project import BIN, ROOT, Project
from tests.test_isolation import NAMESPACES, SNAKEMAKE, within
from workflow.running import locks

TOPS = ("simclr", "workflow", "benchmarks")
SOURCES = [file for top in TOPS for file in (ROOT / top).rglob("*.py")]
SOURCES += (file for file in (ROOT / "tests").glob("*.py") if not file.name.startswith("test_"))


def in_the_locales_encoding(source: str) -> list[str]:
    """The calls that read or write text and name no encoding."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name, call = ast.unparse(node.func), ast.unparse(node)
            words = {word.arg for word in node.keywords}
            text = re.fullmatch(r"open|os\.fdopen|(?!files\.).*\.(read|write)_text", name)
            binary = re.search(r"'(\w|r\+)b'", call)
            if ((text and not binary) or "text" in words) and "encoding" not in words:
                found.append(call)
    return found


def test_no_text_is_in_the_encoding_of_the_locale():
    assert not [
        f"{file.relative_to(ROOT)}: {call}"
        for file in SOURCES
        for call in in_the_locales_encoding(file.read_text())
    ]
    bad = ("open(a)", "open(a, 'r')", "a.b.read_text()", "subprocess.run(a, text=True)")
    assert all(in_the_locales_encoding(call) for call in bad)


# As Python sees them, other locales than a UTF-8 one.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def run(project: Project, *command, **environment) -> tuple[str, int]:
    """What a command prints in an environment of its own, and its status."""
    process = project.launch(command, environment)
    return process.communicate()[0], process.returncode


@pytest.mark.slow
def test_a_locale_changes_no_key_and_no_page(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    shutil.rmtree(next((project.store / "figures").iterdir()))
    said, status = run(project, BIN / "snakemake", "--cores", "2", **ASCII)
    assert status == 0 and "1 to compute" in said, said
    assert project.published() == finished.published()
    assert project.contents() == finished.contents()
    said, status = run(project, BIN / "dvc", "status", **ASCII)
    assert status == 0 and "up to date" in said


def test_names_are_bytes_whatever_the_locale(tmp_path):
    folder = tmp_path / "fotografías"
    for name in ("train/ñandú/é.png", "test/ñandú/ü.png"):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / "docs" / "screenshots" / "phone.png", folder / name)
    command = [sys.executable, "-m", "workflow", "fingerprint", folder]
    found = [
        subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}, capture_output=True)
        for variables in ({}, ASCII, {"PYTHONIOENCODING": "ascii:strict"})
    ]
    assert len({done.stdout for done in found}) == 1 and len(found[0].stdout) == 65, found


def test_what_is_written_obeys_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_atomic(tmp_path / "page", "text")
        files.copy_atomic(tmp_path / "page", tmp_path / "figure")
        weights.write(tmp_path / "network", {}, {})
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o640}


def test_a_destination_is_checked_before_the_work(tmp_path):
    files.check_destination(tmp_path / "features.npz")
    assert list(tmp_path.iterdir()) == []
    for file, reason in ((tmp_path, "a folder"), (tmp_path / "no" / "x", "No such file")):
        with pytest.raises(ConfigError, match=reason):
            files.check_destination(file)


COMPUTE = """
import sys, time
from pathlib import Path
from workflow.running import locks
with locks.computing(Path(sys.argv[1])):
    print("computing", flush=True)
    time.sleep(60)
"""


def test_results_are_moved_while_nobody_computes(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.1)
    store = tmp_path / "results" / "mini"
    with locks.moving(store), locks.moving(store), locks.driving(store):
        pass
    command = [sys.executable, "-c", COMPUTE, store]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"computing\n"
        with locks.computing(store), locks.driving(store):  # beside it
            pass
        with pytest.raises(ConfigError, match="another run is at work; wait"), locks.moving(store):
            pass
        other.kill()
    with locks.moving(store):
        pass


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def flock(file, kind):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    text = re.escape(f"{tmp_path}: its file system has no locks (No locks available); move")
    with pytest.raises(ConfigError, match=text):
        locks.take_lock(tmp_path)


@pytest.mark.slow
def test_whoever_moves_results_waits_for_a_run(finished, tmp_path):
    """The scale is edited meanwhile: results of the run at work are not in the new plan."""
    project = finished.copy(tmp_path / "project")
    figures = sorted((project.store / "figures").iterdir())
    for figure in figures:
        shutil.rmtree(figure)
    session = project.store / "session.json"
    session.unlink()
    driver = project.start()
    while not session.exists():
        assert driver.poll() is None
        time.sleep(0.05)
    os.killpg(driver.pid, signal.SIGSTOP)  # or it would be done before all this is tried
    project.edit("workflow/scales/mini.yaml", "epochs: 1", "epochs: 3")
    simclr = [sys.executable, "-m", "workflow"]
    for command in (
        [*simclr, "plan", "--write"],
        [*simclr, "publish"],
        [*simclr, "prune"],
        [*simclr, "import", "--from", finished.store],
        [*simclr, "run"],
        [BIN / "dvc", "repro"],
    ):
        said, status = run(project, *command)
        refusal = f"error: results/mini: another run is at work (process {driver.pid}); wait"
        assert status and refusal in said, (command, said)
    project.edit("workflow/scales/mini.yaml", "epochs: 3", "epochs: 1")
    os.killpg(driver.pid, signal.SIGCONT)
    said, _ = driver.communicate()
    assert driver.returncode == 0, said
    assert project.contents() == finished.contents()


@NAMESPACES
@pytest.mark.slow
def test_results_on_another_disk(finished, tmp_path):
    """Folders of stages are links to it; both drivers compute there, and move results aside."""
    project = finished.copy(tmp_path / "project")
    edited = "workflow/experiments/fig6.py"
    script = f"""
        set -e
        mkdir disk; mount -t tmpfs none disk
        for stage in pretrain evaluate figures; do
            mv results/mini/$stage disk/; ln -s "$PWD/disk/$stage" results/mini/$stage
        done
        rm -r $(grep -l 'table5.raw-10.s0' results/mini/[pe]*/*/provenance.json | xargs dirname)
        {SNAKEMAKE} -- evaluate
        printf '\n\ndef _edited():\n    return 1\n' >> {edited}
        {BIN / "dvc"} repro
        ls -d disk/figures/.work/unused/figures/*
        {BIN / "dvc"} status
        test -L results/mini/figures
        cp -rL results kept; rm -r kept/mini/*/.work results; mv kept results; echo done
    """
    said = within(project, script, "-rm")
    assert said.endswith("done\n") and "pipelines are up to date" in said, said
    before, after = finished.contents(), project.contents()
    assert {name for name in before if after.get(name) != before[name]} == {
        name for name in before if "/fig6." in name
    }


def test_links_that_do_not_work_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("disk").mkdir()
    store = Path("results", "mini")
    store.mkdir(parents=True)
    (store / "pretrain").symlink_to(tmp_path / "absent")
    with pytest.raises(ConfigError, match="results/mini/pretrain: a link to nowhere; mount"):
        locks.take_lock(store)
    shutil.rmtree("results")
    Path("results").symlink_to("disk")
    with locks.driving(store):  # without Git: all works
        assert results.workplace(store, "pretrain") == store
    Path(".git").mkdir()
    with pytest.raises(ConfigError, match="results: a link, beyond which Git and DVC do not look"):
        locks.take_lock(store)


@pytest.mark.slow
def test_without_git_and_with_links_of_dvc(finished, tmp_path):
    """What is said helps: `git init` for DVC, `cp -rL` for the import."""
    project = finished.copy(tmp_path / "project")
    shutil.rmtree(project.path / ".git")
    (project.store / "recorded").unlink()
    assert "`git init` makes it one" in project.simclr("publish").stdout
    project.git("init", "--quiet")
    assert "Recorded for DVC" in project.simclr("publish").stdout

    project.dvc("config", "cache.type", "symlink")
    project.dvc("checkout", "--relink")
    home = finished.clone(tmp_path / "home")
    refused = home.simclr("import", "--from", str(project.store), check=False).stdout
    assert refused.count("a link; copy the folder by `cp -rL`") == 22
    subprocess.run(["cp", "-rL", project.store, tmp_path / "copied"], check=True)
    assert home.simclr("import", "--from", str(tmp_path / "copied")).stdout.startswith("22 results")


def make(folder: Path, *words: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    command = ["make", "--no-print-directory", *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    return done.stdout + done.stderr


def test_make_wants_a_recent_python_and_a_venv_of_this_folder(tmp_path):
    folder = tmp_path / "a b"
    folder.mkdir()
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    assert "`make setup PYTHON=/path/to/python3.11`" in make(folder, "setup", "PYTHON=false")
    assert not (folder / ".venv").exists()
    anew = "-m venv --clear .venv"
    assert anew in make(folder, "--dry-run", "setup")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    assert anew not in make(folder, "--dry-run", "setup")  # interrupted: goes on
    (folder / ".venv" / "installed").touch()
    assert "Nothing to be done" in make(folder, "setup")
    other = folder / "other"
    other.write_text("#!/bin/sh\necho Python 3.99\n")
    other.chmod(0o755)
    assert f"./other {anew}" in make(folder, "--dry-run", "setup", "PYTHON=./other")
    moved = folder.rename(tmp_path / "moved")
    assert anew in make(moved, "--dry-run", "setup")
