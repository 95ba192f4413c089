"""Pre-training: the loop against a naive one, randomness, resuming after SIGKILL, refusals."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
from collections import OrderedDict

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from simclr import rng
from simclr.augment import pipeline
from simclr.config import ConfigError, DataError
from simclr.data import packed
from simclr.losses import nt_xent
from simclr.models import weights
from simclr.models.heads import build_head
from simclr.models.resnet import build_encoder
from simclr.stages import pretrain
from simclr.training import batching, loop
from simclr.training.checkpoint import CHECKPOINT_MINUTES
from simclr.training.optim import build_optimizer, learning_rate
from simclr.training.setup import set_up_training
from tests import training
from tests.training import ENCODER, contents, pretrain_settings, run, silent


@pytest.fixture(scope="module", autouse=True)
def two_steps_a_draw():
    """Of an epoch's four steps, so that draws and chunks have seams within an epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "DRAW_IMAGES", 40)
        yield


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    return run(pretrain, pretrain_settings(), data, tmp_path_factory.mktemp("trained") / "out")


def read_curves(folder):
    with open(folder / "curves.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_outputs_are_complete(trained):
    assert set(contents(trained)) == {
        "encoder.safetensors",
        "head.safetensors",
        "curves.csv",
        "training.json",
    }
    rows = read_curves(trained)
    names = ["loss", "contrastive_accuracy", "contrastive_entropy"]
    assert list(rows[0]) == ["epoch", *names, "lr"]
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    last = json.loads((trained / "training.json").read_text())
    assert sorted(last) == sorted(names)
    for name, value in last.items():
        assert float(rows[-1][name]) == pytest.approx(value, rel=1e-5)
    assert 0 <= last["contrastive_accuracy"] <= 100
    assert 0 < last["contrastive_entropy"] <= math.log(20)


def test_the_loop_equals_a_naive_one(data, trained):
    """Views drawn for two steps and made step by step, one forward pass of both, no tricks.

    (Only the memory format is the same: training amplifies any rounding.)
    """
    settings = pretrain_settings()
    images = torch.from_numpy(packed.load(data).train_images.copy())
    initial = rng.generator(settings.seed, "weights")
    encoder = build_encoder(settings.encoder, initial)
    head = build_head(settings.head, encoder.feature_dim, initial)
    before = {k: v.clone() for k, v in {**encoder.state_dict(), **head.state_dict()}.items()}
    encoder.to(memory_format=torch.channels_last)
    optimizer = build_optimizer(settings.optimizer, [encoder, head])
    losses = []
    for step in range(12):
        epoch, within = divmod(step, 4)
        order = torch.randperm(90, generator=rng.generator(0, "order", epoch))
        batch = images[order[20 * within : 20 * within + 20]]
        if within % 2 == 0:
            two = pipeline.draw(settings.views, 40, 8, rng.generator(0, "views", epoch, within))
        drawn = {name: v[:, within % 2 * 20 :][:, :20] for name, v in two.items()}
        a, b = pipeline.make(batch, drawn, settings.views)
        z = head(encoder(torch.cat([a, b]).contiguous(memory_format=torch.channels_last)))
        loss, *_ = nt_xent(z[:20], z[20:], 0.5)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings.optimizer, 20, 90, 3, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    for name, network in (("encoder", encoder), ("head", head)):
        stored = load_file(trained / f"{name}.safetensors")
        assert set(stored) == set(network.state_dict())
        for key, value in network.state_dict().items():
            assert torch.equal(stored[key], value), key
            assert not torch.equal(value, before[key]), f"{key} was not trained"
    assert float(read_curves(trained)[-1]["loss"]) == pytest.approx(sum(losses[-4:]) / 4, rel=1e-5)


def test_same_seed_same_bits_whatever_the_chunks(data, trained, tmp_path, monkeypatch):
    monkeypatch.setitem(batching.VIEW_FLOATS, "cpu", 1)  # one draw at a time
    assert contents(run(pretrain, pretrain_settings(), data, tmp_path / "a")) == contents(trained)


def test_another_seed_changes_weights_order_and_views(data, trained, tmp_path):
    other = run(pretrain, pretrain_settings(seed=1), data, tmp_path / "a")
    a, b = (load_file(folder / "encoder.safetensors") for folder in (trained, other))
    assert not any(torch.equal(a[name], b[name]) for name in a)
    drawn = [
        [rng.generator(s, *what).initial_seed() for what in (("weights",), ("order", 2))]
        + [rng.generator(s, "views", epoch, step).initial_seed() for epoch, step in PLACES]
        for s in (0, 1)
    ]
    assert len({seed for one in drawn for seed in one}) == 2 * (2 + len(PLACES))


def test_initial_weights_may_have_a_seed_of_their_own(data):
    def initial(**seeds):
        return list(set_up_training(pretrain_settings(**seeds), data)[3].parameters())

    for other, same in ((initial(seed=1, weights_seed=0), True), (initial(seed=1), False)):
        pairs = zip(initial(), other, strict=True)
        assert all(torch.equal(a, b) for a, b in pairs if a.ndim == 4) == same


PLACES = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 10), (11, 0), (0, 11)]


