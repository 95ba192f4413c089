"""The fourteen scenarios that both drivers must pass, through real snakemake and dvc processes.

What counts is what was really executed: every executed stage leaves a line in the journal.
"""

import json
import os
import signal
import time

import pytest

from tests.project import MINI, Project

pytestmark = pytest.mark.slow
BOTH = pytest.mark.parametrize("driver", ["snakemake", "dvc"])
EVALUATION = "simclr/stages/evaluate.py"
EDIT = "\n\ndef _edited():\n    return 1\n"


@pytest.fixture
def project(finished, tmp_path) -> Project:
    return finished.copy(tmp_path / "project")


def run(project: Project, driver: str) -> list[str]:
    """Bring everything up to date by `driver`; returns the stages that were executed."""
    before = len(project.executed())
    project.snakemake() if driver == "snakemake" else project.dvc("repro")
    return project.executed(before)


def stages(executed: list[str]) -> set[str]:
    return {one.split()[0] for one in executed}


def other(driver: str) -> str:
    return "dvc" if driver == "snakemake" else "snakemake"


def test_everything_was_computed_once(finished):
    executed = finished.executed()
    assert len(executed) == len(set(executed))
    assert stages(executed) == {"prepare", "pretrain", "evaluate", "histograms", "figures"}
    # table5 and fig8 share their base setting: 2 + 3 settings - 1 shared, 2 seeds each
    assert sum(one.startswith("pretrain") for one in executed) == 8


def test_01_after_snakemake_dvc_has_nothing_to_do(project):
    assert "up to date" in project.dvc("status").stdout
    assert run(project, "dvc") == []


def test_02_after_dvc_snakemake_has_nothing_to_do(finished, tmp_path):
    project = Project.create(tmp_path / "project")
    assert len(run(project, "dvc")) == len(finished.executed())
    assert run(project, "snakemake") == []
    assert project.contents() == finished.contents()  # and both drivers give the same bits
    assert project.published() == finished.published()


@BOTH
def test_03_code_edits_recompute_what_can_change(project, driver):
    project.append(EVALUATION, "\n# a comment\n")
    assert run(project, driver) == []
    project.append(EVALUATION, EDIT)
    assert stages(run(project, driver)) == {"evaluate", "figures"}
    assert run(project, other(driver)) == []


@BOTH
def test_04_one_setting_changes_only_its_chain(project, driver):
    project.edit("workflow/scales/mini.yaml", "normalized: [0.5]", "normalized: [0.5, 0.7]")
    added = run(project, driver)
    assert stages(added) == {"pretrain", "evaluate", "figures"}
    assert [one for one in added if one.startswith("figures")] == ["figures table5"]
    assert sum(one.startswith("pretrain") for one in added) == 2
    assert b",0.7," in project.published()["table5.csv"]

    project.edit("workflow/scales/mini.yaml", "[0.5, 0.7]", "[0.5, 0.8]")  # changed
    assert sum(one.startswith("pretrain") for one in run(project, driver)) == 2
    assert b",0.7," not in project.published()["table5.csv"]

    # Removed, renamed, and a whole figure less: nothing of it is computed.
    project.edit("workflow/scales/mini.yaml", "[0.5, 0.8]", "[0.5]")
    project.edit("workflow/experiments/table5.py", "{'l2' if", "{'norm' if")
    project.edit("workflow/scales/mini.yaml", "  fig8: {dims: [8]}\n", "")
    assert run(project, driver) == ["figures table5"]
    assert b",0.8," not in project.published()["table5.csv"]
    assert b"norm-0.5" in project.published()["table5.csv"]
    assert not any(name.startswith("fig8") for name in project.published())
    assert b"fig8" not in project.published()["index.html"]


@BOTH
def test_05_a_revert_by_hand_computes_nothing(project, driver):
    before = project.published()
    project.edit("workflow/scales/mini.yaml", "{dims: [8]}", "{dims: [8, 4]}")
    assert run(project, driver)
    assert project.published() != before
    project.edit("workflow/scales/mini.yaml", "{dims: [8, 4]}", "{dims: [8]}")
    assert run(project, driver) == []
    assert project.published() == before


