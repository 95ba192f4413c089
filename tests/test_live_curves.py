"""Event files of TensorBoard hold the curves of trainings, once, and change no bit of a result."""

import csv
import shutil
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from simclr.config import ConfigError
from simclr.stages import pretrain
from tests.training import contents, prepare_data, pretrain_settings, silent
from workflow.running import live_curves

PLACE = Path("mini", "pretrain", "fig8.none.s0")


def points(folder: Path) -> dict[str, dict[int, float]]:
    """Name of a curve -> epoch -> value, as TensorBoard reads them; no epoch may come twice."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    found = {name: events.Scalars(name) for name in events.Tags()["scalars"]}
    assert all(len({one.step for one in curve}) == len(curve) for curve in found.values())
    return {name: {one.step: one.value for one in curve} for name, curve in found.items()}


def pretrained(data: Path, out: Path, report=silent) -> dict[str, bytes]:
    """Train for 3 epochs; go on from the checkpoint, where an earlier attempt left one."""
    out.mkdir()
    with live_curves.recorded(report, PLACE, 3 * 90) as recording:
        pretrain.run(pretrain_settings(), {"data": data}, out, out.parent / "saved", recording)
    (out.parent / "saved").unlink(missing_ok=True)
    return contents(out)


def test_an_interrupted_training_has_each_point_once_and_the_same_bits(tmp_path, monkeypatch):
    data = prepare_data(tmp_path / "data")
    plain = pretrained(data, tmp_path / "plain")
    assert not list(tmp_path.rglob("*tfevents*"))  # nobody asked for any

    def stop_in_the_last_epoch(done, text, curve=None):
        if curve and curve["epoch"] == 3:
            raise KeyboardInterrupt

    monkeypatch.setenv(live_curves.FOLDER, str(tmp_path / "events"))
    monkeypatch.setenv("SIMCLR_CHECKPOINT_MINUTES", "0")
    with pytest.raises(KeyboardInterrupt):
        pretrained(data, tmp_path / "stopped", stop_in_the_last_epoch)
    assert set(points(tmp_path / "events" / PLACE)["pretrain/loss"]) == {1, 2, 3}
    assert pretrained(data, tmp_path / "watched") == plain
    assert len(list((tmp_path / "events" / PLACE).iterdir())) == 2

    found = points(tmp_path / "events" / PLACE)
    assert min(found.pop("pretrain/images_per_second").values()) > 0
    rows = list(csv.DictReader((tmp_path / "plain" / "curves.csv").open()))
    names = set(rows[0]) - {"epoch"}
    assert set(found) == {f"pretrain/{name}" for name in names} and {"loss", "lr"} <= names
    for name in names:
        wanted = {int(row["epoch"]): float(row[name]) for row in rows}
        # The table has six digits.
        assert found[f"pretrain/{name}"] == pytest.approx(wanted, rel=1e-5)


def test_a_missing_library_and_a_bad_folder_are_refused_at_once(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(live_curves.FOLDER, str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"), live_curves.recorded(silent, PLACE, 0):
        pass
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ConfigError, match=r"^SIMCLR_TENSORBOARD: .* `make setup`.*[^\n]$"):
        live_curves.folder()


@pytest.mark.slow
def test_commands_record_where_the_variable_says(finished, tmp_path):
    """`simclr run --again` in another folder, which compares all bits; then jobs of Snakemake."""
    project = finished.copy(tmp_path / "project")
    again = [sys.executable, "-m", "workflow", "run", "mini", "--again", PLACE.name]
    asked = {"PYTHONPATH": str(project.path), live_curves.FOLDER: "curves"}
    run = project.launch(["env", "-C", "docs", *again], asked)
    said = run.communicate()[0]
    assert run.returncode == 0 and f"pretrain {PLACE.name}: computed again, the same bits" in said
    assert set(points(project.path / "docs" / "curves" / PLACE)["pretrain/loss"]) == {1}

    for encoder in project.store.glob("pretrain/*"):
        if f'"{PLACE.name}"' in (encoder / "provenance.json").read_text():
            shutil.rmtree(encoder)
    (tmp_path / "without").mkdir()
    hidden = "import sys\nsys.modules['tensorboard'] = None\n"
    (tmp_path / "without" / "sitecustomize.py").write_text(hidden)
    for path, status, count in ((tmp_path / "without", 2, 0), (project.path, 0, 1)):
        executed = len(project.executed())
        run = project.start("pretrain", environment={**asked, "PYTHONPATH": str(path)})
        said = run.communicate()[0]
        assert run.returncode == status, said
        assert ("error: SIMCLR_TENSORBOARD: " in said) == bool(status) and "Traceback" not in said
        assert len(project.executed(executed)) == count, said
    assert set(points(project.path / "curves" / PLACE)["pretrain/loss"]) == {1}
    assert project.contents() == finished.contents()