def batches(images, settings, epoch, **more):
    return batching.epoch_batches(
        images, settings, seed=0, batch_size=20, epoch=epoch, branches=2, **more
    )


def test_every_epoch_sees_each_image_once_in_a_new_order(data):
    images = torch.from_numpy(packed.load(data).train_images.copy())
    settings = pretrain_settings().views
    epochs = []
    for epoch in (0, 1):
        found = list(batches(images, settings, epoch))
        assert [step for step, _, _ in found] == [0, 1, 2, 3]
        assert all(x.shape == (2, 20, 3, 8, 8) for _, x, _ in found)
        epochs.append(torch.cat([index for _, _, index in found]).tolist())
        assert len(set(epochs[-1])) == 80
    assert epochs[0] != epochs[1]
    _, x, _ = next(batches(images, settings, 0, start=3))
    assert torch.equal(x, list(batches(images, settings, 0))[3][1])


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from simclr.stages import pretrain
from simclr.training import batching
from simclr.training.checkpoint import TrainingState
from tests.training import pretrain_settings
batching.DRAW_IMAGES, batching.VIEW_FLOATS["cpu"] = 40, 1  # two steps at a time
save, saves = TrainingState.save, []
def save_and_die(state, path):
    save(state, path)
    saves.append(state.next_step)
    if len(saves) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
TrainingState.save = save_and_die
data, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir()
pretrain.run(pretrain_settings(), {"data": data}, out, out.parent / "checkpoint", lambda *_: None)
"""


def test_resumed_after_sigkill_equals_uninterrupted(data, trained, tmp_path):
    """Killed in the middle of epoch 2 (of 3), resumed here: weights, curves, rates are the same."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, data, tmp_path / "killed", "3"],
        env={**os.environ, CHECKPOINT_MINUTES: "0"},
    )
    assert killed.returncode == -signal.SIGKILL
    checkpoint = tmp_path / "checkpoint"
    with safe_open(checkpoint, "pt") as file:
        about = json.loads(file.metadata()["about"])
    assert (len(about["curves"]), about["next_step"]) == (1, 2)

    images = []
    draw = pipeline.draw

    def counting(settings, *, n, **values):
        images.append(n)
        return draw(settings, n=n, **values)

    (tmp_path / "out").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "draw", counting)
        pretrain.run(pretrain_settings(), {"data": data}, tmp_path / "out", checkpoint, silent)
    assert images == [40] * 3  # six of twelve steps: it did not start again
    assert contents(tmp_path / "out") == contents(trained)


def test_a_foreign_checkpoint_is_refused(data, tmp_path):
    settings = pretrain_settings()
    (tmp_path / "checkpoint").write_bytes(b"not a checkpoint")
    with pytest.raises(ConfigError, match=r"checkpoint: not readable .*delete it"):
        pretrain.run(settings, {"data": data}, tmp_path, tmp_path / "checkpoint", silent)
    weights.write(tmp_path / "other", {"encoder.conv1.weight": torch.ones(2)}, {})
    with pytest.raises(ConfigError, match=r"other: tensor .* does not fit"):
        pretrain.run(settings, {"data": data}, tmp_path, tmp_path / "other", silent)


