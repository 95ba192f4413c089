"""GPU slots, with real processes; cards are only names here, so no GPU is needed."""

import os
import select
import signal
import subprocess
import sys

import pytest

from simclr.config import ConfigError
from workflow.running import gpu_slots

HOLD = """
import os, sys, time
from workflow.running import gpu_slots
with gpu_slots.slot() as card:
    assert os.environ["CUDA_VISIBLE_DEVICES"] == card
    print(card, flush=True)
    sys.stdin.read()
"""
HOLD_TWO = """
import sys
from workflow.running import gpu_slots
cards, files = gpu_slots.take(2)
print(cards, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Two cards of two slots, whose locks nobody else uses."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-5a")
    monkeypatch.setenv("SIMCLR_GPU_SLOTS", "2")


def start(code=HOLD):
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_no_card_has_more_jobs_than_slots_and_a_killed_job_frees_its_own(machine):
    holders = []
    for _ in range(4):
        holders.append(start())
        holders[-1].card = holders[-1].stdout.readline().strip()
    # The second card before the second slot of the first.
    assert [one.card for one in holders] == ["3", "GPU-5a", "3", "GPU-5a"]
    fifth = start()
    assert fifth.stderr.readline() == "all 4 GPU slots are taken; waiting.\n"
    assert not select.select([fifth.stdout], [], [], 4 * gpu_slots.POLL_SECONDS)[0]
    holders[1].send_signal(signal.SIGKILL)
    assert fifth.stdout.readline().strip() == "GPU-5a"
    for one in [*holders, fifth]:
        one.communicate()
    assert [one.returncode for one in [*holders, fifth]] == [0, -signal.SIGKILL, 0, 0, 0]


def test_who_needs_two_cards_waits_for_both_with_none_in_hand(machine, monkeypatch):
    monkeypatch.setenv("SIMCLR_GPU_SLOTS", "1")
    one = start()
    assert one.stdout.readline() == "3\n"
    two = start(HOLD_TWO)
    assert two.stderr.readline() == "too many of 2 GPU slots are taken; waiting.\n"
    for _ in range(3):  # a small job still gets the second card, again and again
        with gpu_slots.slot() as card:
            assert card == "GPU-5a"
            assert not select.select([two.stdout], [], [], 2 * gpu_slots.POLL_SECONDS)[0]
    one.communicate()
    assert two.stdout.readline() == "3,GPU-5a\n"
    two.communicate()
    with pytest.raises(ConfigError, match="gpus: 3 wanted, but only 2 available here"):
        gpu_slots.take(3)


def test_jobs_of_slurm_do_not_wait_for_each_other(machine, monkeypatch):
    """Slurm gave each its cards, which it may name alike."""
    monkeypatch.setenv("SIMCLR_GPU_SLOTS", "1")
    held = []
    for job in ("7", "8"):
        monkeypatch.setenv("SLURM_JOB_ID", job)
        cards, files = gpu_slots.take(2)
        held += files
        assert cards == "3,GPU-5a"
    for file in held:
        file.close()


def test_the_environment_is_put_back(machine):
    with gpu_slots.slot() as card:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == card == "3"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,GPU-5a"


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_a_wrong_number_of_slots_is_refused(machine, monkeypatch, text):
    monkeypatch.setenv("SIMCLR_GPU_SLOTS", text)
    with (
        pytest.raises(ConfigError, match=f"^SIMCLR_GPU_SLOTS: expected .* got '{text}'.$"),
        gpu_slots.slot(),
    ):
        pass


@pytest.mark.parametrize("text", ["", "-1", "-1,0"])
def test_without_a_gpu_it_says_so(machine, monkeypatch, text):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
    with pytest.raises(ConfigError, match="no GPU is available here; use 'cpu'"):
        gpu_slots.cards()
