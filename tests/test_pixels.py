"""Images on the device or on the disk, and images that are no squares: the same views of both."""

import dataclasses
import importlib
import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ks_2samp

from simclr.augment import crop_boxes, pipeline
from simclr.config import ConfigError, build
from simclr.data import image_store, images, packed
from simclr.registry import STAGES
from simclr.settings.measuring import Evaluate
from simclr.settings.training import FineTune, Views
from simclr.stages import evaluate, finetune, pretrain, supervise
from tests import training

CPU = torch.device("cpu")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(n, side):
    drawn = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=generator())
    return drawn.numpy()


def picture(width, height, seed=0) -> Image.Image:
    """Smooth, so that ways to resize differ little."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 216, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def stretched(width, height, side, seed=0) -> tuple[np.ndarray, float]:
    file = io.BytesIO()
    picture(width, height, seed).save(file, "PNG")
    return images.decode_whole(file.getvalue(), side, "x")


def test_training_from_the_disk_is_the_same_bits(data, tmp_path, monkeypatch):
    few = {"batch_size": 20, "epochs": 2}
    stages = {
        "pretrain": (pretrain, training.pretrain_settings(epochs=2)),
        "supervise": (supervise, training.supervise_settings(epochs=2)),
        "finetune": (
            finetune,
            build(FineTune, {**training.COMMON, "labels": 0.5, **few}),
        ),
    }
    read = []
    original = image_store.ImageStore._read

    def counted(self, index):
        read.append(len(index))
        return original(self, index)

    monkeypatch.setattr(image_store.ImageStore, "_read", counted)
    for place, mib in (("device", "1000"), ("disk", "0")):
        monkeypatch.setenv(image_store.RESIDENT_MIB, mib)
        for name, (stage, settings) in stages.items():
            training.run(stage, settings, data, tmp_path / place / name)
        assert bool(read) == (place == "disk")
    for name in stages:
        there = training.contents(tmp_path / "device" / name)
        assert there == training.contents(tmp_path / "disk" / name)


def test_evaluation_from_the_disk_is_the_same_bits(data, tmp_path, monkeypatch):
    trained = training.run(
        pretrain, training.pretrain_settings(epochs=1), data, tmp_path / "encoder"
    )
    settings = build(
        Evaluate,
        {"protocols": ["augmented", "features"], "epochs": 1, "batch_size": 20, "neighbours": 5},
    )
    for place, mib in (("device", "1000"), ("disk", "0")):
        monkeypatch.setenv(image_store.RESIDENT_MIB, mib)
        training.run(evaluate, settings, data, tmp_path / place, encoder=trained)
    assert training.contents(tmp_path / "device") == training.contents(tmp_path / "disk")


def test_what_is_taken_and_read_ahead():
    stored = noise(30, 8)
    rows = torch.arange(0, 30, 2)
    here = image_store.ImageStore(torch.from_numpy(stored[::2].copy()), CPU)
    there = image_store.ImageStore(stored, CPU, rows=rows)
    assert len(here) == len(there) == 15
    indices = [torch.tensor([3, 1, 1]), torch.tensor([14]), torch.arange(15), torch.tensor([0])]
    for index, a, b in zip(indices, here.prefetch(indices), there.prefetch(indices), strict=True):
        assert torch.equal(a, b) and torch.equal(a, here.on_device(index))
        assert np.array_equal(a.numpy(), stored[rows[index].numpy()])
    assert list(there.prefetch([])) == []


def test_an_error_while_reading_ahead_is_raised():
    there = image_store.ImageStore(noise(3, 8), CPU, rows=torch.arange(3))
    with pytest.raises(IndexError):
        list(there.prefetch([torch.tensor([0]), torch.tensor([3]), torch.tensor([1])]))


def test_a_limit_that_is_no_number_is_refused(data, monkeypatch):
    monkeypatch.setenv(image_store.RESIDENT_MIB, "much")
    with pytest.raises(ConfigError, match="SIMCLR_RESIDENT_MIB: expected a number"):
        image_store.open_split(packed.load(data), "train", CPU)


@pytest.mark.parametrize("size", [(500, 250), (250, 500), (300, 300), (900, 300)])
def test_evaluation_shows_the_paper_s_central_crop(size):
    """The short side 256, the central 224 x 224 of it: from a square in which all is squeezed."""
    stored, aspect = stretched(*size, 256)
    aspects = torch.tensor([aspect])
    one = image_store.ImageStore(torch.from_numpy(stored[None].copy()), CPU, 224, aspects)
    shown = one.eval_views(torch.tensor([0]), one.on_device(torch.tensor([0])))[0]
    scale = 256 / min(size)
    whole = picture(*size).resize(
        (round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BICUBIC
    )
    left, top = (whole.width - 224) // 2, (whole.height - 224) // 2
    wanted = np.asarray(whole.crop((left, top, left + 224, top + 224))).transpose(2, 0, 1)
    assert abs(shown.numpy() * 255 - wanted).mean() < 1.5
    flat = torch.from_numpy(wanted.copy()).float() / 255
    assert abs(shown.flip(2) - flat).mean() > 5 * abs(shown - flat).mean()
    np.testing.assert_allclose(one.eval_image(0), shown.numpy() * 255, atol=0.51)


def test_square_images_are_shown_as_they_are():
    stored = torch.from_numpy(noise(4, 8))
    one = image_store.ImageStore(stored, CPU)
    index = torch.tensor([2, 0])
    assert torch.equal(one.eval_views(index, one.on_device(index)), stored[index].float() / 255)


def official(width, height, least, rng):
    """One crop (w, h) by TensorFlow's sampler on an image that is no square, of whole pixels."""
    for _ in range(crop_boxes.TRIES):
        ratio = rng.uniform(*crop_boxes.ASPECT)
        shortest = round((least * width * height / ratio) ** 0.5)
        tallest = min(round((width * height / ratio) ** 0.5), height, int((width + 0.5) / ratio))
        h = (
            shortest + int(rng.random() * (tallest - shortest + 1))
            if tallest > shortest
            else shortest
        )
        w = round(h * ratio)
        if w <= width and h <= height and w * h >= max(least, crop_boxes.COVERED) * width * height:
            return w, h
    return width, height


