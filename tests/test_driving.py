"""Real runs that people start otherwise than the docs say: never silent, never half done."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from simclr.store import results
from tests.project import BIN, ROOT, Project

pytestmark = pytest.mark.slow
PROFILES = {  # such as people have for all their workflows
    "conda": "software-deployment-method: conda\ncores: 1\n",
    "own": "cores: 1\nkeep-going: true\ndefault-resources: [mem_mb=9999999]\n",
    "slurm": "executor: slurm\njobs: 4\n",
}


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory) -> Project:
    """Finished; no test of this module changes a result of it."""
    return finished.copy(tmp_path_factory.mktemp("driving") / "project")


def run(project: Project, *words, folder=".", **environment):
    """Run Snakemake in a folder of the project, with nothing added; returns (status, output)."""
    started = project.launch(["env", "-C", folder, BIN / "snakemake", *words], environment)
    output = started.communicate()[0]
    return started.returncode, output


@pytest.mark.parametrize(
    "words, said",
    [
        (["README.md"], "error: README.md: no such figure, family or stage."),
        (["--config", "scale"], "Config entries have to be defined as name=value pairs"),
        (["--until", "nothing"], "nothing"),
        (["-F"], "error: --forceall: finished results are kept"),
    ],
)
def test_it_says_why_it_does_not_run(project, words, said):
    status, output = run(project, *words)
    assert status and said in output, output


def test_a_mistake_in_the_code_is_told(finished, tmp_path):
    """In a module that Snakemake imports, in one that only a stage imports, beside them."""
    project = finished.copy(tmp_path / "project")
    for name, said in {
        "workflow/planning/plan.py": "workflow/planning/plan.py, line ",
        "simclr/stages/evaluate.py": "simclr/stages/evaluate.py, line ",
        "params.yaml": "error: params.yaml: not valid YAML: ",
        "Snakefile": "Expected name or colon after rule",
    }.items():
        original = (project.path / name).read_text()
        project.append(name, "rule broken\n" if name == "Snakefile" else "<<<<<<< HEAD\n")
        status, output = run(project)
        assert status and said in output and "Traceback" not in output, output
        if name != "Snakefile":
            told = project.simclr("plan", check=False)
            assert told.returncode == 2 and len(told.stdout.splitlines()) == 1, told.stdout
            assert said in told.stdout
        project.write(name, original)


def test_nothing_depends_on_a_profile(project, tmp_path):
    """`snakemake`, a HOME that cannot be written, no profile, one's own that asks for conda."""
    for name, text in PROFILES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text)
    for words, environment in [
        (["fig6"], {"HOME": "/proc/nowhere", "SNAKEMAKE_PROFILE": str(tmp_path / "conda")}),
        (["--cores", "1", "--workflow-profile", "none"], {}),
        (["--workflow-profile", tmp_path / "own"], {}),
        ([], {}),
    ]:
        status, output = run(project, *words, **environment)
        assert status == 0 and "nothing to compute" in output, output
        assert "conda" not in output.replace(str(tmp_path / "conda"), ""), output
    status, output = run(project, "--profile", tmp_path / "slurm")
    last = output.splitlines()[-1]
    assert status == 2 and last.startswith("error: executor slurm (of a profile or --executor)")
    assert "--executor local" in last


def first_in_run(project: Project, stage: str, text: str) -> None:
    """Let a stage begin with these lines of code."""
    name = f"simclr/stages/{stage}.py"
    head, tail = (project.path / name).read_text().split("report) -> None:\n", 1)
    project.write(name, f"{head}report) -> None:\n{text}{tail}")


def test_a_failed_run_ends_with_its_causes_and_keeps_what_was_finished(finished, tmp_path):
    """Without our profile; and memory is shared out as cores are."""
    project = finished.copy(tmp_path / "project")
    first_in_run(project, "histograms", "    import os\n\n    os.kill(os.getpid(), 9)\n")
    once = "    if Path('once').exists():\n        raise ConfigError('a reason')\n"
    first_in_run(project, "evaluate", f"{once}    Path('once').touch()\n")
    words = ("--workflow-profile", "none", "-k", "--cores", "12", "--resources", "mem_mb=1000")
    status, output = run(project, *words)
    *_, histograms, first, second = output.splitlines()
    killed = "failed: histograms_fig6_histograms: killed, most likely for lack of memory"
    assert status == 1 and histograms.startswith(killed), output
    for line, job in ((first, "train_fig8_none"), (second, "train_table5_l2_0_5")):
        assert line.startswith(f"failed: {job}: evaluate "), output
        assert line.endswith(f": a reason (log: results/mini/logs/{job}.log)"), output
    log = max((project.path / ".snakemake" / "log").glob("*"))  # named by date
    assert set(re.findall(r"Execute (\d+) jobs", log.read_text())) == {"1"}
    kept = [one for one in project.executed() if one.startswith("evaluate")]
    there = project.simclr("plan", "--list").stdout.splitlines()
    assert len(kept) == 9 and sum(line.startswith("cached evaluate") for line in there) == 1


