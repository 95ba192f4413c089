"""An edit that is saved while a driver works: never a wrong value under a key (tests/edits.py)."""

import pytest

from tests import edits

# Seconds after a process has started. `python -m tests.edits` tries each with each driver.
SAMPLE = {"run": edits.DELAYS[::2], "snakemake": [0.2, 0.8, 1.4, 2.0], "dvc repro": [0.6, 1.0]}


@pytest.mark.slow
def test_an_edit_while_a_driver_works_never_gives_a_wrong_value(tmp_path):
    project, expected = edits.prepared(tmp_path / "project")
    for driver, who, delay, hold in edits.rounds(SAMPLE):
        status = edits.edited(project, driver, who, delay, hold)
        found = edits.wrong(project, expected)
        assert not found, f"{driver}, {who}, {delay} s, status {status}: {found}"
    project._run(edits.DRIVERS["run"], check=True)
    assert not edits.wrong(project, expected)
    encoder = next((project.store / "pretrain").glob("*/encoder.safetensors"))
    content = encoder.read_bytes()
    encoder.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # a wrong value would be seen
    assert edits.wrong(project, expected) == [str(encoder.relative_to(project.store))]
