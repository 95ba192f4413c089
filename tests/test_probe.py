"""The probes: what is done to the images and its label, what the classifier learns, metrics."""

import json

import pytest
import torch

from simclr import features, rng
from simclr.augment import functional
from simclr.config import ConfigError, DataError, build
from simclr.data import packed
from simclr.features import load_networks
from simclr.settings.measuring import TASKS, Probe
from simclr.stages import pretrain, probe
from simclr.stages.probe import CLASSES, train_classifier, transform
from tests import training
from tests.training import contents, pretrain_settings, run


def settings(**values) -> Probe:
    return build(Probe, {"batch_size": 30, "epochs": 5, "hidden": 16, **values})


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def some_images(n=400, side=8):
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=seeded(1))


# The transformations.


def changed(task, n=400, sigma=0.2):
    images = some_images(n)
    before = images.clone()
    out, label = transform(task, images, sigma, seeded())
    assert torch.equal(images, before), "the images themselves must stay"
    assert out.dtype == torch.uint8 and out.shape == images.shape and label.dtype == torch.int64
    return images, out, label


@pytest.mark.parametrize(
    ("task", "shares"),
    [
        ("gray", [0.8, 0.2]),
        ("rotation", [0.25] * 4),
        ("noise", [0.5, 0.5]),
        ("sobel", [0.5, 0.5]),
    ],
)
def test_shares_of_the_classes(task, shares):
    _, _, label = changed(task, 4000)
    found = torch.bincount(label, minlength=CLASSES[task]) / 4000
    assert len(found) == CLASSES[task]
    torch.testing.assert_close(found, torch.tensor(shares), atol=0.03, rtol=0)


@pytest.mark.parametrize("task", ["gray", "noise", "sobel"])
def test_images_of_label_0_stay_as_they_are(task):
    images, out, label = changed(task)
    assert torch.equal(out[label == 0], images[label == 0])


def test_gray_images_have_three_equal_channels():
    images, out, label = changed("gray")
    same = (out == out[:, :1]).flatten(1).all(1)
    assert torch.equal(same, label == 1)
    weights = torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)
    luma = (images[label == 1] * weights).sum(1)
    assert (out[label == 1][:, 0] - luma).abs().max() <= 0.51


def test_rotated_images_are_turned_by_their_label():
    images, out, label = changed("rotation")
    for turns in range(4):
        here = label == turns
        assert torch.equal(torch.rot90(out[here], -turns, (2, 3)), images[here])


def test_noise_is_as_strong_as_drawn_and_on_images_of_label_1():
    images, out, label = changed("noise", sigma=0.1)
    difference = (out.float() - images.float())[label == 1] / 255
    inner = ((images > 90) & (images < 165))[label == 1]  # where nothing is clipped
    sizes = torch.stack([d[i].std() for d, i in zip(difference, inner, strict=True)])
    assert sizes.max() < 0.15 and 0.03 < sizes.mean() < 0.07  # sigma ~ U[0, 0.1]
    assert sizes.std() > 0.02
    assert difference.mean().abs() < 0.01 and (difference[:, 0] != difference[:, 1]).any()
    assert (out[label == 1] != images[label == 1]).flatten(1).any(1).float().mean() > 0.9


def test_sobel_images_are_responses_of_the_filter():
    images, out, label = changed("sobel")
    for image, found in zip(images[label == 1][:10].float(), out[label == 1][:10], strict=True):
        response = torch.zeros(3, 8, 8)
        for y in range(8):
            for x in range(8):
                for dy in (-1, 0, 1):
                    for dx in (-1, 0, 1):
                        weight = (2 - abs(dy)) * dx + (2 - abs(dx)) * dy
                        # Borders are reflected, without the border's own pixel.
                        row, column = (7 - abs(7 - abs(k)) for k in (y + dy, x + dx))
                        response[:, y, x] += weight * image[:, row, column]
        low, high = response.min(), response.max()
        wanted = 255 * (response - low) / (high - low)
        assert (found - wanted).abs().max() <= 0.51
    torch.testing.assert_close(
        out[label == 1] / 255.0, functional.sobel(images[label == 1] / 255.0), atol=0.002, rtol=0
    )


