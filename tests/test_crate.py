"""`simclr crate`: what is published of a scale as an RO-Crate, and its metrics read back."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from simclr.config import ConfigError
from simclr.files import json_text, read_json, sha256
from tests import remotes
from tests.project import MINI, ROOT, Project
from workflow.planning.planner import build_plan
from workflow.publishing.crate import is_crate, read_crate, write_crate
from workflow.publishing.import_metrics import import_metrics
from workflow.publishing.published import measured, read_lines

METRICS = Path("data/published/mini.jsonl")


def git(*words: str) -> None:
    date = "2026-01-02T03:04:06Z"
    variables = {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *words], check=True, env=variables)


def published(instance, number: int) -> dict:
    """The published line of a result with a made-up metric."""
    metrics = {"linear_h": number + 0.1}
    return {
        "name": instance.name,
        "stage": instance.stage.name,
        "key": instance.key,
        "metrics": metrics,
        "outputs": {"metrics.json": hashlib.sha256(json_text(metrics).encode()).hexdigest()},
        "hardware": "a processor, x86_64",
        "versions": {"torch": "2.11.0"},
        "code": "c0de",
        "seconds": 1.5,
    }


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """That of a small checkout, all committed; the first published result is of other code."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "workflow/scales/mini.yaml": MINI,
        "paper_figures/mini/index.html": "<!doctype html>",
        "paper_figures/mini/fig6.caption.md": "Retrieval.",
        "paper_figures/mini/fig6.svg": "<svg/>",
        "paper_figures/other/fig6.svg": "<svg/>",
        "data/published/other.jsonl": "",
        ".dvc/config": "url = private",
        "dvc.lock": "",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    for name in ("CITATION.cff", "README.md", "Snakefile"):
        shutil.copyfile(ROOT / name, name)
    plan = build_plan("mini", tmp_path / "workflow" / "scales")
    lines = [published(instance, number) for number, instance in enumerate(measured(plan))]
    lines[0]["key"] = "0123456789ab"
    METRICS.write_text("".join(json.dumps(line) + "\n" for line in lines))
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "State")
    return plan


def test_the_same_state_gives_the_same_bytes(plan, monkeypatch):
    git("clone", "--quiet", ".", "../clone")
    written = []
    for folder, zone in ((".", "UTC+3"), ("../clone", "UTC-5")):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("TZ", zone)
        for name in ("crate", "crate.zip"):
            write_crate(plan, Path(name))
        paths = [path for path in sorted(Path("crate").rglob("*")) if path.is_file()]
        files = {str(path.relative_to("crate")): path.read_bytes() for path in paths}
        written.append((files, Path("crate.zip").read_bytes()))
    assert written[0] == written[1]
    with zipfile.ZipFile("crate.zip") as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        assert {name: archive.read(name) for name in names} == files
        assert {one.date_time for one in archive.infolist()} == {(2026, 1, 2, 3, 4, 6)}
    assert sorted(files) == [
        "CITATION.cff",
        "README.md",
        "Snakefile",
        "data/published/mini.jsonl",
        "paper_figures/mini/fig6.caption.md",
        "paper_figures/mini/fig6.svg",
        "paper_figures/mini/index.html",
        "ro-crate-metadata.json",
        "settings.jsonl",
        "workflow/scales/mini.yaml",
    ]


def entities(crate: Path) -> dict[str, dict]:
    """What a crate describes, by name; nothing twice."""
    graph = read_json(crate / "ro-crate-metadata.json")["@graph"]
    found = {one["@id"]: one for one in graph}
    assert len(found) == len(graph)
    return found


def test_the_metadata_say_which_code_made_what(plan):
    write_crate(plan, Path("crate"))
    found, lines = entities(Path("crate")), read_lines(METRICS)
    for name, entity in found.items():  # no name leads nowhere
        for value in entity.values():
            for one in value if isinstance(value, list) else [value]:
                assert not isinstance(one, dict) or one["@id"] in found or "//" in one["@id"], name
        if "sha256" in entity:
            assert sha256(Path("crate") / name) == entity["sha256"]
    runs = [found[f"#{line['key']}"] for line in lines]
    assert [run["name"] for run in runs] == [f"{line['stage']} {line['name']}" for line in lines]
    assert "object" not in runs[0] and "other code or settings" in runs[0]["description"]
    assert all(run["object"][0] == {"@id": "settings.jsonl"} for run in runs[1:])
    text = found["./"]["description"]
    assert f"{len(lines) - 1} of {len(lines)} results have the key" in text and "(clean)" in text
    commit = found["./"]["version"]
    assert len(commit) == 40 and found["Snakefile"]["version"] == commit
    assert found["#fig6"]["description"] == "Retrieval." and len(found["#fig6"]["result"]) == 2
    Path("README.md").write_text("Changed.")
    with METRICS.open("a") as file:
        file.write("\n")
    with pytest.raises(ConfigError, match="not a published result"):
        write_crate(plan, Path("crate"))
    METRICS.write_text(METRICS.read_text().strip().replace(": 1.5", ": 2.5"))
    assert "Not committed: 2 files, e.g. README.md" in write_crate(plan, Path("crate"))
    found = entities(Path("crate"))
    assert found["./"]["version"] == f"{commit}-modified" and "endTime" not in found["#run"]
    assert "2 files differ from it, e.g. README.md" in found["./"]["description"]


