"""Settings are refused with one line that names the setting and what would do."""

from dataclasses import dataclass

import pytest

from simclr import config
from simclr.config import ConfigError
from simclr.settings.data import Prepare
from simclr.settings.measuring import Evaluate, Maps, Probe, Transfer
from simclr.settings.training import FineTune, Pretrain, Supervise


@pytest.mark.parametrize(
    "values, message",
    [
        ({"loss": {"temprature": 1.0}}, "loss.temprature: unknown setting. Did you mean 'temp"),
        ({"loss": {"temperature": 0}}, "loss.temperature: must be greater than 0"),
        ({"loss": {"temperature": -1.0}}, "loss.temperature: must be greater than 0"),
        ({"loss": {"temperature": float("nan")}}, "loss.temperature: must be finite"),
        ({"loss": {"temperature": "0.1"}}, "loss.temperature: expected float, got str '0.1'"),
        ({"optimizer": {"base_lr": "1e-1"}}, "base_lr: expected float, got str '1e-1'. Write 0.1."),
        ({"loss": {"normalize": 1}}, "loss.normalize: expected bool, got int 1"),
        ({"epochs": True}, "epochs: expected int, got bool True"),
        ({"epochs": "1e1"}, "epochs: expected int, got str '1e1'. Write 10."),
        ({"epochs": "ten"}, "epochs: expected int, got str 'ten'."),
        ({"epochs": 0}, "epochs: must be at least 1"),
        ({"batch_size": 2.0}, "batch_size: expected int, got float 2.0"),
        ({"views": {"operators": ["corp"]}}, "views.operators[0]: 'corp' is not a choice. Did you"),
        ({"views": {"operators": "crop"}}, "views.operators: expected a list"),
        ({"views": {"min_area": 1.5}}, "views.min_area: must be at most 1.0"),
        ({"encoder": {"depth": 19}}, "encoder.depth: 19 is not a choice"),
        ({"encoder": 18}, "encoder: expected a mapping"),
        ({"head": {"kind": "none"}}, "head: out_dim: must be 0 with kind 'none'"),
        ({"epochs": 5}, "warmup_epochs: 10 leave nothing of 5 epochs"),
    ],
)
def test_bad_settings_are_one_line(values, message):
    with pytest.raises(ConfigError) as caught:
        config.build(Pretrain, values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_resolved_settings_are_complete_and_round_trip():
    for cls in (Pretrain, Supervise, Evaluate, FineTune, Probe, Transfer, Maps):
        resolved = config.to_dict(config.build(cls, {}))
        assert config.to_dict(config.build(cls, resolved)) == resolved
    loss = config.to_dict(config.build(Pretrain, {"loss": {"temperature": 1}}))["loss"]
    assert (loss["temperature"], loss["normalize"], loss["kind"]) == (1.0, True, "nt_xent")


def test_data_settings_that_belong_together():
    with pytest.raises(ConfigError, match="train_images, test_images: must be given"):
        config.build(Prepare, {})
    with pytest.raises(ConfigError, match="file: needed with source 'folder'"):
        config.build(Prepare, {"source": "folder"})


def test_merge_is_deep_and_leaves_its_arguments():
    base = {"a": {"b": 1, "c": 2}, "d": 3}
    assert config.merge(base, {"a": {"b": 9}, "e": 4}) == {"a": {"b": 9, "c": 2}, "d": 3, "e": 4}
    assert base == {"a": {"b": 1, "c": 2}, "d": 3}


def test_missing_setting_without_default():
    @dataclass(frozen=True)
    class Needs:
        size: int = config.option()

    with pytest.raises(ConfigError, match="size: missing"):
        config.build(Needs, {})
