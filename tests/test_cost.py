"""Parameters and multiply-adds without torch, against the official code and against our encoder."""

from pathlib import Path

import numpy as np
import pytest

from workflow import cost

ORACLE = Path(__file__).parent / "oracle" / "param_counts.npz"


def encoder(depth, width=1, stem="cifar", base_channels=64):
    return {"depth": depth, "width": width, "stem": stem, "base_channels": base_channels}


def test_parameters_are_those_of_the_official_code():
    table = np.load(ORACLE, allow_pickle=False)["table"]
    assert len(table) == 18
    for depth, width, cifar_stem, trainable, kernels, *_ in table.tolist():
        settings = encoder(depth, width, "cifar" if cifar_stem else "imagenet")
        assert cost.parameters(settings) == trainable
        convolutions = cost.convolutions(settings)
        assert sum(k * k * cin * cout for k, cin, cout, _ in convolutions) == kernels


def test_macs_of_known_networks():
    # 0.56e9 for CIFAR ResNet-18 (a standard figure); torchvision's ResNet-50 has 4.09e9 at 224
    assert cost.macs(encoder(18), 32) == pytest.approx(0.56e9, rel=0.01)
    assert cost.macs(encoder(50, stem="imagenet"), 224) == pytest.approx(4.09e9, rel=0.01)


@pytest.mark.parametrize(
    ("depth", "width", "stem"), [(8, 1, "cifar"), (14, 2, "cifar"), (10, 1, "imagenet")]
)
def test_counts_agree_with_the_encoder_that_is_trained(depth, width, stem):
    torch = pytest.importorskip("torch")
    from simclr.encoder import build_encoder
    from simclr.settings import Encoder

    settings = encoder(depth, width, stem, base_channels=8)
    made = build_encoder(Encoder(**settings), torch.Generator().manual_seed(0)).eval()
    assert sum(p.numel() for p in made.parameters()) == cost.parameters(settings)
    counted = []
    for module in made.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda m, _, y: counted.append(m.weight.numel() * y.shape[2] * y.shape[3])
            )
    with torch.no_grad():
        made(torch.zeros(1, 3, 24, 24))
    assert sum(counted) == cost.macs(settings, 24)


def test_seconds_grow_with_the_work():
    settings = {"encoder": encoder(8), "epochs": 10}
    known = {"images": 1000, "image_size": 16, "gmacs_per_second": 10.0}
    pretrain = cost.seconds("pretrain", settings, {}, **known)
    supervise = cost.seconds("supervise", settings, {}, **known)
    assert pretrain == pytest.approx(2 * supervise)  # two views
    assert pretrain == pytest.approx(6 * cost.macs(settings["encoder"], 16) * 10_000 / 1e10)
    features = {"protocols": ["features"], "epochs": 100}
    augmented = {"protocols": ["augmented"], "epochs": 100}
    plain = cost.seconds("evaluate", features, settings, **known)
    assert cost.seconds("evaluate", augmented, settings, **known) > 10 * (plain - 1)
