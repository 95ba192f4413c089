"""Pre-training with a linear classifier beside it: it learns, and leaves all else as it was."""

import csv
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from simclr import rng
from simclr.augment import pipeline
from simclr.data import packed
from simclr.losses import nt_xent
from simclr.models import heads
from simclr.models.heads import build_head
from simclr.models.resnet import build_encoder
from simclr.stages import pretrain
from simclr.training import loop
from simclr.training.checkpoint import CHECKPOINT_MINUTES
from simclr.training.optim import build_optimizer, learning_rate
from tests import training
from tests.training import contents, pretrain_settings, run

NETWORKS = ("encoder.safetensors", "head.safetensors")


@pytest.fixture(scope="module")
def online(data, tmp_path_factory):
    """(the folder of a run with a classifier, the classifier as it was at the end)."""
    made, real = [], heads.build_classifier
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            heads, "build_classifier", lambda *given: made.append(real(*given)) or made[0]
        )
        out = tmp_path_factory.mktemp("online") / "out"
        run(pretrain, pretrain_settings(online=True), data, out)
    assert len(made) == 1
    return out, made[0]


def read_curves(folder):
    with open(folder / "curves.csv", newline="") as file:
        return list(csv.DictReader(file))


def summary(folder):
    return json.loads((folder / "training.json").read_text())


def test_outputs_are_complete(online):
    out, _ = online
    assert set(contents(out)) == {*NETWORKS, "curves.csv", "training.json"}
    names = ["loss", "contrastive_accuracy", "contrastive_entropy", "online_loss"]
    assert list(read_curves(out)[0]) == ["epoch", *names, "lr"]
    assert set(summary(out)) == {*names, "online_h"}


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"optimizer": {"kind": "lars"}, "epochs": 1},
        {"norm_groups": 2, "recompute": True, "epochs": 1},
        {"loss": {"kind": "margin", "negatives": "other_view"}, "epochs": 1},
    ],
)
def test_encoder_head_and_contrastive_curves_are_those_without_it(data, tmp_path, overrides):
    """To the bit: no gradient reaches h, and what a seed draws is drawn in the same order."""
    plain, beside = (
        run(pretrain, pretrain_settings(**overrides, online=on), data, tmp_path / str(on))
        for on in (False, True)
    )
    a, b = contents(plain), contents(beside)
    assert all(a[name] == b[name] for name in NETWORKS)
    assert "online_h" not in summary(plain)
    for one, other in zip(read_curves(plain), read_curves(beside), strict=True):
        assert all(other[name] == one[name] for name in one if name != "loss")
        total = float(one["loss"]) + float(other["online_loss"])
        assert float(other["loss"]) == pytest.approx(total, rel=1e-4)


def test_the_classifier_is_that_of_a_naive_loop(data, online):
    """Cross entropy of h of all views with the images' labels, in the batches of training."""
    settings = pretrain_settings()
    stored = packed.load(data)
    images, labels = (torch.from_numpy(x.copy()) for x in stored[:2])
    initial = rng.generator(0, "weights")
    encoder = build_encoder(settings.encoder, initial).to(memory_format=torch.channels_last)
    head = build_head(settings.head, encoder.feature_dim, initial)
    linear = heads.build_classifier(encoder.feature_dim, range(10), initial)
    rest, own = (build_optimizer(settings.optimizer, some) for some in ([encoder, head], [linear]))
    losses = []
    for step in range(12):
        epoch, within = divmod(step, 4)
        if within == 0:  # one draw serves the epoch: 80 images are less than DRAW_IMAGES
            drawn = pipeline.draw(settings.views, 80, 8, rng.generator(0, "views", epoch, 0))
        index = torch.randperm(90, generator=rng.generator(0, "order", epoch))
        index, part = index[20 * within : 20 * within + 20], slice(20 * within, 20 * within + 20)
        some = {name: value[:, part] for name, value in drawn.items()}
        x = pipeline.make(images[index], some, settings.views).flatten(0, 1)
        h = encoder(x.contiguous(memory_format=torch.channels_last))
        for optimizer in (rest, own):
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(settings.optimizer, 20, 90, 3, step)
        nt_xent(*head(h).chunk(2), 0.5)[0].backward()
        found = F.cross_entropy(linear(h.detach()), torch.cat([labels[index], labels[index]]))
        found.backward()
        rest.step(), own.step()
        losses.append(found.item())
    out, trained = online
    assert float(read_curves(out)[-1]["online_loss"]) == pytest.approx(np.mean(losses[-4:]), 1e-4)
    torch.testing.assert_close(trained.weight, linear.weight, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(trained.bias, linear.bias, rtol=1e-4, atol=1e-6)


def test_accuracy_is_that_of_the_networks_on_plain_test_images(data, online):
    out, linear = online
    encoder = build_encoder(pretrain_settings().encoder, torch.Generator())
    encoder.load_state_dict(load_file(out / "encoder.safetensors"))
    encoder.eval()
    stored, hits = packed.load(data), 0
    for image, label in zip(stored.test_images, stored.test_labels, strict=True):
        scores = linear(encoder(training.floats(image[None])))  # one by one: no batch at all
        hits += int(scores.argmax() == label)
    assert summary(out)["online_h"] == pytest.approx(100 * hits / 60)


def test_lars_leaves_the_classifier_alone(data, tmp_path, monkeypatch):
    """As in the authors' later code: its own weights are neither adapted nor decayed."""
    seen, real = [], loop.build_optimizer
    monkeypatch.setattr(loop, "build_optimizer", lambda *a: seen.append(real(*a)) or seen[0])
    lars = {"kind": "lars", "weight_decay": 0.1}
    run(pretrain, pretrain_settings(online=True, optimizer=lars, epochs=1), data, tmp_path / "out")
    kernels, others = seen[0].param_groups
    shapes = [tuple(w.shape) for w in others["params"]]
    assert shapes[-2:] == [(10, 16), (10,)] and (10, 16) not in [w.shape for w in kernels["params"]]
    assert (others["adapt"], others["weight_decay"], kernels["adapt"]) == (False, 0.0, True)


def test_it_learns(tmp_path):
    """Images whose class is their brightness; in groups, too, scores meet their own labels."""
    data = training.prepare_shades(tmp_path / "data", train_images=200)
    settings = pretrain_settings(
        online=True, views={"operators": ["crop", "flip"]}, epochs=15, norm_groups=2
    )
    found = summary(run(pretrain, settings, data, tmp_path / "out"))
    assert found["online_h"] > 25  # percent; a guess has 10
    assert found["online_loss"] < 1.9  # a guess has 2.3


def test_resumed_equals_uninterrupted(data, online, tmp_path, monkeypatch):
    """Interrupted after the first epoch; the classifier is in the checkpoint, too."""
    monkeypatch.setenv(CHECKPOINT_MINUTES, "0")
    settings, given = pretrain_settings(online=True), {"data": data}
    checkpoint, out = tmp_path / "checkpoint", tmp_path / "out"
    out.mkdir()
    training.stop_after_a_save(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain.run(settings, given, out, checkpoint, training.silent)
    assert "classifier.weight" in load_file(checkpoint)
    monkeypatch.undo()
    pretrain.run(settings, given, out, checkpoint, training.silent)
    assert contents(out) == contents(online[0])


def test_without_a_head_there_is_a_classifier_too(data, tmp_path):
    settings = pretrain_settings(head={"kind": "none", "out_dim": 0}, epochs=1, online=True)
    out = run(pretrain, settings, data, tmp_path / "out")
    assert "head.safetensors" not in contents(out) and "online_h" in summary(out)
