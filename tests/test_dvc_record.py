"""What DVC says that it has, it has: or the record says so, and is made again."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.test_isolation import NAMESPACES, SNAKEMAKE, within
from workflow.publishing import dvc_record


class FakePlan:
    """A plan without results."""

    name, store, instances = "mini", Path("results/mini"), {}


@pytest.fixture
def commits(tmp_path, monkeypatch) -> list:
    """The results of the next calls of `dvc commit`: (exit status, stderr); all else is there."""
    answers = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    Path(".dvc").mkdir()
    monkeypatch.setattr(dvc_record, "default_scale", lambda: "mini")
    monkeypatch.setattr(dvc_record, "write_plan", lambda plan: None)

    def commit():
        status, said = answers.pop(0)
        return subprocess.CompletedProcess("dvc", status, "", said)

    monkeypatch.setattr(dvc_record, "_dvc_commit", commit)
    return answers


def write_cache(cache: Path) -> list[Path]:
    """Write dvc.lock with a folder and a file, and what it names into the cache; return those."""
    listing, inner, single = "aa11.dir", ("bb22", "cc33"), "dd44"
    lock = (
        "stages:\n"
        "  plan: {outs: [{path: results/mini/plan, md5: ee55.dir}]}\n"
        f"  one: {{outs: [{{path: results/mini/prepare, md5: {listing}}}]}}\n"
        f"  two: {{outs: [{{path: results/mini/file, md5: {single}}},"
        " {path: paper_figures/mini, md5: ff66.dir}]}\n"
    )
    Path("dvc.lock").write_text(lock, encoding="utf-8")
    contents = dict.fromkeys((*inner, single), "content")
    contents[listing] = json.dumps([{"md5": md5, "relpath": md5} for md5 in inner])
    paths = []
    for md5, text in contents.items():
        paths.append(cache / md5[:2] / md5[2:])
        paths[-1].parent.mkdir(parents=True)
        paths[-1].write_text(text, encoding="utf-8")
    return paths


def test_an_error_is_none_the_less_one_with_status_0(commits, capsys):
    said = "ERROR: failed to transfer 'ab' - [Errno 28] No space left on device"
    commits += [(0, f"{said}\nsomething else"), (0, "a warning")]
    dvc_record.record(FakePlan)
    out = capsys.readouterr().out
    assert out.startswith("DVC did not record the results (failed to transfer 'ab' - [Errno 28]")
    assert "make room, or name another disk" in out and len(out.splitlines()) == 1
    assert not Path("results/mini/recorded").exists()
    dvc_record.record(FakePlan)
    assert "Recorded for DVC in dvc.lock" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "text", "place"),
    [
        ("config", "[core]\n    analytics = false\n", ".dvc/cache"),
        ("config", "[cache]\n    dir = ../elsewhere\n['remote \"a\"']\n    url = b\n", "elsewhere"),
        ("config.local", "[cache]\n    type = copy\n    dir = /absolute\n", "/absolute"),
    ],
)
def test_what_the_cache_lacks_is_recorded_again(commits, tmp_path, capsys, file, text, place):
    place = f"{tmp_path}{place}" if place.startswith("/") else place
    Path(".dvc", file).write_text(
        text.replace("/absolute", f"{tmp_path}/absolute"), encoding="utf-8"
    )
    paths = write_cache(Path(place) / "files" / "md5")
    commits.append((0, ""))
    dvc_record.record(FakePlan)
    for _ in range(2):
        dvc_record.record(FakePlan)  # nothing to do, so no commit
    assert capsys.readouterr().out.count("Recorded for DVC") == 1
    for path in paths:
        content = path.read_bytes()
        path.unlink()
        commits.append((0, ""))
        dvc_record.record(FakePlan)
        assert "Recorded for DVC" in capsys.readouterr().out and not commits, path
        path.write_bytes(content)
    paths[-1].write_text("damaged", encoding="utf-8")  # the listing
    commits.append((0, ""))
    dvc_record.record(FakePlan)
    assert not commits


@NAMESPACES
@pytest.mark.slow
def test_a_lost_cache_is_filled_again_and_a_full_one_is_said(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    cache = project.path / ".dvc" / "cache"
    assert "Recorded" not in project.snakemake().stdout
    shutil.rmtree(cache)
    before = len(project.executed())
    assert "Recorded for DVC" in project.snakemake().stdout
    assert "Recorded" not in project.snakemake().stdout and not project.executed(before)
    shutil.rmtree(cache)
    said = within(
        project, f"mkdir {cache}; mount -t tmpfs -o size=64k none {cache} && {SNAKEMAKE}", "-rm"
    )
    assert "DVC did not record the results (" in said, said
    assert "No space left" in said and "make room" in said and "Recorded for DVC" not in said
    shutil.rmtree(cache, ignore_errors=True)
    assert "Recorded for DVC" in project.snakemake().stdout
