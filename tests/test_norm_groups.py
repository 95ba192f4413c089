"""Batch normalisation in parts of a batch: as separate batches; views of an image stay together."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from simclr import distributed
from simclr.config import ConfigError
from simclr.models.batch_norm import BatchNorm
from simclr.models.resnet import build_encoder
from simclr.settings.training import Encoder
from simclr.stages import pretrain
from simclr.training import loop, norm_groups
from tests import training
from tests.training import contents, pretrain_settings, run, supervise_settings

SHAPES = [(12, 5), (12, 5, 3, 4)]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def norm(channels=5, scale_only=False):
    """One whose numbers are not those it starts with, in float64."""
    module = BatchNorm(channels, scale_only).double()
    with torch.no_grad():
        for number, value in enumerate([*module.parameters(), *module.buffers()]):
            value.copy_(torch.rand(channels, generator=seeded(number)) + 0.5)
    return module


def naive(x, module):
    """The formula, over all of x, as (output, mean, biased variance)."""
    over = [0, *range(2, x.ndim)]
    mean = x.mean(over, keepdim=True)
    variance = ((x - mean) ** 2).mean(over, keepdim=True)
    shape = [1, -1] + [1] * (x.ndim - 2)
    out = (x - mean) / (variance + 1e-5).sqrt() * module.weight.view(shape)
    if module.bias is not None:
        out = out + module.bias.view(shape)
    return out, mean.flatten(), variance.flatten()


@pytest.mark.parametrize("scale_only", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("groups", [2, 4])
def test_groups_are_separate_batches(groups, shape, scale_only):
    x = torch.randn(shape, generator=seeded(), dtype=torch.float64)
    x = x + torch.arange(12).view(-1, *[1] * (x.ndim - 1))  # no two groups are alike
    upstream = torch.randn(shape, generator=seeded(1), dtype=torch.float64)
    ours, theirs = norm(scale_only=scale_only), norm(scale_only=scale_only)
    ours.groups = groups
    found = x.clone().requires_grad_()
    out = ours(found)
    out.backward(upstream)

    wanted = x.clone().requires_grad_()
    parts = [naive(part, theirs) for part in wanted.split(12 // groups)]
    expected = torch.cat([part[0] for part in parts])
    expected.backward(upstream)
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found.grad, wanted.grad, rtol=1e-8, atol=1e-8)
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-9, atol=1e-9)
    # Moving statistics go a tenth of the way to the mean of the groups'.
    for name, place in (("running_mean", 1), ("running_var", 2)):
        mean = torch.stack([part[place].detach() for part in parts]).mean(0)
        moved = 0.9 * getattr(theirs, name) + 0.1 * mean
        torch.testing.assert_close(getattr(ours, name), moved, rtol=1e-12, atol=1e-12)


def test_one_group_is_the_whole_batch():
    x = torch.randn(12, 5, 3, 4, generator=seeded(), dtype=torch.float64)
    module = norm()
    expected = naive(x, norm())[0]
    assert module.groups == 1
    torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-10)
    module.groups = 2
    assert (module(x) - expected).abs().max() > 1e-3


def test_in_inference_groups_do_not_matter():
    x, module = torch.randn(7, 5, generator=seeded(), dtype=torch.float64), norm().eval()
    expected = module(x)
    module.groups = 2  # 7 images are no whole groups
    assert torch.equal(module(x), expected)


def test_reduced_precision_moves_float32_statistics():
    x = torch.randn(8, 5, 2, 2, generator=seeded()).bfloat16()
    module = BatchNorm(5)
    module.groups = 2
    out = module(x)
    assert out.dtype == torch.bfloat16 and module.running_mean.dtype == torch.float32
    mean = x.float().mean((0, 2, 3))
    torch.testing.assert_close(module.running_mean, 0.1 * mean, rtol=1e-4, atol=1e-6)


# The order of views.


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("branches", [1, 2, 3])
def test_by_group_puts_a_groups_views_together_and_by_branch_undoes_it(branches, groups):
    """Every view is a number: 100 times its branch, plus its image."""
    numbers = 100 * torch.arange(branches)[:, None] + torch.arange(8)
    x = numbers[..., None].expand(branches, 8, 3).float()
    line = norm_groups.by_group(x, groups)
    assert line.shape == (8 * branches, 3)
    each = 8 // groups
    wanted = [
        100 * branch + image
        for group in range(groups)
        for branch in range(branches)
        for image in range(group * each, (group + 1) * each)
    ]
    assert line[:, 0].tolist() == wanted
    back = norm_groups.by_branch(line, branches, groups)
    assert torch.equal(back, x.flatten(0, 1))
    several = norm_groups.by_branch((line, 2 * line), branches, groups)
    assert torch.equal(several[0], back) and torch.equal(several[1], 2 * back)
    assert norm_groups.by_branch(line.bfloat16(), branches, groups).dtype == torch.float32


class WithMeans(nn.Module):
    """Two outputs: of a linear layer, and the mean of each image."""

    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, x):
        return self.linear(x.flatten(1)), x.mean((1, 2, 3))


def test_in_training_outputs_and_labels_have_the_order_of_no_groups(tmp_path):
    """A network without batch norm cannot tell: it trains in the same way."""
    torch.set_num_threads(1)
    images = torch.randint(0, 256, (40, 3, 8, 8), generator=seeded(), dtype=torch.uint8)
    found = []
    for groups in (1, 2, 5):
        linear = nn.Linear(192, 4, bias=False)
        with torch.no_grad():
            linear.weight.copy_(torch.randn(4, 192, generator=seeded(1)))
        seen = []

        def objective(output, index, seen=seen):
            seen.append((output[0].detach(), output[1].detach(), index))
            return (output[0].mean(), output[1].mean().detach())

        curves = loop.train(
            supervise_settings(norm_groups=groups, epochs=1),
            images,
            WithMeans(linear),
            objective,
            names=("loss", "other"),
            branches=2,
            checkpoint=tmp_path / "no checkpoint",
            report=training.silent,
        )
        assert len(curves) == 1 and len(seen) == 2
        found.append(seen)
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            # The line's order may change the order of a product's sums, hardly more.
            for a, b in zip(one, two, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def outputs(x, groups):
    """What an encoder gives views x [2, B, 3, S, S] in training, [2, B, d]."""
    encoder = build_encoder(Encoder(depth=8, base_channels=4, stem="cifar"), seeded())
    encoder.train()
    norm_groups.set_norm_groups(encoder, groups)
    with torch.no_grad():
        h = norm_groups.by_branch(encoder(norm_groups.by_group(x, groups)), 2, groups)
    return h.unflatten(0, (2, -1))


@pytest.mark.parametrize("branch", [0, 1])
def test_a_group_knows_nothing_of_other_groups(branch):
    x = torch.rand(2, 8, 3, 8, 8, generator=seeded())
    changed = x.clone()
    changed[branch, 6] = 0.0  # an image of the second group, of two
    before, after = outputs(x, 2), outputs(changed, 2)
    assert torch.equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] != after[:, 4:]).any(2).all()  # its views of both branches do
    before, after = outputs(x, 1), outputs(changed, 1)
    assert (before != after).any(2).all()


def test_training_in_groups_is_its_own_and_the_same_with_recomputing(tmp_path):
    torch.set_num_threads(1)
    data = training.prepare_data(tmp_path / "data")
    one, two, again = (
        contents(run(pretrain, pretrain_settings(**values, epochs=1), data, tmp_path / str(number)))
        for number, values in enumerate(
            ({}, {"norm_groups": 2}, {"norm_groups": 2, "recompute": True})
        )
    )
    assert two == again
    assert one["encoder.safetensors"] != two["encoder.safetensors"]


def test_every_norm_of_encoder_and_head_learns_of_its_groups(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    data, seen = training.prepare_data(tmp_path / "data"), set()
    real = F.batch_norm

    def spy(x, mean, *rest):
        seen.add((len(x), mean is None))
        return real(x, mean, *rest)

    monkeypatch.setattr(F, "batch_norm", spy)
    run(pretrain, pretrain_settings(norm_groups=5, epochs=1), data, tmp_path / "out")
    assert seen == {(8, True)}  # 20 images, two views, five parts


# Refusals.


@pytest.mark.parametrize("groups", [3, 40])
def test_groups_that_do_not_divide_the_batch_are_refused(groups):
    with pytest.raises(ConfigError) as error:
        pretrain_settings(norm_groups=groups)
    assert str(error.value) == f"norm_groups: {groups} do not divide batch_size 20."


def test_groups_with_several_ranks_are_refused(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    data = training.prepare_data(tmp_path / "data")
    monkeypatch.setattr(distributed, "size", lambda: 2)
    with pytest.raises(ConfigError, match=r"^norm_groups: must be 1 with several ranks; [^\n]*$"):
        run(pretrain, pretrain_settings(norm_groups=2), data, tmp_path / "out")
    norm_groups.set_norm_groups(BatchNorm(3), 1)
