"""Views: the official pipeline, the distributions of its draws, independence, identical bits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp

from simclr.augment import crop_boxes, functional, pipeline
from simclr.augment.operators import COLOR_ORDERS
from simclr.config import ConfigError, build
from simclr.settings.training import OPERATORS, Views

FOLDER = Path(__file__).parent / "oracle"
ORACLE = np.load(FOLDER / "views.npz", allow_pickle=False)
OFFICIAL = np.load(FOLDER / "distributions.npz", allow_pickle=False)
NAMES = ("brightness", "contrast", "saturation", "hue")
DRAWS = 20000


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise_images(n, side, seed=0):
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=seeded(seed))


def make_views(images, settings):
    """Two views of each image, of generator 0: float32 [2, n, 3, S, S]."""
    drawn = pipeline.draw(settings, len(images), images.shape[3], seeded())
    return pipeline.make(images, drawn, settings)


def draw_many(settings, side=32):
    drawn = pipeline.draw(settings, DRAWS, side, seeded(), branches=1)
    return {name: value[0] for name, value in drawn.items()}


def color_draws(rows, order, brightness):
    """Draws for `pipeline.transform`: columns of `rows` by name, order [n, 4] of the operations."""
    drawn = {name: torch.tensor(rows[name], dtype=torch.float32) for name in NAMES[1:]}
    drawn["brightness"] = torch.tensor(rows[brightness], dtype=torch.float32)
    orders = COLOR_ORDERS.tolist()
    drawn["order"] = torch.tensor([orders.index(row) for row in order.astype(int).tolist()])
    return drawn


def columns(array, names):
    return dict(zip(names, array.T, strict=True))


@pytest.mark.parametrize("brightness", ["additive", "multiplicative"])
def test_color_jitter_as_official_in_every_order(brightness):
    parameters = ORACLE["jitter_params"]
    names = ("strength", "additive", "multiplicative", "contrast", "saturation", "hue")
    kind = {"additive": "v1", "multiplicative": "v2"}[brightness]
    cases = [k for k in range(24) if f"jitter_{kind}__{k}" in ORACLE]
    rows = columns(parameters[cases, :6], names)
    drawn = color_draws(rows, parameters[cases, 6:], brightness)
    drawn["jitter"] = torch.ones(len(cases), dtype=torch.bool)
    drawn["gray"] = ~drawn["jitter"]
    image = ORACLE[f"img{ORACLE['jitter_img']}"]
    x = torch.from_numpy(image.transpose(2, 0, 1)).repeat(len(cases), 1, 1, 1)
    out = pipeline.transform(x, drawn, Views(operators=("color",), brightness=brightness)).numpy()
    for k, result in zip(cases, out, strict=True):
        expected = ORACLE[f"jitter_{kind}__{k}"]
        assert np.abs(result.transpose(1, 2, 0) - expected).max() < 3e-6, k


def official(batch_blur=None):
    """The official pipeline's eight views (crop, flip, color, optionally blur) by our code."""
    names = ("image", "y", "x", "h", "w", "side", "strength", "flip", "jitter", "gray", "additive")
    names += ("multiplicative", "contrast", "saturation", "hue")
    parameters = ORACLE["pipe_params"]
    rows = columns(parameters[:, :15], names)
    drawn = color_draws(rows, parameters[:, 15:], "additive")
    for name, probability in (("flip", 0.5), ("jitter", 0.8), ("gray", 0.2)):
        drawn[name] = torch.tensor(rows[name] < probability)
    crops = []
    for image, *box in parameters[:, :5].astype(int).tolist():
        x = torch.from_numpy(ORACLE[f"img{image}"].transpose(2, 0, 1).copy())[None]
        crops.append(functional.crop_resize(x, torch.tensor([box]), 32))
    x = pipeline.transform(torch.cat(crops), drawn, Views(operators=("flip", "color")))
    if batch_blur is not None:
        chosen = torch.tensor(ORACLE["batchblur_select_u"] < 0.5).nonzero()[:, 0]
        sigma = torch.full((len(chosen),), float(ORACLE["batchblur_sigma"]))
        radius = functional.blur_radius(batch_blur)
        x[chosen] = functional.blur(x[chosen], sigma, radius).clamp_(0, 1)
    return x.numpy().transpose(0, 2, 3, 1)


