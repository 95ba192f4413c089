"""What else could bring a wrong value under a key: data, versions, settings, the paper."""

import dataclasses
import itertools
import json
import sys
import types

import numpy as np
import pytest
from PIL import Image

from simclr.config import ConfigError, DataError, build
from simclr.data.sources import folder
from simclr.settings.data import Prepare
from simclr.stages import prepare
from simclr.store import keys, results, runner
from simclr.store.instance import Instance, from_line
from simclr.store.results import ResultError
from tests.training import silent
from workflow import paper
from workflow.stages import FIGURES, STAGES


@pytest.fixture
def measured(tmp_path) -> Instance:
    """Histograms of a prepared set in tmp_path, which is there."""

    def planned(stage: str, inputs: dict, **values) -> Instance:
        settings = build(STAGES[stage].settings, values)
        return Instance(STAGES[stage], "fig6", "x", 0, settings, inputs)

    counts = {"image_size": 8, "train_images": 20, "test_images": 20}
    data = planned("prepare", {}, **counts)
    assert runner.compute(data, tmp_path)
    return planned("histograms", {"data": data}, images=10)


def rewritten(file, byte: bytes = b"\x01"):
    """Write other bytes at the end of a file; returns what was in it."""
    before = file.read_bytes()
    file.write_bytes(before[:-1] + byte)
    return before


@pytest.mark.parametrize("taken_back", [False, True])
def test_inputs_that_change_while_they_are_read_are_refused(measured, tmp_path, taken_back):
    file = measured.inputs["data"].path(tmp_path) / "train_images.npy"
    checkpoint = runner._checkpoint(measured, tmp_path)

    def change(done, text):
        checkpoint.write_bytes(b"of other inputs")
        before = rewritten(file)
        if taken_back:
            file.write_bytes(before)

    with pytest.raises(ConfigError, match="its inputs were changed meanwhile; run again"):
        runner.compute(measured, tmp_path, change)
    assert not results.is_finished(measured.path(tmp_path)) and not checkpoint.exists()
    if not taken_back:
        with pytest.raises(ResultError, match=r"train_images\.npy: content differs"):
            runner.compute(measured, tmp_path)
    else:
        assert runner.compute(measured, tmp_path)
        assert not list(checkpoint.parent.iterdir())


def test_a_checkpoint_of_inputs_that_were_written_since_is_left(measured, tmp_path, capsys):
    def stop(done, text):
        checkpoint.write_bytes(b"so far")
        raise KeyboardInterrupt

    checkpoint = runner._checkpoint(measured, tmp_path)
    for times in (1, 2):  # the second finds the checkpoint of the first
        with pytest.raises(KeyboardInterrupt):
            runner.compute(measured, tmp_path, stop)
        assert checkpoint.exists() and not capsys.readouterr().err, times
    file = measured.inputs["data"].path(tmp_path) / "train_images.npy"
    file.write_bytes(rewritten(file))
    checkpoint.with_name(f".{checkpoint.name}.1f").touch()  # of a kill while it was written
    assert runner.compute(measured, tmp_path)
    assert "its inputs were written since; starting anew" in capsys.readouterr().err
    assert not list(checkpoint.parent.iterdir())


@pytest.mark.parametrize("taken_back", [False, True])
def test_raw_images_that_change_while_they_are_packed_are_refused(
    tmp_path, monkeypatch, taken_back
):
    raw, out = tmp_path / "raw", tmp_path / "out"
    for split, number in itertools.product(("train", "test"), range(4)):
        file = raw / "mine" / split / "one" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(file)
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(raw))
    values = {"source": "folder", "file": "mine", "image_size": 8}
    settings = build(Prepare, {**values, "sha256": folder.fingerprint(raw / "mine")})
    out.mkdir()

    def change(done, text):
        before = rewritten(file)
        if taken_back:
            file.write_bytes(before)

    with pytest.raises(DataError, match="mine: was changed while it was read; run again"):
        prepare.run(settings, {}, out, out / "no checkpoint", change)


def test_a_library_in_another_place_is_refused(measured, tmp_path, monkeypatch):
    hiding = types.ModuleType("safetensors")
    hiding.__file__ = str(tmp_path / "safetensors" / "__init__.py")
    monkeypatch.setitem(sys.modules, "safetensors", hiding)
    runner._check_versions(measured)  # which does not import it
    measured.modules = ("simclr.stages.pretrain",)
    with pytest.raises(ConfigError, match=r"__init__\.py: it hides the library safetensors in"):
        runner._check_versions(measured)


def test_versions_are_checked_again_at_the_end(measured, tmp_path, monkeypatch):
    installed = runner.provenance.installed_version

    def upgrade(done, text):
        monkeypatch.setattr(runner.provenance, "installed_version", lambda name: "99.9")

    with pytest.raises(ConfigError, match=r"99\.9 is installed but requirements.lock pins"):
        runner.compute(measured, tmp_path, upgrade)
    assert installed("numpy") == keys.locked()["numpy"]
    assert not results.is_finished(measured.path(tmp_path))


def test_a_planned_line_that_does_not_fit_its_key_is_refused(measured, tmp_path):
    """Settings edited since, and a stage that is declared with another module by now."""
    line = json.loads(json.dumps(measured.line()))
    same = from_line(line, measured.stage, measured.inputs)
    runner._check_code(same)
    line["settings"]["bins"] += 1
    moved = dataclasses.replace(measured.stage, module="simclr.stages.maps")
    others = (
        from_line(line, measured.stage, measured.inputs),
        from_line(measured.line(), moved, measured.inputs),
    )
    for other in others:
        with pytest.raises(ConfigError, match="the code changed since it was planned; run again"):
            runner.compute(other, tmp_path)


def test_a_figure_of_other_numbers_of_the_paper_is_refused(tmp_path):
    from workflow.figures import stage

    values = {"experiment": "fig6", "rows": [], "context": {}, "paper": "0" * 64}
    with pytest.raises(ConfigError, match="changed since this figure was planned; run again"):
        stage.run(FIGURES.settings(**values), {}, tmp_path, tmp_path / "none", silent)
    assert len(paper.sha256()) == 64
