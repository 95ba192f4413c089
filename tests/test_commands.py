"""The command line at its edges: words that say nothing, streams and folders that are not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simclr.config import ConfigError
from simclr.store import results, runner
from tests.project import MINI, ROOT
from workflow import cli, pretrained
from workflow.planning.planner import build_plan
from workflow.publishing import maintenance
from workflow.running import torchrun

SIMCLR = f"{sys.executable} -m workflow"


def shell(line: str, **environment) -> tuple[int, str]:
    """Run a line of the shell in the project; returns its status and what it printed."""
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("plan", ""),
        ("run", "--only", ""),
        ("run", "--stage", " "),
        ("run", "--again", ""),
        ("show", "tiny", ""),
        ("import", "--from", ""),
        ("fingerprint", ""),
        ("compare", ""),
        ("prune", ""),
    ],
)
def test_an_empty_word_does_not_stand_for_everything(words, capsys):
    """As of a variable that is not set: `simclr run --only "$NAME"`."""
    with pytest.raises(SystemExit) as caught:
        cli.main(list(words))
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert "empty; give a value" in said and said.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(closed):
    status, said = shell(f"{SIMCLR} plan tiny {closed}")
    assert status == 0
    assert said.startswith("scale tiny" if closed in ("2>&-", "<&-") else "")
    status, said = shell(f"{SIMCLR} plan nosuch {closed}")
    assert status == 2 and "Traceback" not in said


def test_a_current_folder_that_was_deleted(tmp_path):
    gone = tmp_path / "gone"
    line = f"mkdir {gone}; cd {gone}; rmdir {gone}; {SIMCLR} plan tiny"
    status, said = shell(line, PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1")
    assert (status, said) == (
        2,
        "error: the current folder was deleted; change to one that is there.\n",
    )


@pytest.mark.parametrize(
    "environment, is_right",
    [
        ({}, True),
        ({"RANK": "0"}, True),
        ({"WORLD_SIZE": "1"}, True),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "a", "MASTER_PORT": "1"}, True),
        ({"RANK": "1"}, False),
        ({"RANK": "1", "WORLD_SIZE": "1"}, False),
        ({"RANK": "abc"}, False),
        ({"RANK": "-1"}, False),
        ({"WORLD_SIZE": ""}, False),
        ({"WORLD_SIZE": "two"}, False),
        ({"WORLD_SIZE": "2"}, False),
        ({"RANK": "1", "WORLD_SIZE": "2"}, False),
        ({"LOCAL_RANK": "x"}, False),
    ],
)
def test_ranks_that_torchrun_did_not_set(environment, is_right):
    """Such a process would train, and leave nothing; or wait for others without end."""
    if is_right:
        torchrun.check_ranks(environment)
    else:
        with pytest.raises(ConfigError, match="in the environment: not as torchrun sets them"):
            torchrun.check_ranks(environment)


def test_a_rank_in_the_environment_computes_nothing(tmp_path):
    status, said = shell(f"{SIMCLR} run tiny --only nosuch", RANK="1")
    assert status == 2 and said.startswith("error: RANK=1, WORLD_SIZE=1 in the environment")


def test_no_damaged_result_is_removed_where_none_could_be_computed(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(ConfigError, match="RANK=1, WORLD_SIZE=1 in the environment"):
        maintenance.repair(None, [])


@pytest.fixture
def plan(tmp_path, monkeypatch):
    (tmp_path / "mini.yaml").write_text(MINI, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return build_plan("mini", tmp_path)


def test_a_folder_that_may_not_be_written_is_seen_before_the_work(plan, monkeypatch):
    data = plan.of("prepare")[0]
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(runner, "_loaded", lambda _: lambda *_: pytest.fail("it was computed"))
    with pytest.raises(PermissionError) as caught:
        runner.compute(data, plan.store)
    assert cli.explain(caught.value).startswith(f"{plan.store}/prepare: Permission denied")


def test_an_error_of_renaming_names_both_places():
    error = OSError(13, "Permission denied", "results/tmp/x", None, "results/histograms/x")
    said = "results/tmp/x to results/histograms/x: Permission denied; fix it"
    assert cli.explain(error).startswith(said)


def test_verify_goes_on_after_a_result_that_cannot_be_read(plan, capsys):
    one, other, third = plan.of("prepare", "pretrain", "evaluate")[:3]
    place = one.path(plan.store)
    (place / results.PROVENANCE).mkdir(parents=True)  # a folder where a file belongs
    file = other.path(plan.store)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("a file where a folder belongs", encoding="utf-8")
    third.path(plan.store).mkdir(parents=True)
    assert maintenance.verify(plan) == [one, other, third]
    said = capsys.readouterr()
    assert "Is a directory" in said.err and "Not a directory" in said.err
    assert said.out == "0 results intact, 3 damaged.\n"
    for path in (place, file):
        results.remove(path)
        assert not path.exists()


def test_prune_keeps_what_is_no_result(plan):
    notes = plan.store / "pretrain" / "NOTES.txt"
    old = plan.store / "pretrain" / "0123456789ab"
    old.mkdir(parents=True)
    notes.write_text("mine", encoding="utf-8")
    said = maintenance.prune(plan)
    aside = plan.store / "unused" / "pretrain"
    assert said.startswith("1 results removed") and f"are no results: {aside}/NOTES.txt" in said
    assert [file.name for file in aside.iterdir()] == ["NOTES.txt"]


def test_features_name_what_is_wrong(tmp_path):
    for path, said in ((tmp_path / "nope", "no such folder"), (Path(__file__), "not a folder")):
        with pytest.raises(ConfigError, match=f"{path}: {said}"):
            pretrained.sort_files(path)


def test_text_that_begins_like_an_image_is_left_out(tmp_path):
    texts = {
        "README": b"P3 is the third patient.\n",
        "cars": b"BMW,Audi\n1,2\n",
        "t.csv": b"P1 P2\n",
    }
    pictures = {"picture": b"P3\n1 1\n255\n9 9 9\n", "noted": b"P1 # mine\n1 1\n1\n"}
    for name, content in {**texts, **pictures}.items():
        (tmp_path / name).write_bytes(content)
    found, others = pretrained.sort_files(tmp_path)
    assert [file.name for file in found] == sorted(pictures)
    assert [file.name for file in others] == sorted(texts)


def test_a_name_of_several_trainings(plan):
    with pytest.raises(ConfigError, match=r"fig8: [1-9]\d* trainings begin with it; name one"):
        pretrained.match_training(plan, "fig8")