def test_whole_pipeline_as_official():
    assert np.abs(official() - ORACLE["pipe_tf1v1"]).max() < 5e-6


@pytest.mark.parametrize("side", [32, 96])
def test_whole_pipeline_with_blur_as_official(side):
    assert np.abs(official(side) - ORACLE[f"batchblur_H{side}"]).max() < 5e-6


def test_blur_of_a_batch_as_official():
    """Through `make`'s own path: the operator's draws choose and blur."""
    x = torch.from_numpy(ORACLE["pipe_tf1v1"].transpose(0, 3, 1, 2).copy())
    drawn = {
        "blur": torch.tensor(ORACLE["batchblur_select_u"] < 0.5),
        "blur_sigma": torch.full((8,), float(ORACLE["batchblur_sigma"])),
    }
    out = pipeline.transform(x, drawn, Views(operators=("blur",)))
    assert np.abs(out.numpy().transpose(0, 2, 3, 1) - ORACLE["batchblur_H32"]).max() < 2e-6


def box_statistics(boxes, side):
    """What a crop is judged by, from boxes [n, 4] (y, x, h, w)."""
    y, x, h, w = np.asarray(boxes, dtype=float).T
    return {"area": h * w / side**2, "aspect": w / h, "y": y, "x": x, "h": h, "w": w}


@pytest.mark.parametrize("side", [32, 96])
def test_crops_are_distributed_as_official(side):
    official = box_statistics(OFFICIAL[f"crop_{side}x{side}_boxes"], side)
    drawn = draw_many(Views(operators=("crop",)), side)["crop"]
    for name, values in box_statistics(drawn, side).items():
        assert ks_2samp(values, official[name]).statistic < 0.016, name
    # The comparison can tell: the paper's wording (area uniform) and a last offset allowed.
    area = 0.08 + 0.92 * torch.rand(DRAWS, generator=seeded()).numpy()
    assert ks_2samp(area, official["area"]).statistic > 0.1
    assert (official["y"] + official["h"] < side)[official["h"] < side].all()


def test_crops_stay_inside_and_keep_to_their_range():
    for side, least in ((8, 0.08), (33, 0.5), (224, 1.0)):
        boxes = crop_boxes.draw_boxes(3000, side, least, seeded())
        y, x, h, w = boxes.unbind(1)
        assert (boxes[:, :2] >= 0).all() and (y + h <= side).all() and (x + w <= side).all()
        assert (h * w >= max(least, 0.1) * side**2).all()
        assert ((w == side) | (x + w < side)).all() and ((h == side) | (y + h < side)).all()


def test_color_is_distributed_as_official():
    drawn = draw_many(Views(operators=("color",), color_strength=1.0))
    for k, name in enumerate(NAMES):
        quantiles = torch.tensor(OFFICIAL["factor_quantiles"][k], dtype=torch.float32)
        below = (drawn[name][:, None] <= quantiles).float().mean(0).numpy()
        assert np.abs(below - OFFICIAL["q"]).max() < 0.016, name
    jitter, gray = drawn["jitter"], drawn["gray"]
    joint = [[float(((jitter == a) & (gray == b)).float().mean()) for b in (0, 1)] for a in (0, 1)]
    assert np.abs(joint - OFFICIAL["jitter_gray_table"]).max() < 0.012
    counts = torch.bincount(drawn["order"], minlength=24).double()
    assert len(COLOR_ORDERS.unique(dim=0)) == 24
    expected = DRAWS / 24
    assert ((counts - expected) ** 2 / expected).sum() < 49.7  # chi2 with 23 degrees, p = 0.001
    values = np.stack([drawn[name].numpy() for name in NAMES])
    assert np.abs(np.corrcoef(values) - np.eye(4)).max() < 0.03  # and from one another


