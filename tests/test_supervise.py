"""Supervised training: it learns, its accuracy is that of the stored networks, bits, refusals."""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from simclr.config import ConfigError
from simclr.data import packed
from simclr.models.resnet import build_encoder
from simclr.stages import supervise
from simclr.training.checkpoint import CHECKPOINT_MINUTES
from tests import training
from tests.training import contents, run, supervise_settings


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return run(supervise, supervise_settings(), data, tmp_path_factory.mktemp("trained") / "out")


def test_outputs(trained):
    assert set(contents(trained)) == {
        "encoder.safetensors",
        "classifier.safetensors",
        "curves.csv",
        "training.json",
    }
    assert (trained / "curves.csv").read_text().startswith("epoch,loss,train_top1,lr\n1,")
    assert len((trained / "curves.csv").read_text().splitlines()) == 1 + 3


def test_accuracy_is_that_of_the_stored_networks_on_plain_test_images(data, trained):
    encoder = build_encoder(supervise_settings().encoder, torch.Generator())
    encoder.load_state_dict(load_file(trained / "encoder.safetensors"))
    fc = load_file(trained / "classifier.safetensors")
    encoder.eval()
    hits = 0
    for image, label in zip(*packed.load(data)[2:4], strict=True):  # one by one: no batch at all
        h = encoder(training.floats(image[None]))
        hits += int(F.linear(h, fc["fc.weight"], fc["fc.bias"]).argmax() == label)
    top1 = json.loads((trained / "training.json").read_text())["supervised_top1"]
    assert top1 == pytest.approx(100 * hits / 60)


def test_it_learns(tmp_path):
    """Images whose class is their brightness: all but the closest are told apart."""
    data = training.prepare_shades(tmp_path / "data", train_images=200)
    settings = supervise_settings(views={"operators": ["crop", "flip"]}, epochs=12)
    out = run(supervise, settings, data, tmp_path / "out")
    last = (out / "curves.csv").read_text().splitlines()[-1].split(",")
    top1 = json.loads((out / "training.json").read_text())["supervised_top1"]
    assert float(last[2]) > 50 and top1 > 50  # percent; a guess has 10


def test_same_seed_same_bits_other_seed_other_bits(data, trained, tmp_path):
    again = contents(run(supervise, supervise_settings(), data, tmp_path / "a"))
    other = contents(run(supervise, supervise_settings(seed=1), data, tmp_path / "b"))
    assert again == contents(trained)
    assert all(other[name] != again[name] for name in ("encoder.safetensors", "curves.csv"))


def test_resumed_equals_uninterrupted(data, trained, tmp_path, monkeypatch):
    """Interrupted after the first epoch; the real SIGKILL is in test_pretrain."""
    monkeypatch.setenv(CHECKPOINT_MINUTES, "0")
    checkpoint, out = tmp_path / "checkpoint", tmp_path / "out"
    out.mkdir()
    training.stop_after_a_save(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        supervise.run(supervise_settings(), {"data": data}, out, checkpoint, training.silent)
    monkeypatch.undo()
    supervise.run(supervise_settings(), {"data": data}, out, checkpoint, training.silent)
    assert contents(out) == contents(trained)


def test_refusals_before_training(data, tmp_path):
    with pytest.raises(ConfigError, match="batch_size: 91, but there are only 90 training images"):
        run(supervise, supervise_settings(batch_size=91), data, tmp_path / "a")
