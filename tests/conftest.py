"""What holds for all tests: one thread each, what a quick test may start, shared fixtures."""

import fcntl
import functools
import os
import signal
import sys
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from tests.project import BIN, Project, namespaces

# The workers have all cores at work; more threads would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell ignores Ctrl-C in what it starts in the background, and so would every program of a test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Programs that only a test marked `slow` may start: drivers, clusters, and a browser's driver.
SLOW_PROGRAMS = {"snakemake", "dvc", "torchrun", "sbatch", "slurmctld", "chromium", "node"}
SLOW_MODULES = {"dvc", "snakemake", "torch.distributed.run", "tests.slurm", "tests.s3_server"}
_quick_test = None  # the name of the test at work, unless it is marked `slow`


def pytest_xdist_auto_num_workers(config) -> int:
    """A worker for every core; with the slow tests one more, since drivers wait half the time."""
    from simclr.data.images import cores

    return cores() + ("not slow" not in config.option.markexpr)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    global _quick_test
    _quick_test = None if item.get_closest_marker("slow") else item.nodeid
    try:
        return (yield)
    finally:
        _quick_test = None


def refuse_slow_programs(event: str, arguments: tuple) -> None:
    """Raise RuntimeError where a test that is not marked `slow` starts one of these programs."""
    if event == "subprocess.Popen" and _quick_test:
        words = [str(word) for word in arguments[1]]
        programs = {Path(word).name for word in words}
        if programs & SLOW_PROGRAMS or ("-m" in words and set(words) & SLOW_MODULES):
            raise RuntimeError(f"{_quick_test}: starts {words[:3]}; mark it `slow`")


sys.addaudithook(refuse_slow_programs)


def pytest_assertrepr_compare(op: str, left, right) -> list[str] | None:
    """Say which files differ, and where first, where two dictionaries of files are compared."""
    both = (left, right)
    if op != "==" or not all(isinstance(one, dict) and one for one in both):
        return None
    if not all(isinstance(value, bytes) for one in both for value in one.values()):
        return None
    lines = ["the same files"]
    for name in sorted(set(left) | set(right), key=str):
        one, other = left.get(name), right.get(name)
        if one is None or other is None:
            lines.append(f"{name}: only {'right' if one is None else 'left'}")
        elif one != other:
            pairs = enumerate(zip(one, other, strict=False))
            at = next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
            parts = (content[max(at - 40, 0) : at + 80] for content in (one, other))
            lines.append(f"{name}, byte {at}: {' and '.join(map(repr, parts))}")
    return lines


def of_all_workers(tmp_path_factory, name: str) -> Path:
    """Return a folder that all of pytest's workers share in this session."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of the worker lies in the one of the session
    (folder / name).mkdir(exist_ok=True)
    return folder / name


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """The small prepared set of tests/training.py; only read it."""
    import torch

    from tests import training

    torch.set_num_threads(1)
    return training.prepare_data(tmp_path_factory.mktemp("data") / "data")


@pytest.fixture(scope="session")
def encoder(data, tmp_path_factory) -> Path:
    """The folder of an encoder that was pre-trained on `data`; only read it."""
    from simclr.stages import pretrain
    from tests import training

    out = tmp_path_factory.mktemp("encoder") / "out"
    return training.run(pretrain, training.pretrain_settings(), data, out)


@pytest.fixture(scope="session")
def planned():
    """Call it with the name of a scale: its plan, planned once in a worker; only read it."""
    from workflow.planning.planner import build_plan

    return functools.cache(build_plan)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """paper_figures with the figures of two scales, drawn from made-up metrics; only read it.

    tiny: all experiments; small: two of them. Workers that need them at once share the drawing.
    """
    from tests import synthetic
    from workflow.figures import stage
    from workflow.planning.scale import load_scale

    root = of_all_workers(tmp_path_factory, "drawn")
    locks = of_all_workers(tmp_path_factory, "drawn-locks")
    figures = [("tiny", name) for name in load_scale("tiny").experiments]
    figures += [("small", "fig6"), ("small", "table3")]
    for blocking in (False, True):  # first those that nobody draws, then wait for the others
        for scale, name in figures:
            (root / scale).mkdir(exist_ok=True)
            try:
                with FileLock(locks / f"{scale}.{name}", blocking=blocking):
                    if not (root / scale / f"{name}.caption.md").exists():  # is written last
                        rows = synthetic.rows(scale, name)
                        stage.draw(name, rows, synthetic.context(scale), root / scale)
            except Timeout:
                pass
    return root


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Project:
    """The minute scale, computed once by snakemake, recorded, committed, pushed to a remote.

    Without a network where that can be had: beside the folder, devices.txt lists what there was.
    For all of pytest's workers: the first to come makes it, others wait. Tests only read it.
    """
    folder = of_all_workers(tmp_path_factory, "scenarios")
    with open(folder / "lock", "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        project = Project(folder / "finished")
        if not (folder / "made").exists():
            project = Project.create(project.path)
            project.dvc("remote", "add", "--default", "local", str(folder / "remote"))
            alone = ["unshare", "-rn"] if namespaces() else []
            script = 'cat /proc/net/dev > "$0"; exec "$@"'
            command = [folder / "devices.txt", BIN / "snakemake", "--cores", "2"]
            project._run([*alone, "bash", "-c", script, *command], check=True)
            project.commit()
            project.dvc("push")
            (folder / "made").touch()
    return project