def test_color_strength_and_brightness_kind_set_the_ranges():
    half = draw_many(Views(operators=("color",), color_strength=0.5))
    strong = draw_many(Views(operators=("color",), color_strength=2.0, brightness="multiplicative"))
    for drawn, name, low, high in (
        (half, "brightness", -0.4, 0.4),
        (half, "contrast", 0.6, 1.4),
        (half, "saturation", 0.6, 1.4),
        (half, "hue", -0.1, 0.1),
        (strong, "brightness", 0.0, 2.6),  # 1 - 1.6 is cut at 0
        (strong, "contrast", 0.0, 2.6),
        (strong, "hue", -0.4, 0.4),
    ):
        margin = 0.01 * (high - low)
        assert low <= drawn[name].min() < low + margin, name
        assert high - margin < drawn[name].max() <= high, name


def test_other_rates_and_ranges():
    drawn = draw_many(
        Views(operators=("flip", "blur", "cutout", "rotate"), blur_probability=0.25), side=11
    )
    assert abs(drawn["flip"].float().mean() - 0.5) < 0.012
    assert abs(drawn["blur"].float().mean() - 0.25) < 0.012
    quantiles = torch.tensor(OFFICIAL["blur_sigma_quantiles"], dtype=torch.float32)
    below = (drawn["blur_sigma"][:, None] <= quantiles).float().mean(0).numpy()
    assert np.abs(below - OFFICIAL["q"]).max() < 0.03  # there: 4000 draws
    assert drawn["cutout"].flatten().unique().tolist() == list(range(7))  # 5 pixels of 11
    assert (torch.bincount(drawn["rotate"]) / DRAWS - 1 / 3).abs()[1:].max() < 0.012
    noise = pipeline.draw(Views(operators=("noise",), noise_sigma=0.3), 4000, 8, seeded())
    assert 0.29 < noise["noise"].max() <= 0.3 and noise["noise"].min() < 0.01
    assert abs(noise["noise_field"].std() - 1) < 0.01


def test_every_image_and_branch_has_its_own_draw():
    for operator in OPERATORS:
        if operator == "sobel":  # draws nothing
            continue
        out = make_views(noise_images(1, 32).expand(64, 3, 32, 32), Views(operators=(operator,)))
        different = len(out.flatten(0, 1).flatten(1).unique(dim=0))
        floor = {"flip": 2, "rotate": 3, "autoaugment": 20, "broad": 15}.get(operator, 60)
        assert different >= floor, operator
        assert not torch.equal(out[0], out[1]), operator


SETTINGS = {
    "default": Views(),
    "multiplicative": Views(operators=("color", "crop"), brightness="multiplicative"),
    "single": Views(operators=("cutout", "noise", "rotate", "sobel"), color_strength=0.5),
    "asymmetric": Views(operators=("sobel", "color"), asymmetric=True, base_crop=True),
    "policy": Views(operators=("crop", "flip", "autoaugment")),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_grouping_changes_no_bit(name, monkeypatch):
    settings, sides = SETTINGS[name], (27, 32)
    for side in sides:
        images = noise_images(40, side)
        parts = (17, 1, 22)
        draws = [pipeline.draw(settings, n, side, seeded(n)) for n in parts]
        together = pipeline.make(images, pipeline.join(draws), settings)
        assert together.shape == (2, 40, 3, side, side) and together.dtype == torch.float32
        assert together.is_contiguous() and together.min() >= 0 and together.max() <= 1
        pieces = zip(images.split(parts), draws, strict=True)
        apart = torch.cat([pipeline.make(part, drawn, settings) for part, drawn in pieces], 1)
        assert torch.equal(together, apart)
        monkeypatch.setattr(pipeline, "CACHE_FLOATS", 9 * images[0].numel())
        assert torch.equal(pipeline.make(images, pipeline.join(draws), settings), together)
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(3)
            assert torch.equal(pipeline.make(images, pipeline.join(draws), settings), together)
            assert torch.get_num_threads() == 3
        finally:
            torch.set_num_threads(threads)
        monkeypatch.undo()


def test_the_generator_decides_and_nothing_else():
    settings = Views(operators=("crop", "flip", "color", "noise", "autoaugment"))
    images = noise_images(8, 32)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(results))  # the global generator has no part in it
        drawn = pipeline.draw(settings, 8, 32, seeded(seed))
        results.append(pipeline.make(images, drawn, settings))
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def test_operators_apply_in_the_order_of_the_settings():
    images = noise_images(6, 32)
    orders = [("rotate", "cutout"), ("cutout", "rotate")]
    drawn = pipeline.draw(Views(operators=orders[0]), 6, 32, seeded())
    first, second = (pipeline.make(images, drawn, Views(operators=order)) for order in orders)
    assert not torch.equal(first, second)
    x = (images / 255.0).repeat(2, 1, 1, 1)
    for turns in (1, 2, 3):
        chosen = (drawn["rotate"].flatten() == turns).nonzero()[:, 0]
        functional.rotate_(x, chosen, turns)
    expected = functional.cutout(x, drawn["cutout"].flatten(0, 1))
    assert torch.allclose(first.flatten(0, 1), expected, atol=1e-6)


