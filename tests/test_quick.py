"""What `make quick` runs starts no driver, cluster or browser: tests/conftest.py sees to it."""

import subprocess
import sys

import pytest

from tests import conftest
from tests.project import BIN, ROOT

STARTS = [
    [BIN / "snakemake", "--version"],
    [BIN / "dvc", "--version"],
    [sys.executable, "-m", "dvc", "--version"],
    ["unshare", "-rn", BIN / "snakemake"],
    ["sbatch", "--version"],
    ["chromium", "--version"],
]


@pytest.mark.parametrize("command", STARTS, ids=lambda words: str(words[-2]))
def test_a_quick_test_cannot_start_a_driver(command):
    with pytest.raises(RuntimeError, match="mark it `slow`"):
        subprocess.run(command, cwd=ROOT, capture_output=True)


def test_others_can_be_started():
    words = [sys.executable, "-c", "import sys; print(sys.argv[1:])", "dvc.yaml"]
    assert subprocess.check_output(words, text=True) == "['dvc.yaml']\n"


@pytest.mark.slow
def test_a_slow_test_can():
    assert conftest._quick_test is None
    assert subprocess.check_output([BIN / "dvc", "--version"], text=True)[0].isdigit()


def test_make_quick_leaves_out_what_is_marked_slow():
    recipe = (ROOT / "Makefile").read_text().split("\nquick:")[1].split("\n\n")[0]
    assert 'python -m pytest -m "not slow"' in recipe and "lint" in recipe