def test_06_clone_and_pull_leave_nothing_to_do(finished, tmp_path):
    clone = finished.clone(tmp_path / "clone")
    clone.dvc("pull")
    assert run(clone, "snakemake") == []
    assert run(clone, "dvc") == []
    assert clone.contents() == finished.contents()


@BOTH
def test_07_branch_and_back(project, driver):
    project.git("switch", "--quiet", "--create", "idea")
    project.edit("workflow/scales/mini.yaml", "{dims: [8]}", "{dims: [4]}")
    assert run(project, driver)
    project.commit()
    for branch in ("main", "idea", "main"):
        project.git("switch", "--quiet", branch)
        assert run(project, driver) == []
        assert project.git("status", "--short").stdout == ""  # dvc.lock and figures as committed
        assert "up to date" in project.dvc("status").stdout


def test_07b_prune_deletes_what_no_plan_names(project):
    project.edit("workflow/scales/mini.yaml", "  fig8: {dims: [8]}\n", "")
    project.snakemake()
    assert (project.store / "unused" / "pretrain").is_dir()
    assert project.simclr("prune").stdout.startswith("9 results removed")
    project.edit("workflow/scales/mini.yaml", "  table5", "  fig8: {dims: [8]}\n  table5")
    assert len(run(project, "snakemake")) == 9


def test_08_killed_in_the_middle_and_started_again(finished, tmp_path):
    project = Project.create(tmp_path / "project")
    driver = project.start()
    deadline = time.monotonic() + 120
    while not any(one.startswith("pretrain") for one in project.executed()):
        assert time.monotonic() < deadline and driver.poll() is None
        time.sleep(0.05)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    done = len(project.executed())
    assert done < len(finished.executed())
    project.snakemake(cores=1)  # of two cores, or one by one: the same bits
    assert len(project.executed()) >= len(finished.executed())
    assert project.contents() == finished.contents()
    assert project.published() == finished.published()
    assert not list((project.store / "checkpoints").iterdir())


def test_09_a_damaged_output_is_named_and_never_recorded(project):
    encoder = next((project.store / "pretrain").glob("*/encoder.safetensors"))
    content = bytearray(encoder.read_bytes())
    content[-1] ^= 1
    encoder.write_bytes(content)
    relative = str(encoder.relative_to(project.path))
    recorded = (project.path / "dvc.lock").read_bytes()

    found = project.simclr("verify", check=False)
    assert found.returncode == 1 and f"error: {relative}: content differs" in found.stdout

    done = project.dvc("repro", check=False)
    assert done.returncode != 0 and relative in done.stdout
    assert (project.path / "dvc.lock").read_bytes() == recorded

    project.append(EVALUATION, EDIT)  # every evaluation would read its encoder again
    done = project.snakemake("--keep-going", check=False)
    assert done.returncode != 0 and f": {relative}: content differs" in done.stdout
    assert (project.path / "dvc.lock").read_bytes() == recorded

    before = len(project.executed())
    project.simclr("verify", "--repair")
    assert stages(project.executed(before)) == {"pretrain"}  # exactly what was damaged
    assert len(project.executed(before)) == 1
    assert not any(one.startswith("pretrain") for one in run(project, "snakemake"))
    content[-1] ^= 1
    assert encoder.read_bytes() == content
    assert "up to date" in project.dvc("status").stdout


def test_10_one_figure_runs_only_what_it_needs(finished, tmp_path):
    project = Project.create(tmp_path / "project")
    said = project.snakemake("fig6", cores=1).stdout
    assert "22 results, 4 to compute: " in said and "[  4/4] figures fig6" in said, said
    assert project.executed() == [
        "prepare data",
        "histograms fig6.histograms.s0",
        "histograms fig6.histograms.s1",
        "figures fig6",
    ]
    assert set(project.published()) > {"fig6.svg", "fig6.png", "fig6.csv", "index.html"}
    assert b'src="contact_sheet.png"' in project.published()["index.html"]
    assert not (project.path / "dvc.lock").exists()  # a part is never recorded as the whole
    project.snakemake("table5", cores=1)
    assert sum(one.startswith("pretrain") for one in project.executed()) == 4
    assert project.contents().items() < finished.contents().items()  # the same bits, in parts