def test_asymmetric_second_branch_is_the_image():
    settings = Views(operators=("crop", "flip", "color"), asymmetric=True)
    images = noise_images(16, 32)
    out = make_views(images, settings)
    assert torch.equal(out[1], images.float().div(255))
    assert (out[0] != out[1]).flatten(1).any(1).all()
    both = make_views(images, replace(settings, asymmetric=False))
    assert torch.equal(both[0], out[0])  # the first branch does not change


def test_base_crop_is_shared_by_the_branches():
    images = noise_images(16, 32)
    settings = Views(operators=("noise",), asymmetric=True, base_crop=True, noise_sigma=0.0)
    drawn = pipeline.draw(settings, 16, 32, seeded())
    out = pipeline.make(images, drawn, settings)
    assert torch.equal(out[0], out[1])
    expected = functional.crop_resize(images / 255.0, drawn["base"][0], 32).clamp(0, 1)
    assert torch.allclose(out[1], expected, atol=1e-6)
    assert not torch.equal(out[1], images / 255.0)


def test_one_branch():
    settings = Views(operators=("crop", "flip"))
    drawn = pipeline.draw(settings, 5, 16, seeded(), branches=1)
    out = pipeline.make(noise_images(5, 16), drawn, settings)
    assert out.shape == (1, 5, 3, 16, 16)


def test_no_operators_leave_the_image():
    images = noise_images(4, 16)
    out = make_views(images, Views(operators=()))
    assert torch.equal(out, images.float().div(255).expand(2, -1, -1, -1, -1))


def test_an_operator_named_twice_is_refused():
    with pytest.raises(ConfigError, match=r"^views: operators: name each at most once\.$"):
        build(Views, {"operators": ["crop", "flip", "crop"]}, "views")


def test_blur_does_nothing_below_twenty_pixels():
    """Its kernel is 10 % of the side, in whole taps: as in the authors' code."""
    settings = Views(operators=("blur",), blur_probability=1.0)
    for side, blurs in ((19, False), (20, True)):
        images = noise_images(4, side)
        out = make_views(images, settings)
        assert torch.equal(out[0], images.float().div(255)) != blurs


def test_a_given_kernel_blurs_small_images_too():
    settings = Views(operators=("blur",), blur_probability=1.0, blur_radius=1)
    images = noise_images(4, 16)
    drawn = pipeline.draw(settings, 4, 16, seeded())
    wanted = functional.blur(images.float().div(255), drawn["blur_sigma"][0], 1)
    assert torch.equal(pipeline.make(images, drawn, settings)[0], wanted)


def test_overshoot_of_a_crop_is_clipped_before_what_is_not_flip_or_color():
    settings = Views(operators=("crop", "cutout"))
    images = noise_images(8, 32)
    drawn = pipeline.draw(settings, 8, 32, seeded(), branches=1)
    crops = functional.crop_resize(images / 255.0, drawn["crop"][0], 32)
    clipped, late = (functional.cutout(x, drawn["cutout"][0]) for x in (crops.clamp(0, 1), crops))
    out = pipeline.make(images, drawn, settings)[0]
    assert torch.allclose(out, clipped, atol=1e-6)
    assert (out - late.clamp(0, 1)).abs().max() > 1e-4  # the cutout's mean tells