@pytest.mark.parametrize("size", [(1024, 512), (400, 600), (1500, 500)])
def test_crops_of_squeezed_images_are_those_of_the_whole(size):
    width, height = size
    rng, n = np.random.default_rng(0), 20000
    theirs = np.array([official(width, height, 0.08, rng) for _ in range(n)])
    boxes = crop_boxes.draw_boxes(
        n, 256, 0.08, generator(), aspects=torch.full((n,), width / height)
    ).numpy()
    h, w = boxes[:, 2] / 256 * height, boxes[:, 3] / 256 * width
    whole = (boxes[:, 2] == 256) & (boxes[:, 3] == 256)
    assert whole.mean() < 0.001  # no box was found
    # Rounded to whole pixels of the stored square: small crops by up to 5 %.
    ratio = (w / h)[~whole]
    assert ratio.min() > 0.75 * 0.95 and ratio.max() < 4 / 3 * 1.05
    area = boxes[:, 2] * boxes[:, 3] / 256**2
    assert ks_2samp(area, theirs.prod(1) / (width * height)).statistic < 0.02
    assert ks_2samp(ratio, theirs[:, 0] / theirs[:, 1]).statistic < 0.02
    y, x = boxes[:, 0], boxes[:, 1]
    assert (y + boxes[:, 2] <= 256).all() and (x + boxes[:, 3] <= 256).all()


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"operators": ("flip", "color")},
        {"base_crop": True, "operators": ("color",)},
        {"asymmetric": True, "base_crop": True, "operators": ("crop", "flip")},
        {"asymmetric": True},
        {"operators": ("color", "crop")},
        {"operators": ("blur", "cutout", "noise", "rotate", "sobel")},
    ],
)
def test_views_of_another_side_and_of_squeezed_images(more):
    """The shapes agree in every mode, and a square image's aspect of 1 changes no bit."""
    settings = Views(**more)
    stored = torch.from_numpy(noise(12, 40))

    def made(aspects):
        drawn = pipeline.draw(settings, 12, 28, generator(), stored=40, aspects=aspects)
        return pipeline.make(stored, drawn, settings, 28)

    plain, one = made(None), made(torch.ones(12))
    assert plain.shape == (2, 12, 3, 28, 28)
    assert torch.equal(plain, one)
    assert not torch.equal(plain, made(torch.full((12,), 2.0)))


def test_a_set_s_aspects_reach_the_views(tmp_path):
    """A packed set with and without its aspects gives other encoders."""
    data = training.prepare_data(tmp_path / "data")
    settings = training.pretrain_settings(epochs=1)
    before = training.run(pretrain, settings, data, tmp_path / "squares")
    for split in ("train", "test"):
        labels = np.load(data / f"{split}_labels.npy")
        np.save(data / f"{split}_aspects.npy", np.full(len(labels), 1.9, np.float32))
    after = training.run(pretrain, settings, data, tmp_path / "wide")
    assert training.contents(before) != training.contents(after)
    rows = torch.tensor([5, 2])
    chosen = image_store.open_split(packed.load(data), "train", CPU, rows)
    assert torch.equal(chosen.aspects_of(torch.tensor([1])), torch.tensor([1.9]))
    assert len(chosen) == 2


@pytest.mark.parametrize(
    "name", ["evaluate", "examples", "histograms", "maps", "probe", "transfer", "neighbours"]
)
def test_every_stage_reads_squeezed_images_of_another_side(name, tmp_path):
    """And shows them by the side of views; stored squares of 12 pixels, views of 8."""
    data = training.prepare_data(tmp_path / "data", image_size=12, view_size=8)
    for split in ("train", "test"):
        count = len(np.load(data / f"{split}_labels.npy"))
        shapes = np.linspace(0.5, 2.0, count, dtype=np.float32)
        np.save(data / f"{split}_aspects.npy", shapes)
    cls, module = STAGES[name].settings, STAGES[name].module
    few = {"epochs": 1, "batch_size": 20, "images": 40, "neighbours": 5, "penalties": 3}
    fields = {field.name for field in dataclasses.fields(cls)}
    settings = build(cls, {key: value for key, value in few.items() if key in fields})
    trained = training.pretrain_settings(epochs=1)
    encoder = training.run(pretrain, trained, data, tmp_path / "encoder")
    out = training.run(
        importlib.import_module(module), settings, data, tmp_path / "out", encoder=encoder
    )
    assert list(out.iterdir())
    for picture in out.glob("*.png"):
        assert Image.open(picture).size[0] % 8 == 0
