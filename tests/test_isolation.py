"""No network, a full disk, results that cannot be written: in namespaces, or with fewer rights."""

import os
import subprocess

import pytest

from simclr.files import read_text
from tests.project import BIN, Project, namespaces

pytestmark = pytest.mark.slow


NAMESPACES = pytest.mark.skipif(not namespaces(), reason="no user namespaces (unshare -rn) here")
SNAKEMAKE = f"{BIN / 'snakemake'} --cores 2"


def within(project: Project, script: str, *flags) -> str:
    """Run a shell script in new namespaces; returns what it printed."""
    return project._run(["unshare", *flags, "bash", "-c", script], check=False).stdout


@NAMESPACES
def test_the_default_job_needs_no_network(finished):
    """It was computed where there is only the loopback device (conftest.py)."""
    header, *devices = read_text(finished.path.parent / "devices.txt").splitlines()[1:]
    assert header.startswith(" face") and [one.split(":")[0].strip() for one in devices] == ["lo"]
    assert (finished.path / "paper_figures" / "mini" / "fig8.svg").is_file()


@NAMESPACES
def test_a_full_disk_is_one_line_and_nothing_is_lost(finished, tmp_path):
    """At 400 KiB the data and a few results fit; with more, the same command goes on."""
    project = Project.create(tmp_path / "project")
    script = f"""
        mkdir -p results && mount -t tmpfs -o size=400k none results || exit 9
        {SNAKEMAKE} > full.txt 2>&1; echo status $?
        mount -o remount,size=200m results
        {SNAKEMAKE} > more.txt 2>&1; echo status $?
        cp -r results kept
    """
    said = within(project, script, "-rm")
    first, second = (line for line in said.splitlines() if line.startswith("status"))
    told = (project.path / "full.txt").read_text()
    assert first != "status 0" and second == "status 0", (project.path / "more.txt").read_text()
    assert "No space left on device" in told and "Traceback" not in told, told
    (project.path / "results").rmdir()
    (project.path / "kept").rename(project.path / "results")
    assert project.contents() == finished.contents()
    executed = project.executed()
    assert len(executed) == len(set(executed))  # what had fitted was not computed again


@NAMESPACES
def test_results_that_cannot_be_written(finished, tmp_path):
    project = finished.copy(tmp_path / "project")
    project.append("simclr/stages/evaluate.py", "\n\ndef _edited():\n    return 1\n")
    script = f"""
        mount --bind results results && mount -o remount,ro,bind results || exit 9
        {SNAKEMAKE}; echo status $?
    """
    said = within(project, script, "-rm")
    assert not said.rstrip().endswith(("status 0", "status 9")), said
    assert "Read-only file system" in said and "Traceback" not in said, said
    assert project.contents() == finished.contents()


# Root may write everywhere; but not without this capability.
POWERLESS = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]


def test_no_permission_to_write(finished, tmp_path):
    """One line that names the folder; with the permission, the same command goes on."""
    prefix = POWERLESS if os.geteuid() == 0 else []
    if prefix and subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip("root, and no setpriv to give up its rights")
    project = finished.copy(tmp_path / "project")
    project.append("simclr/stages/evaluate.py", "\n\ndef _edited():\n    return 1\n")
    command = [*prefix, BIN / "snakemake", "--cores", "2"]
    for place in ("results/mini/evaluate", "results/mini/tmp", "paper_figures"):
        folder = project.path / place
        folder.mkdir(exist_ok=True)
        folders = [folder, *(one for one in folder.rglob("*") if one.is_dir())]
        for one in folders:
            one.chmod(0o555)
        done = project._run(command, check=False)
        for one in folders:
            one.chmod(0o755)
        assert done.returncode and "Permission denied" in done.stdout, done.stdout
        assert place in done.stdout and "Traceback" not in done.stdout, done.stdout
    project._run(command, check=True)
    assert "up to date" in project.dvc("status").stdout
