"""Fine-tuning: the share of labels, where it starts from, that all weights move, bits, refusals."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from simclr import rng
from simclr.config import ConfigError, build, merge
from simclr.data import packed
from simclr.data.label_share import class_balanced_share
from simclr.models.resnet import build_encoder
from simclr.settings.training import Encoder, FineTune
from simclr.stages import finetune
from simclr.training import supervised
from simclr.training.checkpoint import CHECKPOINT_MINUTES
from tests import training
from tests.training import COMMON, ENCODER, contents, pretrain_settings, run


def settings(**overrides) -> FineTune:
    base = {**COMMON, "views": {"operators": ["crop", "flip"]}, "epochs": 2, "labels": 0.4}
    return build(FineTune, merge(base, overrides))


def captured(monkeypatch):
    """Lists that get, of every run: weights before training, and the networks after it."""
    before, after = [], []
    train, test = supervised.train_classifier, supervised.test_classifier

    def spy_train(*given, **more):
        before.append([copy_of(network) for network in given[3:5]])
        return train(*given, **more)

    def spy_test(*given):
        after.append(given[:2])
        return test(*given)

    monkeypatch.setattr(supervised, "train_classifier", spy_train)
    monkeypatch.setattr(supervised, "test_classifier", spy_test)
    return before, after


def copy_of(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


# The share of labels.


@pytest.mark.parametrize(
    ("share", "wanted"),
    [(1.0, [31, 20, 1]), (0.5, [16, 10, 1]), (0.1, [3, 2, 1]), (1e-9, [1, 1, 1])],
)
def test_a_share_is_that_of_every_class_and_one_at_least(share, wanted):
    labels = torch.tensor([0] * 31 + [1] * 20 + [2])[torch.randperm(52)]
    chosen = class_balanced_share(labels, share, 0)
    assert torch.bincount(labels[chosen]).tolist() == wanted
    assert chosen.tolist() == sorted(set(chosen.tolist()))


def test_a_share_is_drawn_by_the_seed():
    labels = torch.arange(200) % 4
    chosen = class_balanced_share(labels, 0.25, 0)
    assert torch.equal(class_balanced_share(labels, 0.25, 0), chosen)
    assert not torch.equal(class_balanced_share(labels, 0.25, 1), chosen)
    # Any image can be in it: of 40 shares, no image is in none, and none in all.
    counts = sum(
        torch.bincount(class_balanced_share(labels, 0.25, s), minlength=200) for s in range(40)
    )
    assert counts.sum() == 40 * 4 * 12 and counts.min() > 0 and counts.max() < 25


# Where it starts.


def test_it_starts_from_the_encoder_given(data, encoder, tmp_path, monkeypatch):
    """At a rate of almost zero weights stay, and so does h, but for moving statistics."""
    before, after = captured(monkeypatch)
    slow = settings(optimizer={"base_lr": 1e-9})
    run(finetune, slow, data, tmp_path / "out", encoder=encoder)
    stored = load_file(encoder / "encoder.safetensors")
    assert before[0][0].keys() == stored.keys()
    assert all(torch.equal(value, stored[name]) for name, value in before[0][0].items())
    found, reference = after[0][0], build_encoder(pretrain_settings().encoder, torch.Generator())
    reference.load_state_dict(stored)
    x = training.floats(packed.load(data).test_images)
    torch.testing.assert_close(found.train()(x), reference.train()(x), rtol=1e-4, atol=1e-5)


def test_without_an_encoder_it_starts_from_new_weights(data, tmp_path, monkeypatch):
    before, after = captured(monkeypatch)
    wide = {**ENCODER, "base_channels": 6}
    for seed in (0, 1):
        run(finetune, settings(encoder=wide, seed=seed), data, tmp_path / str(seed))
        new = build_encoder(build(Encoder, wide), rng.generator(seed, "weights")).state_dict()
        assert all(torch.equal(value, new[name]) for name, value in before[seed][0].items())
    assert len(before) == 2 and after[0][0].feature_dim == 24


def test_the_encoder_given_decides_not_the_settings(data, encoder, tmp_path, monkeypatch):
    _, after = captured(monkeypatch)
    other = settings(encoder={"base_channels": 6}, epochs=1)
    run(finetune, other, data, tmp_path / "out", encoder=encoder)
    assert after[0][0].feature_dim == 16


# Training.


@pytest.mark.parametrize("given", [True, False])
def test_all_weights_move(data, encoder, tmp_path, monkeypatch, given):
    before, after = captured(monkeypatch)
    inputs = {"encoder": encoder} if given else {}
    run(finetune, settings(labels=1.0, epochs=4), data, tmp_path / "out", **inputs)
    for old, network in zip(before[0], after[0], strict=True):
        for name, value in network.state_dict().items():
            assert not torch.equal(value, old[name]), name


def test_outputs_and_accuracy_of_plain_test_images(data, encoder, tmp_path, monkeypatch):
    _, after = captured(monkeypatch)
    out = run(finetune, settings(), data, tmp_path / "out", encoder=encoder)
    assert set(contents(out)) == {"metrics.json", "curves.csv"}
    assert (out / "curves.csv").read_text().startswith("epoch,loss,train_top1,lr\n1,")
    found = metrics(out)
    assert set(found) == {"finetune_top1", "finetune_top5", "train_top1", "images"}
    assert found["images"] == 40  # four of nine, of each class
    last = (out / "curves.csv").read_text().splitlines()[-1].split(",")
    assert found["train_top1"] == pytest.approx(float(last[2]), rel=1e-5)
    network, linear = after[0]
    network.eval()
    top1 = top5 = 0
    for image, label in zip(*packed.load(data)[2:4], strict=True):  # one by one: no batch at all
        scores = linear(network(training.floats(image[None])))[0].tolist()
        place = sorted(range(10), key=lambda k: -scores[k]).index(label)
        top1, top5 = top1 + (place == 0), top5 + (place < 5)
    assert found["finetune_top1"] == pytest.approx(100 * top1 / 60)
    assert found["finetune_top5"] == pytest.approx(100 * top5 / 60)
    assert top1 < top5


def test_with_few_classes_top5_is_all():
    def linear(h):
        return h

    def network(x):
        return x.mean((2, 3))

    network.eval = lambda: None
    data = packed.PackedSet(
        *[np.zeros((4, 3, 8, 8), np.uint8), np.arange(4) % 3] * 2, classes=("a", "b", "c")
    )
    found = supervised.test_classifier(network, linear, data, torch.device("cpu"))
    assert found == {"top1": 50.0, "top5": 100.0}


def test_only_the_share_is_seen(data, encoder, tmp_path):
    """Other images' pixels change nothing."""
    labels = torch.from_numpy(packed.load(data).train_labels.copy())
    chosen = class_balanced_share(labels, 0.4, 0)
    changed = shutil.copytree(data, tmp_path / "data")
    images = np.load(changed / "train_images.npy")
    rest = np.setdiff1d(np.arange(90), chosen.numpy())
    images[rest] = 255 - images[rest]
    np.save(changed / "train_images.npy", images)
    a, b = (
        run(finetune, settings(), folder, tmp_path / name, encoder=encoder)
        for name, folder in (("a", data), ("b", changed))
    )
    assert contents(a) == contents(b)
    images[chosen[0]] = 255 - images[chosen[0]]
    np.save(changed / "train_images.npy", images)
    c = run(finetune, settings(), changed, tmp_path / "c", encoder=encoder)
    assert contents(c) != contents(a)


