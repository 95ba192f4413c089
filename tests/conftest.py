"""What holds for all tests."""

import fcntl
import os

import pytest

from tests.project import Project

# Every core has a worker of pytest's; more threads would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """paper_figures with the figures of two scales, drawn from made-up metrics; only read it.

    tiny: all experiments; small: two of them.
    """
    from tests import synthetic
    from workflow.figures import stage
    from workflow.planning.scale import load_scale

    root = tmp_path_factory.mktemp("drawn")
    whole = load_scale("tiny").experiments
    for scale, names in (("tiny", whole), ("small", ("fig6", "table3"))):
        (root / scale).mkdir()
        for name in names:
            rows = synthetic.rows(scale, name)
            stage.draw(name, rows, synthetic.context(scale), root / scale)
    return root


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """The minute scale, computed once by snakemake, recorded, committed, pushed to a remote.

    For all of pytest's workers: the first to come makes it, others wait. Tests only read it.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of the worker lies in the one of the session
    folder = folder / "scenarios"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        project = Project(folder / "finished")
        if not (folder / "made").exists():
            project = Project.create(project.path)
            project.dvc("remote", "add", "--default", "local", str(folder / "remote"))
            project.snakemake()
            project.commit()
            project.dvc("push")
            (folder / "made").touch()
    return project
