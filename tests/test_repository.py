"""What forges, editors, containers and other installers read says the same as the rest."""

import re
import shlex
import shutil
import subprocess

import pytest
import yaml
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

from tests.project import ROOT
from tests.test_lock import LOCKED, PROJECT, PYTHONS
from workflow import cli

IMAGE = "python:3.11-slim-bookworm"
INSTALL = "-m pip install --no-cache-dir --require-hashes --requirement"


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def read_yaml(name: str):
    return yaml.safe_load(text_of(name))


# -- forges ---------------------------------------------------------------------------------------


def test_ci_runs_the_oldest_and_the_newest_python_that_the_project_takes():
    workflow = read_yaml(".github/workflows/ci.yml")
    (job,) = workflow["jobs"].values()
    pythons = job["strategy"]["matrix"]["python"]
    assert pythons == list(PYTHONS)  # for which every library is locked
    assert SpecifierSet(PROJECT["requires-python"]) == SpecifierSet(f">={pythons[0]}")
    for page in ("README.md", "docs/running.md", "Makefile"):
        assert f"Python {pythons[0]} or newer" in text_of(page), page
    names = re.search(r"^NAMES = (.+)", text_of("Makefile"), re.MULTILINE)[1].split()
    assert names[0] == f"python{pythons[0]}" and names[-2] == f"python{pythons[-1]}"

    *uses, run = job["steps"]
    assert run == {"run": ".ci/run", "env": {"PYTHON": "python${{ matrix.python }}"}}
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in uses)
    setup = uses[-1]["with"]
    assert setup["python-version"] == "${{ matrix.python }}"
    assert setup["cache-dependency-path"] == "requirements.lock"
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is True


def test_the_hooks_before_a_commit_are_those_of_make_lint():
    (local,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    recipe = re.search(r"^lint: setup\n((?:\t.+\n)+)", text_of("Makefile"), re.MULTILINE)[1]
    linted = [line.split() for line in recipe.splitlines()]
    words = [shlex.split(hook["entry"]) for hook in local["hooks"]]
    assert words == [
        [f".venv/bin/{program}", *(one for one in rest if one in ("check", "format"))]
        for program, *rest in linted
    ]
    assert {program for program, *_ in linted} <= {name for name, *_ in LOCKED}
    assert all(hook["language"] == "system" for hook in local["hooks"])
    assert linted[-1][-2:] == ["Snakefile", "workflow/rules"]
    rules = [str(f.relative_to(ROOT)) for f in (ROOT / "workflow" / "rules").glob("*.smk")]
    assert all(re.search(local["hooks"][-1]["files"], name) for name in ("Snakefile", *rules))


def test_the_catalog_of_workflows_is_told_what_holds():
    usage = read_yaml(".snakemake-workflow-catalog.yml")["usage"]
    report = usage.pop("report")
    assert report is True and usage["software-stack-deployment"].pop("report") is True
    assert usage["mandatory-flags"]["flags"] == []
    deployed = usage["software-stack-deployment"]
    rules = "".join(file.read_text() for file in (ROOT / "workflow" / "rules").glob("*.smk"))
    for kind, is_there in deployed.items():
        assert is_there == bool(re.search(rf"^\s+{kind.split('+')[0]}:", rules, re.MULTILINE))
    assert {"snakemake", "workflow"} <= set(re.findall(r"\w+", text_of("README.md").lower()))


def test_issues_ask_for_what_commands_print():
    files = (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")
    forms = [file for file in files if file.stem != "config"]
    asked = re.findall(r"`simclr ([^`]+ [^`]+)`", "".join(form.read_text() for form in forms))
    assert {"plan SCALE", "show SCALE NAME", "compare SCALE"} <= set(asked)
    for words in asked:
        cli.parser().parse_args(words.split())  # SystemExit where there is no such command
    for form in map(read_yaml, forms):
        assert {"name", "description", "body"} <= set(form)
        assert all({"id", "type", "attributes"} <= set(one) for one in form["body"])


# -- containers -----------------------------------------------------------------------------------


def instructions(text: str) -> list[list[str]]:
    """The instructions of a Dockerfile, each as its words."""
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [line.split() for line in lines.splitlines() if line]


def test_the_image_has_the_lock_by_hash_before_the_code_and_no_root():
    found = instructions(text_of("Dockerfile"))
    assert found[0] == ["FROM", IMAGE]
    lines = [" ".join(words) for words in found]
    (lock,) = [n for n, line in enumerate(lines) if f"{INSTALL} requirements.lock" in line]
    copies = [n for n, words in enumerate(found) if words[0] == "COPY"]
    assert found[copies[0]][-2:] == ["requirements.lock", "./"] and found[copies[1]][-2:] == [
        ".",
        ".",
    ]
    assert copies[0] < lock < copies[1] and len(copies) == 2
    users = [n for n, words in enumerate(found) if words[0] == "USER"]
    assert len(users) == 1 and found[users[0]] == ["USER", "reader"] and users[0] < copies[0]
    installs = [line for line in lines if "pip install" in line]
    assert len(installs) == 2 and "--no-deps --no-build-isolation --editable ." in installs[1]


def test_apptainer_s_image_has_the_same_libraries():
    text = re.sub(r"\\\n\s*", "", text_of("apptainer.def"))
    assert f"From: {IMAGE}\n" in text and f"{INSTALL} /opt/simclr/requirements.lock\n" in text
    assert text.count("pip install") == 1


def test_images_are_built_from_what_a_clone_has():
    ignored = set(text_of(".dockerignore").splitlines())
    assert {".venv", ".snakemake", "results/*/*", "!results/*/plan", ".dvc/cache"} <= ignored
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split("\0")
    folders = [one.rstrip("/") for one in ignored if re.fullmatch(r"[\w./]+", one)]
    assert len(folders) > 8
    assert not [file for file in listed if file.startswith(tuple(f"{one}/" for one in folders))]
    assert not {".git", "data", "paper_figures", "docs"} & ignored


@pytest.mark.parametrize("name", ["Dockerfile", "apptainer.def", ".github/workflows/ci.yml"])
def test_no_host_is_named(name):
    assert not re.search(r"://|--index|--trusted-host|\b[\w-]+\.(com|org|io|net)\b", text_of(name))


# -- another installer ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_uv_finds_every_locked_library_with_its_hashes(tmp_path, python):
    """By the command of the docs, but without the download of what it found."""
    if not shutil.which("uv"):
        pytest.skip("no uv here")
    command = re.search(r"^    (uv pip sync .+?)(?:  .*)?$", text_of("docs/running.md"), re.M)[1]
    venv = tmp_path / "venv"
    subprocess.run(["uv", "venv", "--quiet", "--python", "3.11", venv], check=True)
    dry = ["--dry-run", "--python", venv, "--python-version", python]
    done = subprocess.run([*command.split(), *dry], cwd=ROOT, capture_output=True, text=True)
    if "Failed to fetch" in done.stderr:
        pytest.skip("uv reaches no package index")
    assert done.returncode == 0, done.stderr
    found = set(re.findall(r"^ \+ (\S+==\S+)$", done.stderr, re.MULTILINE))
    here = {"python_version": python, "python_full_version": f"{python}.0"}
    wanted = {
        f"{name}=={version}"
        for name, version, marker, _ in LOCKED
        if not marker or Marker(marker).evaluate(here)
    }
    assert found == wanted
