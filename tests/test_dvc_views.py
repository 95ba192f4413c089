"""DVC's own views of the published results: metrics, plots and the graph of stages."""

import json
import re
import subprocess
import sys

import pytest

from tests.project import ROOT, Project

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs" / "browsing.md").read_text()


@pytest.fixture
def two_commits(finished, tmp_path):
    """A committed project, changed and committed again: fig8 has another dimension."""
    project = finished.copy(tmp_path / "project")
    project.edit("workflow/scales/mini.yaml", "{dims: [8]}", "{dims: [4]}")
    project.snakemake()
    project.commit()
    return project


def test_metrics_and_plots_of_two_commits(two_commits):
    shown = json.loads(two_commits.dvc("metrics", "show", "--json").stdout)
    ((_, found),) = shown[""]["data"].items()
    assert 0 <= found["data"]["table5"]["l2-0.5"] <= 100
    assert sum(found["data"]["claims"].values()) >= 42
    changed = two_commits.dvc("metrics", "diff", "HEAD~1", "--json").stdout
    ((_, rows),) = json.loads(changed).items()
    assert any(name.startswith("fig8.") for name in rows)
    assert not any(name.startswith("table5.") for name in rows)

    two_commits.dvc("plots", "diff", "HEAD~1", "--out", "plots")
    page = (two_commits.path / "plots" / "index.html").read_text()
    assert "DVC_METRIC" not in page and "nonlinear-8" in page and "nonlinear-4" in page
    two_commits.dvc("plots", "show", "--out", "plots")
    page = (two_commits.path / "plots" / "index.html").read_text()
    assert "training loss" in page.lower() and "fig8 nonlinear-4" in page


def test_the_report_has_figures_with_captions_by_kind(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    project.snakemake("--report", "report.html")
    page = (project.path / "report.html").read_text()
    for words in ("Figures", "Tables", "Table 5", "Figure 8", "Scale mini"):
        assert words in page
    assert project.executed() == finished.executed()


def graphs() -> list[list[str]]:
    """The two graphs in the docs: of processes, and of DVC's stages; lines in any order."""
    return [
        sorted(text.split("\n")) for text in re.findall(r"```mermaid\n(.*?)\n```", PAGE, re.DOTALL)
    ]


def drawn_lines(text: str) -> list[str]:
    text = text[text.index("flowchart") :].rstrip()
    return sorted(line for line in text.split("\n") if not line.startswith("\tstyle"))


def test_the_graphs_in_the_docs_are_those_that_the_tools_draw(tmp_path):
    processes, stages = graphs()
    command = [sys.executable, "-m", "dvc", "dag", "--mermaid"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert drawn_lines(done.stdout) == stages
    project = Project.create(tmp_path / "project")
    printed = project.snakemake("--rulegraph", "mermaid-js", "--", "fig6").stdout
    assert drawn_lines(printed) == processes