def test_a_second_ctrl_c_shows_no_trace(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    first_in_run(project, "histograms", "    import time\n\n    time.sleep(100)\n")
    process = project.launch([BIN / "snakemake", "fig6"])
    session = project.store / "session.json"
    before = session.stat().st_mtime_ns
    deadline = time.monotonic() + 120
    while session.stat().st_mtime_ns == before:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    for _ in range(3):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.1)
    output = process.communicate()[0]
    assert process.returncode and output.rstrip().endswith("the same command goes on from here.")
    assert "Traceback" not in output and output.count("goes on from here") == 1, output


def test_ctrl_c_while_snakemake_starts_for_dvc_shows_no_trace(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    shutil.rmtree(project.store / "figures")
    command = [sys.executable, "-m", "workflow", "publish", "mini", "--complete"]
    process = project.launch(command, {"PYTHONPROFILEIMPORTTIME": "1"})
    for line in process.stdout:  # each import, as it ends
        if re.search(r"\| +snakemake\.", line):
            break
    os.killpg(process.pid, signal.SIGINT)
    output = process.communicate()[0]
    assert process.returncode == 130 and "Traceback" not in output, output
    assert output.endswith("stopped; the same command goes on from here.\n"), output


def test_after_ctrl_c_one_line_is_said_and_no_more():
    """Whatever Snakemake's logger gets, and once its handlers are gone, too."""
    code = (
        "import logging, signal\n"
        "from workflow.running import screen\n"
        "logger = logging.getLogger('snakemake')\n"
        "logger.addHandler(logging.StreamHandler())\n"
        "screen.stop_on_ctrl_c(True, logger)\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGINT)\n"
        "finally:\n"
        "    logger.error('a trace')\n"
        "    for handler in list(logger.handlers):\n"
        "        logger.removeHandler(handler)\n"
        "    logging.getLogger('snakemake.cli').error('another')\n"
        "    screen.say_stopped()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8"
    )
    assert done.stderr == "stopped; the same command goes on from here.\n"
    assert done.returncode == 130


def test_elsewhere_it_is_one_line_and_nothing_is_left(project, tmp_path):
    """In a folder of the project, or with --directory."""
    (tmp_path / "empty").mkdir()
    for words, folder in [
        (["-s", "../Snakefile"], "docs"),
        (["-s", project.path / "Snakefile"], tmp_path / "empty"),
        (["-d", tmp_path / "empty"], "."),
    ]:
        left = sorted((project.path / folder).iterdir())
        status, output = run(project, *words, folder=folder)
        said = f"not the folder of this project; run it in {project.path}."
        assert status == 2 and output.splitlines()[-1].endswith(said), output
        assert sorted((project.path / folder).iterdir()) == left and not os.listdir(
            tmp_path / "empty"
        )


def test_the_command_line_works_on_the_project_that_one_stands_in(project):
    """Whichever checkout it was started from."""
    code = "import sys, workflow.cli; sys.exit(workflow.cli.main())"
    for folder in (".", "docs", "workflow/running"):
        words = ["env", "-C", folder, sys.executable, "-Pc", code, "plan", "--list"]
        said = project.launch(words, {"PYTHONPATH": str(ROOT)}).communicate()[0]
        assert said.startswith("scale mini: 22 results, all that"), said
        assert sum(line.startswith("cached") for line in said.splitlines()) == 22


def test_names_are_explained(project):
    lines = run(project, "--list")[1].splitlines()
    assert "fig8 (Figure 8: projection heads)" in lines
    assert "head (of table5, fig8)" in lines and not any("train_" in line for line in lines)


def test_lint(project):
    """Of Snakemake's own advice one is not followed: the environment is that of `make setup`."""
    _, output = run(project, "--lint", "--workflow-profile", "none")
    found = {line.strip() for line in output.splitlines() if line.startswith("    * ")}
    assert found == {"* Specify a conda environment or container for each rule.:"}, output


def test_dvc_repro_by_force_computes_nothing_and_says_what_does(project):
    before = project.contents()
    said = project.dvc("repro", "-f").stdout
    assert said.count("`simclr run --again NAME`") == 4 and project.contents() == before


def test_a_result_is_computed_again_and_compared(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    before, executed = project.contents(), len(project.executed())
    said = project.simclr("run", "--again", "fig6.histograms").stdout.splitlines()
    assert [line.split(": ", 1)[1] for line in said] == [
        "computed again, the same bits; the kept one stays."
    ] * 2
    assert len(project.executed(executed)) == 2 and project.contents() == before

    # One that is intact, but not what this code gives.
    file = next(project.store.glob("histograms/*/histograms.csv"))
    original = file.read_text()
    file.write_text(original + "\n")
    provenance = json.loads((file.parent / "provenance.json").read_text())
    provenance["outputs"][file.name] = results.sha256(file)
    (file.parent / "provenance.json").write_text(results.provenance_text(provenance))
    done = project.simclr("run", "--again", "fig6.histograms", check=False)
    assert done.returncode == 1 and done.stdout.count("OTHER BITS in histograms.csv") == 1
    assert file.read_text() == original
    assert "22 results intact, 0 damaged." in project.simclr("verify").stdout
    done = project.simclr("run", "--again", "fig6", "--stage", "figures", check=False)
    assert done.returncode == 2 and "leave out --keys, --only and --stage" in done.stdout
