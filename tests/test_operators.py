"""Each operation against what the authors' code computed, and against plain definitions.

tests/oracle/views.npz holds arrays made by running google-research/simclr (commit be133b3; `v2`:
383d414) under TensorFlow on CPU: images [H, W, 3], results not clipped.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from simclr.augment import functional, operators, pipeline
from simclr.settings.training import OPERATORS, Views

ORACLE = np.load(Path(__file__).parent / "oracle" / "views.npz", allow_pickle=False)


def batch(*images):
    """Images [H, W, 3] of one size as a new tensor [n, 3, H, W]."""
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())


def difference(x, *expected):
    return float((x - batch(*expected)).abs().max())


def vector(*values):
    return torch.tensor([float(value) for value in values])


def test_every_operator_has_a_class_and_its_own_names():
    names = OPERATORS
    assert set(operators.OPERATORS) == set(names)
    drawn = [
        pipeline.draw(Views(operators=(name,), gate=0.5), 3, 8, torch.Generator()) for name in names
    ]
    together = Views(operators=names, gate=0.5)
    count = sum(len(each) - 1 for each in drawn)  # less "branch"
    assert len(pipeline.draw(together, 3, 8, torch.Generator())) - 1 == count


# Operation, its parameters there, tolerance given with the arrays.
FACTORS = {
    "brightness_v1": (functional.add_brightness_, "factors_brightness_v1", 1e-6),
    "brightness_v2": (functional.scale_brightness_, "factors_mult", 1e-6),
    "contrast": (functional.contrast_, "factors_mult", 1e-6),
    "saturation": (functional.saturation_, "factors_mult", 2e-6),
    "hue": (functional.hue_, "factors_hue", 2e-6),
}


@pytest.mark.parametrize("name", FACTORS)
def test_color_operations_as_official(name):
    operation, parameters, tolerance = FACTORS[name]
    factors = ORACLE[parameters]
    pairs = [(i, j) for i in (1, 4) for j in range(4)]
    x = batch(*(ORACLE[f"img{i}"] for i, _ in pairs))  # all at once: a factor for each image
    expected = [ORACLE[f"{name}__{i}_{j}"] for i, j in pairs]
    assert difference(x, *expected) > 0.05
    assert difference(operation(x, vector(*(factors[j] for _, j in pairs))), *expected) < tolerance


def test_gray_as_official():
    x = batch(ORACLE["img1"], ORACLE["img4"], ORACLE["img0"])
    out = functional.gray_(x, torch.tensor([1, 0]))
    assert difference(out, ORACLE["gray__1"], ORACLE["gray__4"], ORACLE["img0"]) < 1e-6


@pytest.mark.parametrize(
    "image, kernel, sigmas", [(1, 3, range(4)), (1, 9, range(4)), (3, 22, (0, 2))]
)
def test_blur_as_official(image, kernel, sigmas):
    x = batch(*[ORACLE[f"img{image}"]] * len(sigmas))
    out = functional.blur(x, vector(*(ORACLE["blur_sigma"][j] for j in sigmas)), kernel // 2)
    expected = [ORACLE[f"blur__{image}_k{kernel}_{j}"] for j in sigmas]
    assert difference(out, *expected) < 1e-6


def test_blur_radius_as_official():
    radii = {16: 0, 19: 0, 20: 1, 32: 1, 40: 2, 96: 4, 224: 11}  # a 23-tap kernel at 224
    assert {side: functional.blur_radius(side) for side in radii} == radii


@pytest.mark.parametrize("case", range(9))
def test_crop_as_official(case):
    image, *box, side = ORACLE[f"crop_box__{case}"].tolist()
    out = functional.crop_resize(batch(ORACLE[f"img{image}"]), torch.tensor([box]), side)
    assert difference(out, ORACLE[f"crop_tf1__{case}"]) < 2e-6


def test_crop_of_a_batch_has_a_box_for_each_image():
    cases = [case for case in range(9) if ORACLE[f"crop_box__{case}"][0] == 3][1:]
    parameters = np.stack([ORACLE[f"crop_box__{case}"] for case in cases])
    assert len(cases) == 2 and not (parameters[0] == parameters[1]).all()
    boxes = torch.from_numpy(parameters[:, 1:5])
    out = functional.crop_resize(batch(*[ORACLE["img3"]] * 2), boxes, 48)
    assert difference(out, *(ORACLE[f"crop_tf1__{case}"] for case in cases)) < 2e-6


def test_crop_of_the_whole_image_is_the_image():
    x = torch.rand(2, 3, 17, 17)
    assert torch.equal(functional.crop_resize(x, torch.tensor([[0, 0, 17, 17]] * 2), 17), x)


def test_extreme_factors():
    x = torch.rand(1, 3, 9, 9)
    value = x.amax(1, keepdim=True).expand_as(x)
    assert torch.equal(functional.saturation_(x.clone(), vector(0)), value)  # HSV, so not the luma
    full = functional.saturation_(x.clone(), vector(1e6))
    assert full.amin(1).abs().max() < 1e-6  # saturation stops at 1
    assert torch.allclose(functional.hue_(x.clone(), vector(1)), x, atol=2e-6)
    turned = functional.hue_(x.clone(), vector(1 / 3))  # red becomes green
    assert torch.allclose(turned, x.roll(1, 1), atol=2e-6)
    black = torch.zeros(1, 3, 4, 4)
    for operation in (functional.saturation_, functional.hue_):
        assert torch.equal(operation(black.clone(), vector(0.5)), black)


def test_flip_and_rotation_touch_the_chosen_images_only():
    x = torch.rand(4, 3, 5, 5)
    expected = x.clone().numpy()
    expected[[0, 2]] = expected[[0, 2], :, :, ::-1]
    assert np.array_equal(functional.flip_(x.clone(), torch.tensor([0, 2])).numpy(), expected)
    for turns in (1, 2, 3):
        expected = x.clone().numpy()
        expected[3] = np.rot90(expected[3], turns, (1, 2))
        out = functional.rotate_(x.clone(), torch.tensor([3]), turns)
        assert np.array_equal(out.numpy(), expected)


def test_cutout_is_a_square_of_the_image_mean():
    x = torch.rand(2, 3, 10, 10)
    out = functional.cutout(x.clone(), torch.tensor([[0, 5], [3, 2]]))
    expected = x.clone()
    expected[0, :, 0:5, 5:10] = x[0].mean()
    expected[1, :, 3:8, 2:7] = x[1].mean()
    assert torch.allclose(out, expected, atol=1e-6)


def test_sobel_against_scipy():
    x = torch.rand(3, 3, 12, 12)
    out = functional.sobel(x).numpy()
    for image, result in zip(x.double().numpy(), out, strict=True):
        # "mirror" repeats no border pixel: TensorFlow's and torch's "reflect".
        response = np.stack(
            [sum(ndimage.sobel(plane, axis, mode="mirror") for axis in (0, 1)) for plane in image]
        )
        expected = (response - response.min()) / (response.max() - response.min())
        assert np.abs(result - expected).max() < 2e-6


def test_sobel_of_an_image_without_edges_is_gray():
    flat = torch.full((2, 3, 8, 8), 0.3)
    flat[1] += 1e-6 * torch.rand(3, 8, 8)  # what rounding leaves is not an edge
    assert torch.equal(functional.sobel(flat), torch.full_like(flat, 0.5))
    flat[1, 0, 4, 4] += 1 / 255  # the smallest edge of a uint8 image is
    assert functional.sobel(flat)[1].unique().numel() > 2


def test_noise_scales_the_field():
    x, field = torch.rand(2, 3, 6, 6), torch.randn(2, 3, 6, 6)
    out = functional.add_noise_(x.clone(), vector(0.0, 0.5), field)
    assert torch.equal(out[0], x[0]) and torch.allclose(out[1] - x[1], field[1] / 2, atol=1e-6)


BATCHED = {
    "brightness": functional.add_brightness_,
    "contrast": functional.contrast_,
    "saturation": functional.saturation_,
    "hue": functional.hue_,
    "blur": lambda x, p: functional.blur(x, p + 0.1, 2),
    "cutout": lambda x, p: functional.cutout(x, (p[:, None] * 10).long().expand(-1, 2)),
    "sobel": lambda x, p: functional.sobel(x),
    "crop": lambda x, p: functional.crop_resize(
        x,
        torch.stack([(p * 9).long(), (p * 5).long(), (p * 9).long() + 9, (p * 9).long() + 7], 1),
        27,
    ),
}


@pytest.mark.parametrize("name", BATCHED)
def test_an_image_does_not_depend_on_its_batch(name):
    """Bit for bit, at a size that fills no vector register evenly, in either memory layout."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(23, 3, 27, 27, generator=generator)
    p = torch.rand(23, generator=generator)
    together = BATCHED[name](x.clone(), p)
    planes = x.transpose(0, 1).contiguous().transpose(0, 1)
    assert torch.equal(BATCHED[name](planes.clone(), p), together)
    for part in (slice(0, 1), slice(4, 11), slice(22, 23)):
        assert torch.equal(BATCHED[name](x[part].clone(), p[part]), together[part])