@BOTH
def test_11_dates_of_files_do_not_matter(project, driver):
    """Touched now, or all files newer than the clock says it is."""
    for hours in (0, 24):
        then = time.time() + 3600 * hours
        for file in project.path.rglob("*"):
            if ".git" not in file.parts and file.exists():
                os.utime(file, (then, then), follow_symlinks=False)
        assert run(project, driver) == [], f"{hours} hours ahead"


@BOTH
def test_12_another_scale_and_back(project, driver):
    second = MINI[: MINI.index("experiments:")] + "experiments: {fig6: {}}\n"  # trains nothing
    project.write("workflow/scales/second.yaml", second.replace("seeds: [0, 1]", "seeds: [0]"))
    before = project.published()
    project.write("params.yaml", "scale: second\n")
    run(project, driver)
    journal = project.path / "results" / "second" / "journal.jsonl"
    executed = len(journal.read_text().splitlines())
    assert executed == 3  # data, histograms, figure
    recorded = (project.path / "dvc.lock").read_bytes()
    # Without a change of params.yaml, whose scale is DVC's: nothing is recorded for another one.
    assert "Not recorded" in project.snakemake("--config", "scale=mini").stdout
    assert (project.path / "dvc.lock").read_bytes() == recorded
    project.write("params.yaml", "scale: mini\n")
    assert run(project, driver) == []
    assert project.published() == before
    project.write("params.yaml", "scale: second\n")
    run(project, driver)
    assert len(journal.read_text().splitlines()) == executed


def without_origins(project: Project) -> dict[str, bytes]:
    """Return what is published, but for what says where and in what time it was made."""
    files = project.published()
    files.pop("runs.html")
    metrics = {**json.loads(files["metrics.json"]), "hours": None}
    return {**files, "metrics.json": json.dumps(metrics).encode()}


def test_13_figures_without_encoders(finished, tmp_path):
    imported = finished.copy(tmp_path / "imported")
    imported.simclr("export")
    imported.commit()
    imported = imported.clone(tmp_path / "clone")
    assert "results imported" in imported.simclr("import").stdout
    assert stages(run(imported, "snakemake")) == {"figures"}
    provenance = imported.published().pop("runs.html")
    assert b"not published" not in provenance  # which those of `finished` are
    assert without_origins(imported) == without_origins(finished)
    hours = [json.loads(one.published()["metrics.json"])["hours"] for one in (imported, finished)]
    assert "core-hours" in hours[0] and hours[1] == {}  # those of what is published
    published = (imported.path / "data/published/mini.jsonl").read_bytes()
    assert b'"training"' in published
    imported.simclr("export")  # durations are known from the published ones alone
    assert (imported.path / "data/published/mini.jsonl").read_bytes() == published

    pulled = finished.clone(tmp_path / "pulled")
    pulled.dvc("pull", "results/mini/evaluate", "results/mini/histograms")
    assert stages(run(pulled, "snakemake")) == {"figures"}
    assert pulled.published() == finished.published()


def test_14_two_drivers_at_once(finished, tmp_path):
    project = Project.create(tmp_path / "project")
    first = project.start("fig6")
    deadline = time.monotonic() + 60
    while not (project.store / "session.json").exists():
        assert time.monotonic() < deadline and first.poll() is None
        time.sleep(0.05)
    second = project.snakemake(check=False)
    assert second.returncode != 0
    assert f"another run is at work (process {first.pid})" in second.stdout
    output, _ = first.communicate()
    assert first.returncode == 0, output
    assert len(project.executed()) == len(set(project.executed())) == 4
    assert project.contents().items() < finished.contents().items()