def test_same_seed_same_bits_and_the_encoders_files_stay(data, encoder, tmp_path):
    before = contents(encoder)
    a, b, other = (
        contents(run(finetune, settings(seed=seed), data, tmp_path / name, encoder=encoder))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert a == b and a["curves.csv"] != other["curves.csv"]
    assert contents(encoder) == before


def test_resumed_equals_uninterrupted(data, encoder, tmp_path, monkeypatch):
    whole = run(finetune, settings(), data, tmp_path / "whole", encoder=encoder)
    monkeypatch.setenv(CHECKPOINT_MINUTES, "0")
    given, checkpoint = {"data": data, "encoder": encoder}, tmp_path / "checkpoint"
    (tmp_path / "out").mkdir()
    training.stop_after_a_save(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        finetune.run(settings(), given, tmp_path / "out", checkpoint, training.silent)
    monkeypatch.undo()
    finetune.run(settings(), given, tmp_path / "out", checkpoint, training.silent)
    assert contents(tmp_path / "out") == contents(whole)


def test_it_learns_from_an_encoder_of_other_data(encoder, tmp_path):
    """Images whose class is their brightness, half of them; the encoder saw patterns."""
    data = training.prepare_shades(tmp_path / "data", train_images=400, family="figures")
    out = run(finetune, settings(labels=0.5, epochs=12), data, tmp_path / "out", encoder=encoder)
    found = metrics(out)
    assert found["finetune_top1"] > 35 and found["train_top1"] > 35  # percent; a guess has 10
    assert found["images"] == 200


def test_too_large_a_batch_is_refused(data, encoder, tmp_path):
    with pytest.raises(ConfigError) as error:
        run(finetune, settings(labels=0.1), data, tmp_path / "out", encoder=encoder)
    assert str(error.value) == "batch_size: 20, but there are only 10 training images."
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize("labels", [0.0, 1.1])
def test_a_share_out_of_range_is_refused(labels):
    with pytest.raises(ConfigError, match=r"^labels: must be "):
        settings(labels=labels)
