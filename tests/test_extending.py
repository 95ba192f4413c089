"""docs/extending.md, done as it stands there, on a copy of the project."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.project import BIN, ROOT, Project

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs" / "extending.md").read_text()
BLOCK = re.compile(r"(?P<before>[^\n]*)\n\n```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)


def change(project: Project, name: str, text: str) -> None:
    """Replace the lines without + by those without -: they must stand there once."""
    lines = text.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if line[0] != "+")
    new = "".join(line[1:] for line in lines if line[0] != "-")
    project.edit(name, old, new)


def photographs(folder) -> None:
    """Images of two classes, of several sizes, and images without a label."""
    draws = np.random.default_rng(0)
    counts = {"train": 40, "test": 20, "unlabelled/2026": 30}
    for split, count in counts.items():
        for label, name in enumerate(("dark", "light")):
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                side = int(draws.integers(16, 40))
                pixels = draws.integers(0, 128, (side, side + 3, 3)) + 100 * label
                Image.fromarray(pixels.astype(np.uint8)).save(
                    folder / split / name / f"{number}.png"
                )


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    project = Project.create(tmp_path_factory.mktemp("extended") / "project")
    photographs(project.path / "data" / "raw" / "mine")
    done, printed, file = [], "", None
    for block in BLOCK.finditer(PAGE):
        if named := re.findall(r"`([\w/]+\.\w+)`", block["before"]):
            file = named[-1]
        text = block["text"]
        if block["kind"] == "diff":
            change(project, file, text)
        elif block["kind"] == "sh":
            command = text.replace("python", sys.executable).split()
            command[0] = str(BIN / command[0]) if command[0] == "snakemake" else command[0]
            printed = project._run(command, check=True).stdout
        else:
            assert not (project.path / file).exists() and "New file" in block["before"]
            project.write(file, text.replace("FINGERPRINT", printed.strip()))
        done.append((block["kind"], file))
    assert len(done) == PAGE.count("```") / 2  # every block was found
    return project


def test_the_new_figure_is_published(extended):
    made = {path.name for path in (extended.path / "paper_figures" / "mine").iterdir()}
    assert made >= {"mine.svg", "mine.png", "mine.csv", "index.html", "claims.csv"}
    rows = (extended.path / "paper_figures" / "mine" / "mine.csv").read_text()
    for variant in ("base", "inverted", "uniform"):
        assert f"mine,{variant},{variant},1,linear_h," in rows


def test_each_addition_makes_a_difference(extended):
    rows = (extended.path / "paper_figures" / "mine" / "mine.csv").read_text().splitlines()
    losses = [row for row in rows if ",0,contrastive_entropy," in row]
    assert len({row.rsplit(",", 2)[1] for row in losses}) == 3  # the value, before the state


def test_encoders_have_seen_images_without_labels_and_give_their_features(extended):
    provenances = (extended.path / "results" / "mine" / "pretrain").glob("*/provenance.json")
    settings = [json.loads(path.read_text())["settings"] for path in provenances]
    assert settings and {one["images"] for one in settings} == {"both"}
    stored = np.load(extended.path / "features.npz")
    assert stored["features"].shape == (60, 32) and "2026/dark/0.png" in stored["files"]


def test_the_new_module_is_clean(extended):
    command = [BIN / "ruff", "check", "simclr", "workflow"]
    done = subprocess.run(command, cwd=extended.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_quick_suite_passes_on_the_extended_copy(extended):
    """Beside what is published here, at the default scale; the tests' own scale is taken away."""
    for name in ("paper_figures", "results"):
        if (ROOT / name).is_dir():
            listed = subprocess.run(
                ["git", "ls-files", "-z", name], cwd=ROOT, capture_output=True, text=True
            ).stdout
            for file in filter(None, listed.split("\0")):
                (extended.path / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / file, extended.path / file)
    shutil.copyfile(ROOT / "params.yaml", extended.path / "params.yaml")
    (extended.path / "workflow" / "scales" / "mini.yaml").unlink()
    shutil.rmtree(extended.path / "paper_figures" / "mine")  # not among what is published
    extended._run([sys.executable, "-m", "workflow.docs.readme"], check=True)  # names all scales
    pytest_ = [sys.executable, "-m", "pytest", "-m", "not slow", "--numprocesses", "2"]
    done = extended._run(pytest_, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
