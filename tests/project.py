"""A throw-away copy of this project with a minute scale, driven by real snakemake and dvc."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

# Two experiments that share their base run; every run trains for a second or less.
MINI = """\
title: a minute scale for the tests
seeds: [0, 1]
base:
  prepare: {source: patterns, image_size: 8, train_images: 80, test_images: 40}
  pretrain: &train
    encoder: {depth: 8, base_channels: 4, stem: cifar}
    views: {operators: [crop, flip, color]}
    head: {out_dim: 8}
    loss: {temperature: 0.5}
    optimizer: {warmup_epochs: 0}
    batch_size: 20
    epochs: 1
  evaluate: {epochs: 2, batch_size: 20, neighbours: 5}
  histograms: {images: 20}
experiments:
  fig6: {}
  table5: {normalized: [0.5], raw: [10.0]}
  fig8: {dims: [8]}
"""


class Project:
    """A Git repository with this project's working tree at scale `mini`."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(cls, path: Path) -> "Project":
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            encoding="utf-8",
        ).stdout
        for name in filter(None, listed.split("\0")):
            source, target = ROOT / name, path / name
            if name.startswith(("results/", "paper_figures/")) or name == "dvc.lock":
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_symlink():
                target.symlink_to(os.readlink(source))
            elif source.is_file():
                shutil.copyfile(source, target)
        self = cls(path)
        self.write("workflow/scales/mini.yaml", MINI)
        self.write("params.yaml", "scale: mini\n")
        self.git("init", "--quiet", "--initial-branch=main")
        self.commit()
        return self

    def copy(self, path: Path) -> "Project":
        """The same project elsewhere, with its results, DVC cache and Git history."""
        shutil.copytree(self.path, path, symlinks=True)
        return Project(path)

    def clone(self, path: Path) -> "Project":
        """A Git clone: what is committed, no results."""
        subprocess.run(["git", "clone", "--quiet", self.path, path], check=True)
        return Project(path)

    def git(self, *arguments):
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        return self._run(["git", *identity, *arguments], check=True)

    def commit(self):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "State of a test")

    def snakemake(self, *arguments, cores=2, check=True):
        return self._run([BIN / "snakemake", "--cores", str(cores), *arguments], check)

    def dvc(self, *arguments, check=True):
        return self._run([BIN / "dvc", *arguments], check)

    def simclr(self, *arguments, check=True):
        return self._run([sys.executable, "-m", "workflow", *arguments], check)

    def start(self, *arguments, **options) -> subprocess.Popen:
        """Start snakemake in a process group of its own, and return at once."""
        return self.launch([BIN / "snakemake", "--cores", "2", *arguments], **options)

    def launch(self, command, environment=None, **options) -> subprocess.Popen:
        """The same with any command, and variables laid over the usual environment."""
        return subprocess.Popen(
            list(map(str, command)),
            cwd=self.path,
            env={**self._environment(), **(environment or {})},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            **options,
        )

    def _environment(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "SIMCLR_"))}
        return {**kept, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def _run(self, command, check):
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.path,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}"
        return done

    def write(self, name: str, text: str):
        (self.path / name).write_text(text, encoding="utf-8")

    def append(self, name: str, text: str):
        with open(self.path / name, "a", encoding="utf-8") as file:
            file.write(text)

    def edit(self, name: str, old: str, new: str):
        text = (self.path / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name}: {old!r} stands there {text.count(old)} times"
        self.write(name, text.replace(old, new))

    @property
    def store(self) -> Path:
        return self.path / "results" / "mini"

    def executed(self, since: int = 0) -> list[str]:
        """'stage name' of every stage really executed, in order, from number `since` on."""
        journal = self.store / "journal.jsonl"
        lines = journal.read_text(encoding="utf-8").splitlines() if journal.is_file() else []
        return [f"{one['stage']} {one['name']}" for one in map(json.loads, lines[since:])]

    def contents(self) -> dict[str, bytes]:
        """Every output of every result, but for the provenance (times and host vary)."""
        stages = ("prepare", "pretrain", "supervise", "evaluate", "histograms", "figures")
        return {
            str(file.relative_to(self.store)): file.read_bytes()
            for stage in stages
            for file in sorted((self.store / stage).rglob("*"))
            if file.is_file() and file.name != "provenance.json"
        }

    def published(self) -> dict[str, bytes]:
        """What is published, but for the bar of a page, which links to other published scales."""
        folder = self.path / "paper_figures" / "mini"
        files = {file.name: file.read_bytes() for file in sorted(folder.iterdir())}
        return {name: re.sub(rb"(?s)<header.*</header>", b"", files[name]) for name in files}


def namespaces() -> bool:
    """Whether `unshare` gives a command namespaces of its own here: users, network."""
    try:
        return subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
