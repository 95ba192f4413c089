"""A compiled training: the same bits from fresh compilations, killed or not; when it is refused."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from simclr.config import ConfigError
from simclr.files import sha256
from simclr.training import setup
from simclr.training.checkpoint import CHECKPOINT_MINUTES
from tests.test_pretrain import KILLED
from tests.training import prepare_data, pretrain_settings

COMPILED = KILLED.replace("pretrain_settings()", "pretrain_settings(compile=True)")


def start(data, folder, die_after: int) -> subprocess.Popen:
    """Train in a process and a cache of its own; killed at the save of this number, if any."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    environment = {**os.environ, CHECKPOINT_MINUTES: "0"}
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "compiled")
    words = [str(data), str(folder / "out"), str(die_after)]
    return subprocess.Popen([sys.executable, "-c", COMPILED, *words], env=environment)


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
@pytest.mark.slow
def test_compiled_twice_and_killed_gives_the_same_bits(tmp_path):
    data = prepare_data(tmp_path / "data")
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        folder.mkdir()
    whole, killed = (start(data, folder, die) for folder, die in zip(folders, (99, 3), strict=True))
    assert (killed.wait(300), whole.wait(300)) == (-signal.SIGKILL, 0)
    assert (tmp_path / "killed" / "checkpoint").exists()
    assert start(data, tmp_path / "killed", 99).wait(300) == 0
    bits = [sha256(folder / "out" / "encoder.safetensors") for folder in folders]
    assert bits[0] == bits[1]
    assert all(any((folder / "compiled").rglob("*.so")) for folder in folders)  # it was compiled


def test_what_cannot_be_compiled_is_said_before(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="compile: must be false with recompute"):
        pretrain_settings(compile=True, recompute=True)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    data = prepare_data(tmp_path / "data")
    with pytest.raises(ConfigError, match="compile: needs a C\\+\\+ compiler; install g\\+\\+"):
        setup.set_up_training(pretrain_settings(compile=True), data)
