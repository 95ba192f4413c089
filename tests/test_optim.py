"""LARS and the schedule against numbers of the official code; SGD against its definition."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from simclr.config import ConfigError
from simclr.models.heads import build_head
from simclr.models.resnet import build_encoder
from simclr.settings.training import Encoder, Head, Optimizer
from simclr.training.optim import build_optimizer, learning_rate, train_steps

ORACLE = Path(__file__).parent / "oracle"


def set_rate(optimizer, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate


def one_step(optimizer, weights, gradients, rate):
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient.clone()
    set_rate(optimizer, rate)
    optimizer.step()


def example(seed=0):
    """Two kernels and two vectors, and a function that draws gradients for them."""
    generator = torch.Generator().manual_seed(seed)

    def draw():
        return [torch.randn(s, generator=generator) for s in ((4, 3, 3, 3), (5, 4), (4,), (5,))]

    return nn.ParameterList(draw()), draw


# -- LARS -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("decay", ["1e-6", "1e-4", "0"])
def test_lars_steps_are_those_of_the_official_code(decay):
    with np.load(ORACLE / "lars.npz", allow_pickle=False) as file:
        stored = {name: file[name] for name in file}
    names, rates = stored["names"].tolist(), stored["lr"].tolist()
    weights = nn.ParameterList([torch.from_numpy(stored[f"init__{j}"]) for j in range(len(names))])
    settings = Optimizer(kind="lars", weight_decay=float(decay), momentum=0.9)
    optimizer = build_optimizer(settings, [weights])
    for name, weight in zip(names, weights, strict=True):  # our rule by shape is theirs by name
        group = next(g for g in optimizer.param_groups if any(p is weight for p in g["params"]))
        assert group["adapt"] == ("batch_normalization" not in name and "bias" not in name)
    for step, rate in enumerate(rates):
        gradients = [torch.from_numpy(stored[f"grads__{j}"][step]) for j in range(len(names))]
        one_step(optimizer, weights, gradients, rate)
        for j, weight in enumerate(weights):
            momentum = optimizer.state[weight]["momentum_buffer"]
            for ours, kind in ((weight.detach(), "w"), (momentum, "v")):
                theirs = stored[f"v1__wd{decay}__{kind}__{j}"][step]
                error = np.abs(ours.numpy() - theirs).max()
                assert error <= 2e-6 * np.abs(theirs).max(), (names[j], step, kind)


def test_lars_moves_a_kernel_by_a_thousandth_of_its_size_whatever_the_gradient():
    settings = Optimizer(kind="lars", weight_decay=0.0)
    moved = []
    for scale in (1.0, 1000.0):
        weights, draw = example()
        before = weights[0].detach().clone()
        one_step(build_optimizer(settings, [weights]), weights, [scale * g for g in draw()], 0.5)
        moved.append(weights[0].detach() - before)
        assert moved[-1].norm() == pytest.approx(0.5 * 0.001 * before.norm().item(), rel=1e-4)
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-4, atol=1e-7)


# -- SGD ------------------------------------------------------------------------------------------


def test_sgd_is_nesterov_with_the_rate_outside_the_momentum():
    weights, draw = example()
    wanted = [weight.detach().clone().double() for weight in weights]
    momenta = [torch.zeros_like(weight) for weight in wanted]
    optimizer = build_optimizer(Optimizer(kind="sgd", weight_decay=0.1, momentum=0.8), [weights])
    for rate in (0.0, 0.3, 0.1):
        gradients = draw()
        one_step(optimizer, weights, gradients, rate)
        for j, gradient in enumerate(gradients):
            g = gradient + (0.1 * wanted[j] if gradient.ndim > 1 else 0)
            momenta[j] = 0.8 * momenta[j] + g
            wanted[j] = wanted[j] - rate * (g + 0.8 * momenta[j])
    for weight, value in zip(weights, wanted, strict=True):
        torch.testing.assert_close(weight.detach().double(), value, rtol=1e-5, atol=1e-6)


def test_sgd_without_momentum_is_plain():
    weights, draw = example()
    before, gradients = [w.detach().clone() for w in weights], draw()
    optimizer = build_optimizer(Optimizer(kind="sgd", weight_decay=0.0, momentum=0.0), [weights])
    one_step(optimizer, weights, gradients, 0.5)
    for weight, start, gradient in zip(weights, before, gradients, strict=True):
        torch.testing.assert_close(weight.detach(), start - 0.5 * gradient)


# -- both -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lars", "sgd"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_biases_and_batch_norm_are_neither_decayed_nor_adapted(kind, batch_norm):
    generator = torch.Generator().manual_seed(0)
    encoder = build_encoder(Encoder(depth=8, base_channels=4, stem="cifar"), generator)
    head = build_head(Head(out_dim=8, batch_norm=batch_norm), encoder.feature_dim, generator)
    settings = Optimizer(kind=kind, weight_decay=0.5)
    optimizer = build_optimizer(settings, [encoder, head])
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    named = [*encoder.named_parameters(), *head.named_parameters()]
    assert len(groups) == len(named)
    for name, parameter in named:
        owner = name.rsplit(".", 2)[-2]
        norm = "bn" in owner or name.endswith(("downsample.1.weight", "downsample.1.bias"))
        free = norm or name.endswith("bias")
        group = groups[id(parameter)]
        assert (group["weight_decay"], group["adapt"]) == ((0.0, False) if free else (0.5, True))


@pytest.mark.parametrize("kind", ["lars", "sgd"])
def test_momenta_alone_resume_a_run_bit_for_bit(kind):
    settings = Optimizer(kind=kind, weight_decay=1e-4)
    rates = (0.1, 0.3, 0.2, 0.1)
    weights, draw = example()
    gradients = [draw() for _ in rates]
    optimizer = build_optimizer(settings, [weights])
    for step in (0, 1):
        one_step(optimizer, weights, gradients[step], rates[step])
    copies = nn.ParameterList([weight.detach().clone() for weight in weights])
    resumed = build_optimizer(settings, [copies])
    for weight, copy in zip(weights, copies, strict=True):
        assert list(optimizer.state[weight]) == ["momentum_buffer"]
        if kind == "sgd":  # makes its state in its first step
            resumed.state[copy] = {"momentum_buffer": torch.zeros_like(copy)}
        momentum = resumed.state[copy]["momentum_buffer"]
        momentum.copy_(optimizer.state[weight]["momentum_buffer"])
    for step in (2, 3):
        one_step(optimizer, weights, gradients[step], rates[step])
        one_step(resumed, copies, gradients[step], rates[step])
    assert all(torch.equal(a, b) for a, b in zip(weights, copies, strict=True))


def test_lars_keeps_every_layout_of_memory():
    """Kernels in channels_last, and gradients in another layout than theirs, give the same step."""
    moved = []
    for kernels in (torch.contiguous_format, torch.channels_last):
        for slopes in (torch.contiguous_format, torch.channels_last):
            weights, draw = example()
            gradients = draw()
            weights[0].data = weights[0].data.contiguous(memory_format=kernels)
            gradients[0] = gradients[0].contiguous(memory_format=slopes)
            optimizer = build_optimizer(Optimizer(weight_decay=1e-4), [weights])
            assert weights[0].is_contiguous(memory_format=kernels)
            one_step(optimizer, weights, gradients, 0.5)
            moved.append(list(weights))
    for other in moved[1:]:
        for a, b in zip(moved[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=0)


# -- the schedule ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", range(7))
def test_schedule_is_that_of_the_official_code(case):
    with np.load(ORACLE / "lr_schedule.npz", allow_pickle=False) as file:
        base, batch, images, warmup, epochs, sqrt = file[f"case{case}_params"].tolist()
        wanted, steps = file[f"case{case}_lr"], int(file[f"case{case}_train_steps"])
    batch, images, epochs = int(batch), int(images), int(epochs)
    settings = Optimizer(
        base_lr=base, lr_scaling="sqrt" if sqrt else "linear", warmup_epochs=warmup
    )
    assert train_steps(batch, images, epochs) == steps
    assert len(wanted) == steps + 1
    ours = [learning_rate(settings, batch, images, epochs, step) for step in range(steps + 1)]
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-6 * wanted.max())


def test_schedule_starts_at_zero_peaks_after_the_warm_up_and_ends_near_zero():
    settings = Optimizer(base_lr=0.3, warmup_epochs=10)
    rates = [learning_rate(settings, 100, 1000, 50, step) for step in range(501)]
    assert rates[0] == 0
    assert max(rates) == rates[100] == pytest.approx(0.3 * 100 / 256)
    assert 0 < rates[500] < 1e-4 * rates[100]
    unwarmed = Optimizer(base_lr=0.3, warmup_epochs=0)
    assert learning_rate(unwarmed, 100, 1000, 50, 0) == pytest.approx(0.3 * 100 / 256)


def test_both_scalings_agree_at_the_batch_of_the_paper():
    for base, scaling in ((0.3, "linear"), (0.075, "sqrt")):
        settings = Optimizer(base_lr=base, lr_scaling=scaling, warmup_epochs=0)
        assert learning_rate(settings, 4096, 1281167, 100, 0) == pytest.approx(4.8)
    assert learning_rate(settings, 1024, 1281167, 100, 0) == pytest.approx(0.075 * math.sqrt(1024))


@pytest.mark.parametrize("epochs", [1, 9, 10])
def test_a_warm_up_as_long_as_the_training_is_refused(epochs):
    with pytest.raises(ConfigError, match=f"^optimizer.warmup_epochs: 10 .*{epochs}.$"):
        learning_rate(Optimizer(warmup_epochs=10), 100, 1000, epochs, 0)
