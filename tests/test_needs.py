"""A data set that is too small for an analysis is refused before anything is computed."""

import pytest
import yaml
from PIL import Image

from simclr.config import ConfigError, merge
from simclr.data.sources import folder
from tests.project import MINI
from workflow.planning import checks
from workflow.planning.planner import build_plan


def plan_of(where, changes: dict, experiments: dict):
    """The plan of the minute scale with other base settings and experiments."""
    values = merge(yaml.safe_load(MINI), {"base": changes}) | {"experiments": experiments}
    (where / "mine.yaml").write_text(yaml.safe_dump(values))
    return build_plan("mine", where)


TUNED = {"widths": [1], "labels": [0.1], "epochs": [1], "scratch_epochs": [1], "batches": [20]}


@pytest.mark.parametrize(
    "changes, experiments, message",
    [
        (
            {"evaluate": {"batch_size": 512}},
            {"fig8": {}},
            "fig8.none.s0: evaluate.batch_size needs",
        ),
        ({"evaluate": {"neighbours": 81}}, {"fig8": {}}, "evaluate.neighbours needs 81 training"),
        (
            {"histograms": {"images": 81}},
            {"fig6": {}},
            "fig6.histograms.s0: histograms.images needs",
        ),
        (
            {"neighbours": {"nearest": 99}},
            {"neighbours": {}},
            "neighbours.nearest needs 99 training",
        ),
        ({"probe": {"batch_size": 81}}, {"table3": {}}, "probe.batch_size needs 81"),
        ({}, {"table7": TUNED}, "finetune.batch_size needs 20 images with labels, the set has 10"),
        (
            {},
            {"table8": {"source": "patterns"}},
            "experiments.table8: train_images, test_images: must",
        ),
        (
            {"prepare": {"test_images": 9}},
            {"fig4": {}},
            "prepare: test_images: must be at least 10",
        ),
        (
            {"evaluate": {"batch_size": 99}, "pretrain": {"batch_size": 99}},
            {"fig8": {}},
            "pretrain.batch_size needs 99 training images, the set has 80: lower it; fig8.none",
        ),
    ],
)
def test_what_settings_show(tmp_path, changes, experiments, message):
    same = {"finetune": {"optimizer": {"warmup_epochs": 0}}}
    with pytest.raises(ConfigError) as caught:
        plan_of(tmp_path, merge(same, changes), experiments)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def write_folder(where, train: list[int], test: list[int]) -> dict:
    """A folder with so many images of each class; returns what `prepare` needs to know."""
    for split, counts in (("train", train), ("test", test)):
        for label, count in enumerate(counts):
            (where / split / f"class{label}").mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8)).save(where / split / f"class{label}" / f"{number}.png")
    about = {"source": "folder", "file": where.name, "sha256": folder.fingerprint(where)}
    return {**about, "train_images": 0, "test_images": 0}


MAPS, OTHER = {"figb4": {}}, {"widths": [1], "source": "folder"}


@pytest.mark.parametrize(
    "train, test, changes, experiments, message",
    [
        (
            [9, 9],
            [1, 1],
            {},
            {"fig6": {}},
            "histograms.images needs 20 training images, the set has 18",
        ),
        (
            [9, 9, 9],
            [2, 2, 2],
            {"test_images": 2},
            {"fig4": {}},
            "test_images: 2 leave a class of 3",
        ),
        ([9, 9], [4, 4], {"train_images": 19}, {"fig4": {}}, "train_images: 19 need 10 of class"),
        ([30], [4], {}, {"fig8": {}}, "stage evaluate needs 2 classes, the set has 1"),
        ([30], [4], {}, {"fig4": {}}, ""),
        (
            [20, 20],
            [1, 1],
            {},
            MAPS,
            "stage maps needs 3 test images of any 2 classes, the set has 2",
        ),
        ([20, 20], [1, 2], {}, MAPS, ""),
        ([40, 1], [4, 4], {}, {"table8": OTHER}, "stage transfer needs 2 training images of every"),
        ([20, 20], [4, 4], {}, {"table8": OTHER}, ""),
    ],
)
def test_what_names_show(tmp_path, monkeypatch, train, test, changes, experiments, message):
    """No number is set for these: the images are counted before the first is read."""
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path))
    own = write_folder(tmp_path / "own", train, test) | changes
    settings = {"prepare": own, "finetune": {"batch_size": 2, "optimizer": {"warmup_epochs": 0}}}
    if "table8" in experiments:  # the other set is one's own; the scale's is drawn
        known = {name: own[name] for name in ("file", "sha256")}
        settings, experiments = {**settings, "prepare": {}}, {"table8": OTHER | known}
        settings["supervise"] = {"batch_size": 20, "optimizer": {"warmup_epochs": 0}}
    plan = plan_of(tmp_path, settings, experiments)
    if not message:
        return checks.check_data(plan)
    with pytest.raises(ConfigError) as caught:
        checks.check_data(plan)
    assert str(caught.value).startswith("scale mine: ") and message in str(caught.value)
