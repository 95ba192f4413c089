"""Every command in the README and the docs is run, here or where `ELSEWHERE` says."""

import re
import shlex
import sys

import pytest

from tests.project import BIN, ROOT, Project

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAMS = ("snakemake", "dvc", "simclr", "make", "python", "torchrun", "source")
# Beginning of a command: what runs it, and words of its own that stand there.
ELSEWHERE = {
    "make test": (".ci/run", "make test"),
    "source .venv/bin/activate": ("Makefile", ".venv/bin"),
    "dvc remote add": ("tests/conftest.py", '"remote", "add", "--default"'),
    "dvc plots": ("tests/test_dvc_views.py", '"plots"'),
    "dvc metrics diff": ("tests/test_dvc_views.py", '"metrics", "diff", "HEAD~1"'),
    "dvc dag": ("tests/test_dvc_views.py", '"dag", "--mermaid"'),
    "snakemake --report": ("tests/test_dvc_views.py", '"--report"'),
    "snakemake --rulegraph": ("tests/test_dvc_views.py", '"--rulegraph"'),
    "simclr features": ("tests/test_use.py", '"features"'),
    "python docs/examples/neighbours.py": ("tests/test_use.py", "neighbours.py"),
    "python -m workflow.readme": ("tests/test_readme.py", "readme.filled"),
    "python -m workflow.screenshots": ("tests/test_browser.py", "screenshots.take"),
    "python -m benchmarks.report": ("tests/test_readme.py", "report.page"),
    "torchrun": ("tests/test_ranks.py", "torchrun"),
    "snakemake --workflow-profile profiles/slurm": ("tests/slurm.py", '"profiles/slurm"'),
}
# Not by any test: they measure for minutes or hours, or ask a package index. (`make` alone is the
# setup, which CI does, and `snakemake --cores all`, which is run here. What tests.slurm_log shows,
# tests/test_slurm.py asserts.)
BY_HAND = ("make", "python -m benchmarks.", "python -m tests.slurm_log")
NAMES = {
    "tiny": "mini",
    "small": "mini",
    "SCALE": "mini",
    "scale=small": "scale=mini",
    "scale=SCALE": "scale=mini",
    "fig8.none.s0": "table5.l2-0.5.s0",
    "PATH": "data/paper/README.md",
    "NAME": "fig6",
}


def commands() -> dict[str, str]:
    """Command -> the page that has it; inline code, and indented or `sh` blocks."""
    found = {}
    for page in PAGES:
        if page.name == "extending.md":  # test_extending runs all of it
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
    chosen = [c for c in COMMANDS if not c.startswith((*ELSEWHERE, *BY_HAND))]
    return sorted(chosen, key=lambda c: [not c.startswith(one) for one in BEFORE])


def arguments(command: str) -> list[str]:
    """The command for the minute scale of the tests."""
    words = [NAMES.get(word, word) for word in shlex.split(command)]
    if words[0] == "snakemake" and "--cores" not in words:
        words[1:1] = ["--cores", "all"]
    if words[0] == "simclr":  # the one of this copy
        words[:1] = ["python", "-m", "simclr"]
    return [sys.executable if words[0] == "python" else BIN / words[0], *words[1:]]


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory) -> Project:
    return finished.copy(tmp_path_factory.mktemp("docs") / "project")


def test_the_commands_of_the_docs_work(project, finished):
    """One after another in a finished project: none fails, and none computes anything."""
    chosen = here()
    assert len(chosen) > 15
    for command in chosen:
        done = project._run(arguments(command), check=False)
        assert done.returncode == 0, f"{COMMANDS[command]}: {command}\n{done.stdout}"
    assert project.executed() == finished.executed()


@pytest.mark.parametrize("command", ELSEWHERE)
def test_what_is_run_elsewhere_is(command):
    name, words = ELSEWHERE[command]
    assert words in (ROOT / name).read_text()
    assert any(one.startswith(command) for one in COMMANDS), "no page has it: remove it here"


def test_links_between_pages_resolve():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), (page, target)
