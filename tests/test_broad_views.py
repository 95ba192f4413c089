"""Broader views and variants of the pipeline (paper B.2, Fig. 5), and the family `figures`."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from simclr.augment import functional, pipeline
from simclr.config import ConfigError, build
from simclr.data.sources import patterns
from simclr.data.sources.patterns import CLASSES, generate
from simclr.settings.data import Prepare
from simclr.settings.training import Views
from simclr.stages import prepare
from tests import training

DRAWS = 20000
KINDS = ("sobel", "equalize", "solarize", "motion blur")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise_images(n, side, seed=0):
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=seeded(seed))


def pale_images(n, side, seed=0):
    """Of little contrast around one half, so that equalizing and solarizing are seen."""
    return noise_images(n, side, seed) // 4 + 96


# Motion blur.

STEPS = {0: (0, 1), 1: (1, 1), 2: (1, 0), 3: (1, -1)}  # direction -> rows, columns


@pytest.mark.parametrize("direction", STEPS)
@pytest.mark.parametrize(("side", "radius"), [(8, 1), (39, 1), (40, 2)])
def test_motion_blur_is_the_mean_along_a_line(side, radius, direction):
    x = torch.rand(2, 3, side, side, generator=seeded(), dtype=torch.float64)
    found, source = functional.motion_blur(x, direction).numpy(), x.numpy()
    down, right = STEPS[direction]
    for row in range(side):
        for column in range(side):
            total = 0
            for step in range(-radius, radius + 1):
                y = min(max(row + step * down, 0), side - 1)
                z = min(max(column + step * right, 0), side - 1)
                total = total + source[:, :, y, z]
            wanted = total / (2 * radius + 1)
            assert np.abs(found[:, :, row, column] - wanted).max() < 1e-12


def test_motion_blur_leaves_a_plain_image_and_no_image():
    plain = torch.full((1, 3, 8, 8), 0.25)
    torch.testing.assert_close(functional.motion_blur(plain, 1), plain)
    assert functional.motion_blur(plain[:0], 1).shape == (0, 3, 8, 8)


# `broad`.

BROAD = Views(operators=("broad",))


def one_by_one(image, kinds, direction):
    """The operations by other means, on one image float [3, S, S], in their order."""
    x = image.clone()
    if kinds[0]:
        x = functional.sobel(x[None])[0]
    if kinds[1]:
        pixels = (x * 255).round().byte().permute(1, 2, 0).numpy()
        equal = np.array(ImageOps.equalize(Image.fromarray(pixels)))
        x = torch.from_numpy(equal).permute(2, 0, 1) / 255
    if kinds[2]:
        x = x.minimum(1 - x)  # the same within [0, 1]
    if kinds[3]:
        x = functional.motion_blur(x[None], direction)[0]
    return x


def test_each_operation_is_applied_where_it_is_drawn_and_nowhere_else():
    images = pale_images(60, 24)  # equalizing hardly changes 256 pixels or less
    drawn = pipeline.draw(BROAD, 60, 24, seeded())
    out = pipeline.make(images, drawn, BROAD)
    alone = set()
    for branch in range(2):
        for k in range(60):
            kinds = drawn["broad"][branch, k].tolist()
            image, found = images[k] / 255.0, out[branch, k]
            if not any(kinds):
                assert torch.equal(found, image)
            wanted = one_by_one(image, kinds, int(drawn["direction"][branch, k]))
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
            if sum(kinds) == 1:
                alone.add(kinds.index(True))
                assert (found - image).abs().max() > 0.01, KINDS[kinds.index(True)]
    assert alone == {0, 1, 2, 3}  # all were seen


def test_no_operation_leaves_all_images():
    images = pale_images(5, 16)
    drawn = pipeline.draw(BROAD, 5, 16, seeded())
    drawn["broad"] = torch.zeros_like(drawn["broad"])
    assert torch.equal(pipeline.make(images, drawn, BROAD)[1], images.float().div(255))


def test_rates_of_the_operations():
    drawn = pipeline.draw(BROAD, DRAWS, 8, seeded(), branches=1)
    kinds = drawn["broad"][0].float()
    assert kinds.shape == (DRAWS, 4)
    assert (kinds.mean(0) - 0.2).abs().max() < 0.012
    assert np.abs(np.corrcoef(kinds.T.numpy()) - np.eye(4)).max() < 0.03
    counts = torch.bincount(drawn["direction"][0], minlength=4) / DRAWS
    assert len(counts) == 4 and (counts - 0.25).abs().max() < 0.012


def test_broad_after_a_crop_sees_pixels_within_their_range():
    """Bicubic overshoot is clipped before: solarizing 1.1 would give -0.1, not 0."""
    settings = Views(operators=("crop", "broad"))
    images = (noise_images(8, 16) > 127).to(torch.uint8) * 255
    drawn = pipeline.draw(settings, 8, 16, seeded(), branches=1)
    drawn["broad"] = torch.tensor([False, False, True, True]).expand(1, 8, 4)
    crops = functional.crop_resize(images / 255.0, drawn["crop"][0], 16)
    assert crops.max() > 1.05
    out = pipeline.make(images, drawn, settings)[0]
    for crop, found, direction in zip(crops, out, drawn["direction"][0], strict=True):
        wanted = one_by_one(crop.clamp(0, 1), [0, 0, 1, 1], int(direction))
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_every_image_and_branch_has_its_own_draw():
    """All that it can do to an image: 8 choices, with four directions or without blur."""
    images = pale_images(1, 24).expand(300, 3, 24, 24)
    drawn = pipeline.draw(BROAD, 300, 24, seeded())
    out = pipeline.make(images, drawn, BROAD)
    assert 20 < len(out.flatten(0, 1).flatten(1).unique(dim=0)) <= 40
    assert not torch.equal(out[0], out[1])


# Gates.


def test_sobel_is_applied_where_it_is_drawn():
    settings, images = Views(operators=("sobel",), gate=0.3), noise_images(200, 8)
    drawn = pipeline.draw(settings, 200, 8, seeded())
    out = pipeline.make(images, drawn, settings)
    x = images.float().div(255)
    edges = functional.sobel(x)
    for branch in range(2):
        chosen = drawn["sobel"][branch]
        assert torch.equal(out[branch][~chosen], x[~chosen])
        torch.testing.assert_close(out[branch][chosen], edges[chosen], rtol=0, atol=1e-6)
    many = pipeline.draw(settings, DRAWS, 8, seeded(), branches=1)["sobel"].float()
    assert abs(many.mean() - 0.3) < 0.012


def test_noise_is_added_where_it_is_drawn():
    settings, images = Views(operators=("noise",), gate=0.3), noise_images(200, 8)
    drawn = pipeline.draw(settings, 200, 8, seeded())
    out = pipeline.make(images, drawn, settings)
    x = images.float().div(255)
    for branch in range(2):
        sigma = drawn["noise"][branch]
        noisy = x + sigma[:, None, None, None] * drawn["noise_field"][branch]
        torch.testing.assert_close(out[branch], noisy.clamp(0, 1), rtol=0, atol=1e-6)
        assert torch.equal(out[branch][sigma == 0], x[sigma == 0])
        assert (out[branch] != x).flatten(1).any(1).equal(sigma > 0)
    sigma = pipeline.draw(settings, 4000, 8, seeded(), branches=1)["noise"][0]
    assert abs((sigma > 0).float().mean() - 0.3) < 0.03
    kept = sigma[sigma > 0]  # still uniform
    assert abs(kept.mean() - 0.1) < 0.006 and 0.19 < kept.max() <= 0.2


def test_a_gate_of_one_draws_nothing_more():
    """All images get it, and what is drawn after it is as it was before there were gates."""
    settings = Views(operators=("sobel", "noise", "flip"))
    drawn, generator = pipeline.draw(settings, 50, 8, seeded()), seeded()
    assert "sobel" not in drawn
    assert torch.equal(drawn["noise"], torch.rand(2, 50, generator=generator) * 0.2)
    assert torch.equal(drawn["noise_field"], torch.randn(2, 50, 3, 8, 8, generator=generator))
    assert torch.equal(drawn["flip"], torch.rand(2, 50, generator=generator) < 0.5)
    images, settings = noise_images(50, 8), Views(operators=("sobel",))
    out = pipeline.make(images, pipeline.draw(settings, 50, 8, seeded()), settings)
    edges = functional.sobel(images.float().div(255))
    torch.testing.assert_close(out, edges.expand(2, -1, -1, -1, -1), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("gate", "message"), [(0.0, "greater than 0.0"), (1.5, "at most 1.0")])
def test_a_gate_out_of_range_is_refused(gate, message):
    with pytest.raises(ConfigError, match=f"^gate: must be {message}, got {gate}"):
        build(Views, {"gate": gate})


# Blur of a batch.


def test_one_sigma_a_batch_and_branch():
    settings = Views(operators=("blur",), blur_sigma="batch")
    drawn = pipeline.draw(settings, 50, 32, seeded(), batch_size=20)
    sigma = drawn["blur_sigma"]
    assert sigma.shape == (2, 50)
    parts = [part.unique() for row in sigma for part in row.split(20)]  # the last has 10
    assert all(len(part) == 1 for part in parts) and len(torch.cat(parts).unique()) == 6
    assert 0.4 < drawn["blur"].float().mean() < 0.6  # whether it is blurred: still each image's
    # Without a batch size, all are one batch.
    whole = pipeline.draw(settings, 50, 32, seeded())["blur_sigma"]
    assert [len(row.unique()) for row in whole] == [1, 1] and whole[0, 0] != whole[1, 0]
    image = pipeline.draw(Views(operators=("blur",)), 50, 32, seeded(), batch_size=20)
    assert len(image["blur_sigma"].unique()) == 100


def test_sigmas_of_batches_are_uniform():
    settings = Views(operators=("blur",), blur_sigma="batch")
    drawn = pipeline.draw(settings, 2 * DRAWS, 32, seeded(), branches=1, batch_size=2)
    sigma = drawn["blur_sigma"][0, ::2]
    assert 0.1 <= sigma.min() < 0.11 and 1.99 < sigma.max() <= 2.0
    for share in (0.25, 0.5, 0.75):
        assert abs((sigma < 0.1 + 1.9 * share).float().mean() - share) < 0.012


def test_sigma_of_a_batch_changes_no_draw_before_it():
    """Blur is the last of the paper's operators, so all others' draws are the same."""
    names = ("crop", "flip", "color", "blur")
    image, batch = (
        pipeline.draw(Views(operators=names, blur_sigma=kind), 30, 32, seeded(), batch_size=10)
        for kind in ("image", "batch")
    )
    assert image.keys() == batch.keys()
    same = {name for name in image if torch.equal(image[name], batch[name])}
    assert same == image.keys() - {"blur_sigma"}


def test_training_names_its_batches():
    """`epoch_batches` draws several steps at once; each has its own sigmas."""
    from simclr.training import batching

    settings = Views(operators=("blur",), blur_sigma="batch", blur_probability=1.0)
    images = noise_images(1, 32).expand(12, 3, 32, 32)
    epoch = batching.epoch_batches(images, settings, seed=0, batch_size=4, epoch=0, branches=2)
    batches = [x for _, x, _ in epoch]
    branches = [branch for x in batches for branch in x]
    assert len(batches) == 3 and len({branch[0].numpy().tobytes() for branch in branches}) == 6
    assert all((branch == branch[:1]).all() for branch in branches)


# Patterns.

# SHA-256 of the bytes of images and labels that the module gave before there were families: of
# `git show c77deab:simclr/data/sources/patterns.py`, generate(count, image_size, seed, split).
BEFORE = {
    (40, 16, 0, "train"): "fe738d7d68075e373cdcce3331cee1ef8522e63721aff492e051ca3b5cf07fae",
    (40, 16, 0, "test"): "aa8ba2c92f4cc61e64dad93462d392cfe41a3b360f7c4ac3d5e862249b7f020b",
    (25, 9, 3, "train"): "6fb595b385f4569b01a129770f81ca7251f300f56c77cf6d6034577146f68f3e",
}


@pytest.mark.parametrize("arguments", BEFORE)
def test_textures_are_those_from_before_there_were_families(arguments):
    for family in ((), ("textures",)):
        images, labels = generate(*arguments, *family)
        digest = hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()
        assert digest == BEFORE[arguments]


def test_figures_are_ten_balanced_classes_of_their_own():
    assert len(set(CLASSES["figures"])) == 10
    assert not set(CLASSES["figures"]) & set(CLASSES["textures"])
    images, labels = generate(43, 16, 0, "train", "figures")
    assert images.shape == (43, 3, 16, 16) and images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [5, 5, 5, 4, 4, 4, 4, 4, 4, 4]
    assert labels.dtype == np.int64


def test_figures_are_a_function_of_seed_and_split():
    def draw(*which):
        return generate(30, 16, *which, "figures")[0]

    train = draw(0, "train")
    assert np.array_equal(draw(0, "train"), train)
    for other in (draw(0, "test"), draw(1, "train"), generate(30, 16, 0, "train")[0]):
        assert not any((image == train).all((1, 2, 3)).any() for image in other)


def test_an_image_shows_one_figure_and_not_a_pattern(monkeypatch):
    """The ink of an image is that of a figure: of a disc all in one round piece."""
    inks, real = [], patterns._paint
    monkeypatch.setattr(patterns, "_paint", lambda ink, *rest: inks.append(ink) or real(ink, *rest))
    labels = generate(200, 16, 0, "train", "figures")[1]
    discs = inks[0][labels == 0] > 0.5
    y, x = np.mgrid[:16, :16]
    for disc in discs:
        centre = y[disc].mean(), x[disc].mean()
        radius = (disc.sum() / np.pi) ** 0.5
        distance = np.hypot(y - centre[0], x - centre[1])
        assert disc[distance < radius - 2].all() and not disc[distance > radius + 2].any()


def test_figures_can_be_told_by_their_shape():
    """Each ink's mean over a class is nearest to the mean of new inks of the same class."""
    means = {}
    for seed in (0, 1):
        rng = np.random.Generator(np.random.PCG64(seed))
        inks = [patterns._figure(pattern, 60, 16, rng) for pattern in patterns.FIGURES]
        assert all(ink.min() >= 0 and ink.max() <= 1 for ink in inks)
        # One figure, most of it within the image: its border has less ink than the image.
        means[seed] = np.stack([ink.mean(0) for ink in inks])
    distance = ((means[0][:, None] - means[1]) ** 2).mean((2, 3))
    assert distance.argmin(1).tolist() == list(range(10))
    for mean in means[0]:
        border = np.concatenate([mean[0], mean[-1], mean[:, 0], mean[:, -1]])
        assert 0.1 < mean.mean() < 0.6 and border.mean() < 0.5 * mean.mean()


def test_figures_are_prepared_with_their_names(tmp_path):
    data = training.prepare_data(tmp_path / "data", family="figures")
    loaded = prepare.packed.load(data)
    assert loaded.classes == CLASSES["figures"]
    assert np.array_equal(loaded.train_images, generate(90, 8, 0, "train", "figures")[0])
    with pytest.raises(ConfigError, match=r"^train_images: must be at least 10, one of each class"):
        build(Prepare, {"family": "figures", "train_images": 9, "test_images": 10})
    with pytest.raises(ConfigError, match=r"^family: 'figure' is not a choice\. Did you mean"):
        build(Prepare, {"family": "figure", "train_images": 10, "test_images": 10})