@pytest.mark.parametrize("task", TASKS)
def test_the_generator_decides(task):
    images = some_images(50)
    one, same, other = (transform(task, images, 0.2, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(one[0], same[0]) and torch.equal(one[1], same[1])
    assert not torch.equal(one[1], other[1])


# The classifier.


def test_separable_features_are_told_apart_and_noise_is_not():
    """Two classes that no linear classifier separates: it does have a hidden layer."""
    how = settings(batch_size=50, epochs=20, hidden=32, learning_rate=0.01)
    labels, wanted = (torch.randint(2, (400,), generator=seeded(s)) for s in (1, 2))
    x, tested = (torch.randn(400, 4, generator=seeded(s)) for s in (3, 4))
    reached = features.accuracy(train_classifier(x, labels, 2, how)(tested), wanted)
    assert 40 < reached < 60
    for points, label in ((x, labels), (tested, wanted)):
        # Class 0 within, class 1 around: the first two features' length.
        length = torch.where(label == 1, 2.5, 0.5) / points[:, :2].norm(dim=1)
        points[:, :2] *= length[:, None]
    network = train_classifier(x, labels, 2, how)
    assert features.accuracy(network(tested), wanted) > 95
    assert not any(p.requires_grad for p in network.parameters())
    one, again = (train_classifier(x, labels, 2, settings()) for _ in range(2))
    assert torch.equal(again(tested), one(tested))
    assert not torch.equal(train_classifier(x, labels, 2, settings(seed=1))(tested), one(tested))


# The stage.


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_metrics_are_complete_and_the_same_again(data, encoder, tmp_path):
    before = contents(encoder)
    out = run(probe, settings(), data, tmp_path / "out", encoder=encoder)
    found = metrics(out)
    assert set(found) == {f"probe_{task}_{kind}" for task in TASKS for kind in "hz"}
    assert all(0 <= value <= 100 for value in found.values())
    again = run(probe, settings(), data, tmp_path / "again", encoder=encoder)
    assert contents(again) == contents(out) and set(contents(out)) == {"metrics.json"}
    assert contents(encoder) == before


def test_a_task_is_as_alone(data, encoder, tmp_path):
    both = metrics(run(probe, settings(), data, tmp_path / "all", encoder=encoder))
    some = settings(tasks=("sobel", "rotation"))
    some = metrics(run(probe, some, data, tmp_path / "some", encoder=encoder))
    assert set(some) == {f"probe_{task}_{kind}" for task in ("sobel", "rotation") for kind in "hz"}
    assert all(both[name] == value for name, value in some.items())


def test_the_classifier_learns_on_training_images_and_is_tested_on_test_images(
    data, encoder, tmp_path, monkeypatch
):
    """Accuracy of z found here is that of the stored networks on transformed test images."""
    kept, real = [], probe.train_classifier

    def spy(x, labels, classes, how):
        kept.append((x, labels, real(x, labels, classes, how)))
        return kept[-1][2]

    monkeypatch.setattr(probe, "train_classifier", spy)
    out = run(probe, settings(tasks=("rotation",)), data, tmp_path / "out", encoder=encoder)
    networks, stored = load_networks(encoder, data, torch.device("cpu")), packed.load(data)
    features, label = {}, {}
    for split, images in (("train", stored.train_images), ("test", stored.test_images)):
        draws = rng.generator(0, f"probe rotation {split}")
        turned, label[split] = transform("rotation", torch.from_numpy(images.copy()), 0.2, draws)
        with torch.no_grad():
            features[split] = networks["z"](networks["h"](turned / 255.0))
    mean, deviation = features["train"].mean(0), features["train"].std(0, correction=0)
    assert len(kept) == 2  # h and z
    x, labels, network = kept[1]
    torch.testing.assert_close(x, (features["train"] - mean) / deviation, rtol=1e-3, atol=1e-4)
    assert torch.equal(labels, label["train"])
    hits = network((features["test"] - mean) / deviation).argmax(1) == label["test"]
    assert metrics(out)["probe_rotation_z"] == pytest.approx(100 * hits.float().mean().item())


def test_without_a_head_there_is_no_z(data, tmp_path):
    headless = pretrain_settings(head={"kind": "none", "out_dim": 0}, epochs=1)
    encoder = run(pretrain, headless, data, tmp_path / "encoder")
    out = run(probe, settings(tasks=("gray",), epochs=1), data, tmp_path / "out", encoder=encoder)
    assert set(metrics(out)) == {"probe_gray_h"}


def test_refusals(data, encoder, tmp_path):
    with pytest.raises(ConfigError, match="batch_size: 91, but there are only 90 training images"):
        run(probe, settings(batch_size=91), data, tmp_path / "a", encoder=encoder)
    other = training.prepare_data(tmp_path / "data", seed=1)
    with pytest.raises(DataError, match=r"encoder.safetensors: was not trained on"):
        run(probe, settings(), other, tmp_path / "b", encoder=encoder)
    for tasks in ((), ("gray", "gray")):
        with pytest.raises(ConfigError, match=r"^tasks: name one or more, each once\.$"):
            settings(tasks=tasks)