def test_a_crash_while_saving_leaves_the_former_file(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint"
    weights.write(path, {"w": torch.zeros(3)}, {"step": 1})

    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        weights.write(path, {"w": torch.ones(3)}, {"step": 2})
    assert weights.read_into(path, {"w": torch.empty(3)}) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint"]


def test_loss_starts_at_that_of_a_guess(data, tmp_path):
    """Among 2N - 1 = 39 candidates, as nothing is learned at a rate of almost zero (SPEC 11)."""
    settings = pretrain_settings(
        optimizer={"base_lr": 1e-9}, loss={"temperature": 10.0}, epochs=1, head={"out_dim": 64}
    )
    out = run(pretrain, settings, data, tmp_path / "out")
    loss = json.loads((out / "training.json").read_text())["loss"]
    assert loss == pytest.approx(math.log(39), abs=0.1)


def test_training_lowers_the_loss(data, tmp_path):
    """Without colour distortion the images' colours make the task easy (paper 3.1)."""
    settings = pretrain_settings(views={"operators": ["crop", "flip"]}, epochs=10)
    rows = read_curves(run(pretrain, settings, data, tmp_path / "out"))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]) - 0.5
    assert float(rows[-1]["contrastive_accuracy"]) > 25  # percent; a guess has 5


def test_without_a_head_z_is_h(data, tmp_path):
    settings = pretrain_settings(head={"kind": "none", "out_dim": 0}, epochs=1)
    out = run(pretrain, settings, data, tmp_path / "out")
    assert "head.safetensors" not in contents(out)


def test_bfloat16_trains_much_the_same(data, trained, tmp_path):
    out = run(pretrain, pretrain_settings(precision="bfloat16"), data, tmp_path / "out")
    a, b = (json.loads((folder / "training.json").read_text()) for folder in (trained, out))
    assert a["loss"] != b["loss"] and a["loss"] == pytest.approx(b["loss"], rel=0.1)


def test_divergence_stops_with_the_step(data, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOOK_SECONDS", 60.0)  # no look before the epoch ends
    settings = pretrain_settings(
        optimizer={"base_lr": 1e9, "warmup_epochs": 0.0}, head={"batch_norm": False}
    )
    with pytest.raises(ConfigError, match=r"the loss is (nan|inf) at epoch 1, step [2-4];"):
        run(pretrain, settings, data, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_weights_that_are_no_numbers_stop_it_and_spare_the_checkpoint(tmp_path, monkeypatch):
    """The loss is finite, its gradient in the second epoch's only step is not."""
    monkeypatch.setenv(CHECKPOINT_MINUTES, "0")
    settings, images = pretrain_settings(batch_size=20), torch.zeros(20, 3, 8, 8, dtype=torch.uint8)
    layers = OrderedDict(flat=torch.nn.Flatten(), linear=torch.nn.Linear(192, 2))
    steps = []

    def objective(y, index):
        steps.append(index)
        zero = (y - y.detach()).abs().sum()
        return (y.square().mean() + (zero.sqrt() if len(steps) == 2 else 0.0),)

    with pytest.raises(ConfigError, match=r"linear\.weight is not finite at epoch 2, step 1;"):
        loop.train(
            settings,
            images,
            torch.nn.Sequential(layers),
            objective,
            names=("loss",),
            branches=2,
            checkpoint=tmp_path / "checkpoint",
            report=training.silent,
        )
    assert len(steps) == 2
    saved = load_file(tmp_path / "checkpoint")
    assert saved["linear.weight"].isfinite().all() and saved["momentum.0"].isfinite().all()


def test_refusals_before_training(data, tmp_path):
    with pytest.raises(ConfigError, match="batch_size: 91, but there are only 90 training images"):
        run(pretrain, pretrain_settings(batch_size=91), data, tmp_path / "a")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="device: 'cuda', but no GPU"):
            run(pretrain, pretrain_settings(device="cuda"), data, tmp_path / "b")
    with pytest.raises(DataError, match=r"train_images\.npy"):
        run(pretrain, pretrain_settings(), tmp_path, tmp_path / "c")


def test_encoder_file_has_the_names_of_torchvision(tmp_path):
    from torchvision.models import resnet50

    encoder = {**ENCODER, "depth": 50, "base_channels": 64, "stem": "imagenet"}
    data = training.prepare_data(tmp_path / "data", train_images=10, test_images=10)
    settings = pretrain_settings(encoder=encoder, epochs=1, batch_size=10)
    out = run(pretrain, settings, data, tmp_path / "out")
    missing = resnet50().load_state_dict(load_file(out / "encoder.safetensors"), strict=False)
    assert missing.unexpected_keys == []
    left = {k for k in missing.missing_keys if not k.endswith("num_batches_tracked")}
    assert left == {"fc.weight", "fc.bias"}