def test_the_metrics_come_back(plan):
    write_crate(plan, Path("crate"))
    write_crate(plan, Path("crate.zip"))
    for name in ("crate", "crate.zip"):
        lines = list(read_crate(Path(name), "mini").values())
        assert is_crate(Path(name)) and lines == read_lines(METRICS)
    said = import_metrics(plan, read_crate(Path("crate.zip"), "mini"), Path("crate.zip"))
    assert said.startswith(f"{len(lines) - 1} results imported, 0 were there already. 1 are")
    results = {one.key: one.path(plan.store) for one in measured(plan)}
    for line in lines[1:]:
        assert read_json(results[line["key"]] / "metrics.json") == line["metrics"]


def test_what_cannot_be_used_is_refused_in_a_line(plan):
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    Path("mine.zip").write_text("mine")
    for name, text in {
        "mine": "no crate of this project",
        "mine.zip": "no crate of this project",
        "README.md": "no crate of this project",
        "misspelt/crate": "cannot be written",
        "pipe": "no crate of this project",
        "pipe.zip": "no crate of this project",
        "/dev/null": "no crate of this project",
        **dict.fromkeys(("c.tar", "c.tar.gz", "c.TGZ", "c.7z", "c.rar"), "a folder or a zip"),
    }.items():
        if name.startswith("pipe"):
            os.mkfifo(name)
        with pytest.raises(ConfigError, match=text):
            write_crate(plan, Path(name))
        assert not name.startswith("c.") or not Path(name).exists()
    write_crate(plan, Path("C.ZIP"))
    assert zipfile.is_zipfile("C.ZIP") and is_crate(Path("C.ZIP"))
    write_crate(plan, Path("crate"))
    Path("crate/stale.txt").write_text("of a former state")
    write_crate(plan, Path("crate"))
    assert not Path("crate/stale.txt").exists() and not list(Path().glob(".crate*"))
    with pytest.raises(ConfigError, match=r"other\.jsonl: missing; name the scale"):
        read_crate(Path("crate"), "other")
    line = read_lines(METRICS)[1]
    for part in ({"hardware": 1}, {"files": {"curves.csv": 1}}, {"files": []}, {"name": None}):
        Path("crate", METRICS).write_text(json.dumps({**line, **part}))
        with pytest.raises(ConfigError, match=r"has no .*; restore the line"):
            read_crate(Path("crate"), "mini")
    write_crate(plan, Path("crate.zip"))
    damaged = bytearray(Path("crate.zip").read_bytes())
    with zipfile.ZipFile("crate.zip") as archive:
        start = archive.getinfo(str(METRICS)).header_offset
    damaged[start + 100] ^= 255
    Path("crate.zip").write_bytes(damaged)
    with pytest.raises(ConfigError, match="copy the crate again"):
        read_crate(Path("crate.zip"), "mini")


def test_a_crate_has_what_git_has(plan, tmp_path, monkeypatch):
    Path("notes.txt").write_text("private")  # neither in the crate nor a change
    assert "Not committed" not in write_crate(plan, Path("crate"))
    assert not Path("crate/notes.txt").exists()
    Path("paper_figures/mini/fig6.png").write_text("new")
    with pytest.raises(ConfigError, match=r"fig6\.png: not in Git, so not in a crate; `git add`"):
        write_crate(plan, Path("crate"))
    Path("paper_figures/mini/fig6.png").unlink()
    METRICS.unlink()
    with pytest.raises(ConfigError, match=r"mini\.jsonl: missing; `simclr export mini` writes it"):
        write_crate(plan, Path("crate"))
    shutil.rmtree(".git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(ConfigError, match=r"^git: not a git repository.* names its commit"):
        write_crate(plan, Path("crate"))


@pytest.mark.slow
def test_the_crate_of_tiny_is_what_its_profile_requires(tmp_path):
    """And a checkout: with nothing else, its code gives the keys that its results have."""
    from tests import crates

    project, crate = Project.create(tmp_path / "project"), tmp_path / "crate"
    shutil.copytree(ROOT / "paper_figures" / "tiny", project.path / "paper_figures" / "tiny")
    project.commit()
    said = project.simclr("crate", "tiny", "--out", crate).stdout
    assert "Not committed" not in said
    assert (crate / "ro-crate-metadata.json").stat().st_size < 1_000_000
    lines = read_lines(ROOT / "data" / "published" / "tiny.jsonl")
    assert list(read_crate(crate, "tiny").values()) == lines and len(lines) > 300
    assert crates.problems(crate, tmp_path / "cache") == []
    command = [sys.executable, "-m", "workflow", "import", "tiny"]
    done = subprocess.run(command, cwd=crate, capture_output=True, text=True, check=True)
    assert done.stdout == f"{len(lines)} results imported, 0 were there already.\n"


@pytest.mark.slow
def test_what_the_profile_does_not_allow_is_seen(plan, tmp_path):
    from tests import crates

    crate = tmp_path / "crate"
    write_crate(plan, crate)
    file, cache = crate / "ro-crate-metadata.json", tmp_path / "cache"
    file.write_text(file.read_text().replace('"instrument"', '"agent"'))
    assert any("instrument" in problem for problem in crates.problems(crate, cache))


@pytest.mark.slow
def test_the_commands_of_the_page(finished, tmp_path, monkeypatch):
    from tests import crates

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("ROCRATE_VALIDATOR_AUTO_WARM", "0")  # the network is not asked for more
    crates.fill_cache(tmp_path / "rocrate-validator" / "http_cache")
    project, clone = (finished.clone(tmp_path / name) for name in ("project", "clone"))
    make, check, (bring,) = remotes.blocks("A crate, to be deposited")
    project.simclr("import", "--from", finished.store)
    for command in (*make, *check):
        said = remotes.run(print, project, command, SCALE="mini")
    assert "is a valid provenance-run-crate" in said
    shutil.move(project.path / "crate.zip", clone.path)
    said = remotes.run(print, clone, bring, SCALE="mini")
    assert said.endswith(" results imported, 0 were there already.\n")
