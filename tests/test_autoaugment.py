"""AutoAugment: torchvision's own transform on single images, given the same draws; the rates."""

import pytest
import torch
from torchvision.transforms import AutoAugment, AutoAugmentPolicy

from simclr.augment import autoaugment


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("policy", ["cifar10", "imagenet"])
def test_each_image_gets_what_torchvision_gives_it(policy, monkeypatch):
    n = 150  # images: every sub-policy
    codes = autoaugment.draw(policy, (1, n), seeded())[0]
    images = torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=seeded())
    out = autoaugment.apply(images / 255.0, codes, policy)
    reference = AutoAugment(AutoAugmentPolicy(policy), fill=[128.0] * 3)
    seen = set()
    for image, (first, second), result in zip(images, codes.tolist(), out, strict=True):
        if max(first, second) < 0:
            expected = image
        else:
            # torchvision applies an operation if its draw is at most the probability.
            draws = torch.tensor([float(first < 0), float(second < 0)]) * 2
            signs = torch.tensor([first % 2, second % 2])
            chosen = max(first, second) // 4
            seen.add(chosen)
            params = staticmethod(lambda n, p=(chosen, draws, signs): p)
            monkeypatch.setattr(AutoAugment, "get_params", params)
            expected = reference(image)
        assert torch.equal((result * 255).round().to(torch.uint8), expected)
    assert len(seen) > 20
    changed = (out * 255).round() != images
    assert changed.flatten(1).any(1).float().mean() > 0.6


def test_draws_follow_the_policy():
    codes = autoaugment.draw("imagenet", (2, 20000), seeded())
    assert codes.shape == (2, 20000, 2)
    policies = AutoAugment(AutoAugmentPolicy.IMAGENET).policies
    for chosen in range(25):
        for place in range(2):
            rates = [
                (codes[..., place] == 4 * chosen + 2 * place + s).float().mean() for s in (0, 1)
            ]
            expected = policies[chosen][place][1] / 25
            assert abs(sum(rates) - expected) < 0.006
            assert abs(rates[0] - rates[1]) < 0.006
    with pytest.raises(ValueError, match="svhn_"):
        autoaugment.draw("svhn_", (1, 1), seeded())


def test_equalize_counts_by_a_kernel_that_gpus_have_deterministically(monkeypatch):
    """torchvision's first `equalize` counts by histc on a GPU, which PyTorch refuses there."""

    def refused(*arguments, **keywords):
        raise AssertionError("counted")

    monkeypatch.setattr(torch, "histc", refused)
    monkeypatch.setattr(torch, "bincount", refused)  # what it calls on a CPU
    images = torch.rand(60, 3, 16, 16, generator=seeded())
    policies = autoaugment._policy("cifar10").policies
    code = 4 * next(k for k, pair in enumerate(policies) if pair[0][0] == "Equalize")
    before = images.clone()
    autoaugment.apply(images, torch.tensor([[code, -1]] * 60), "cifar10")
    assert not torch.equal(images, before)
    with pytest.raises(AssertionError, match="counted"):
        autoaugment.autoaugment._apply_op(before.mul(255).byte(), "Equalize", 0.0, None, None)
