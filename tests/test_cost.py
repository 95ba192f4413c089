"""What a run costs, without torch: against the official code, our encoder, and published runs."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from simclr.config import build, merge, to_dict
from simclr.registry import STAGES
from simclr.settings.data import Prepare
from simclr.settings.measuring import Evaluate
from simclr.settings.training import Encoder, FineTune, Pretrain
from tests.project import ROOT
from workflow.docs import cost_page, durations
from workflow.planning import cost, networks

ORACLE = ROOT / "tests" / "oracle" / "param_counts.npz"


def encoder(depth, width=1, stem="cifar", base_channels=64):
    return Encoder(depth=depth, width=width, stem=stem, base_channels=base_channels)


def test_parameters_are_those_of_the_official_code():
    table = np.load(ORACLE, allow_pickle=False)["table"]
    assert len(table) == 18
    for depth, width, cifar_stem, trainable, kernels, *_ in table.tolist():
        settings = encoder(depth, width, "cifar" if cifar_stem else "imagenet")
        assert networks.parameters(settings) == trainable
        convolutions = networks.convolutions(settings)
        assert sum(k * k * cin * cout for k, cin, cout, _ in convolutions) == kernels


def test_macs_of_known_networks():
    # 0.56e9 for CIFAR ResNet-18 (a standard figure); torchvision's ResNet-50 has 4.09e9 at 224
    assert networks.macs(encoder(18), 32) == pytest.approx(0.56e9, rel=0.01)
    assert networks.macs(encoder(50, stem="imagenet"), 224) == pytest.approx(4.09e9, rel=0.01)


@pytest.mark.parametrize(
    ("depth", "width", "stem"), [(8, 1, "cifar"), (14, 2, "cifar"), (10, 1, "imagenet")]
)
def test_counts_agree_with_the_encoder_that_is_trained(depth, width, stem):
    torch = pytest.importorskip("torch")
    from simclr.models.resnet import build_encoder

    settings = encoder(depth, width, stem, base_channels=8)
    made = build_encoder(settings, torch.Generator().manual_seed(0)).eval()
    assert sum(p.numel() for p in made.parameters()) == networks.parameters(settings)
    counted = []
    for module in made.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda m, _, y: counted.append(m.weight.numel() * y.shape[2] * y.shape[3])
            )
    with torch.no_grad():
        made(torch.zeros(1, 3, 24, 24))
    assert sum(counted) == networks.macs(settings, 24)


DATA = Prepare(source="patterns", image_size=16, train_images=1000, test_images=500)


@dataclass
class Rates:
    """Of a scale: 10e9 multiply-adds, 1e9 outputs a second, a millisecond a step."""

    gmacs_per_second: float = 10.0
    gelements_per_second: float = 1.0
    step_milliseconds: float = 1.0


def settings_of(cls, **values):
    optimizer = {"warmup_epochs": 0}
    common = {"encoder": to_dict(encoder(8)), "optimizer": optimizer, "batch_size": 100}
    return build(cls, merge({**common, "epochs": 10}, values))


def seconds(stage, settings, gpus=1):
    return STAGES[stage].seconds(settings, cost.Work(DATA, encoder(8), Rates(), gpus))


ONE = networks.macs(encoder(8), 16) / 10e9 + networks.elements(encoder(8), 16) / 1e9  # a pass


def test_seconds_of_a_training_by_hand():
    # 10 epochs of 10 steps of 100 images, two views, forward and (twice as long) backward
    pretrain = seconds("pretrain", settings_of(Pretrain))
    assert pretrain == pytest.approx(3 * 2 * 10_000 * ONE + 100 * 0.001)
    recomputed = seconds("pretrain", settings_of(Pretrain, recompute=True))
    assert recomputed - pretrain == pytest.approx(2 * 10_000 * ONE)  # once more forward
    four = seconds("pretrain", settings_of(Pretrain), gpus=4)
    assert four == pytest.approx(3 * 2 * 2_500 * ONE + 0.1)
    # Some of the labels: 2 steps an epoch, one view, and the test images at the end
    tuned = seconds("finetune", settings_of(FineTune, labels=0.25))
    assert tuned == pytest.approx((3 * 2_000 + 500) * ONE + 20 * 0.001)


def test_an_augmented_evaluation_passes_all_images_in_every_epoch():
    features, augmented = (
        seconds("evaluate", Evaluate(epochs=100, batch_size=100, protocols=(protocol,)))
        for protocol in ("features", "augmented")
    )
    assert augmented - features == pytest.approx(100 * 1000 * ONE)


def test_elements_are_those_that_the_encoder_puts_out():
    torch = pytest.importorskip("torch")
    from simclr.models.resnet import build_encoder

    settings = encoder(14, 2, base_channels=8)
    made = build_encoder(settings, torch.Generator().manual_seed(0)).eval()
    counted = []
    for module in made.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda m, _, y: counted.append(y.numel()))
    with torch.no_grad():
        made(torch.zeros(1, 3, 16, 16))
    assert sum(counted) == networks.elements(settings, 16)


def test_memory_is_what_the_benchmark_counted():
    """benchmarks/memory.py: ResNet-50 of 64 channels at 32 x 32, in bfloat16, MiB a batch size."""
    found = json.loads((ROOT / "benchmarks" / "results" / "memory.json").read_text())
    (case,) = found["cases"].values()
    data = replace(DATA, image_size=32)
    for batch, counted in case["mib"].items():
        for recompute, mib in zip((False, True), counted, strict=True):
            settings = Pretrain(
                encoder=encoder(50),
                batch_size=int(batch),
                recompute=recompute,
                precision="bfloat16",
            )
            held, shared = cost.memory(settings, data, views=2)
            assert (held + shared) / 2**20 == pytest.approx(mib, rel=0.1), (batch, recompute)


def test_the_fewest_gpus_have_room_and_fewer_have_not():
    data = Prepare(source="imagenet", image_size=256, view_size=224)
    settings = Pretrain(encoder=encoder(50, 4, "imagenet"), precision="bfloat16", batch_size=4096)
    enough = cost.fewest(settings, data, 2, 80)
    held, shared = cost.memory(settings, data, 2)
    assert held + shared / enough <= 80e9 < held + shared / (enough - 1)
    assert cost.fewest(settings, data, 2, 3) == 0  # the weights alone need more
    grouped = replace(settings, norm_groups=8)
    assert cost.fewest(grouped, data, 2, 80) == 0  # one GPU at most


@pytest.mark.parametrize("scale", cost_page.CHECKED)
def test_estimates_agree_with_the_recorded_durations(scale):
    """All together to a quarter, each stage of some weight to a factor of two."""
    found = durations.check(scale)
    assert sum(map(len, found.values())) == len(durations.recorded(scale)["seconds"])
    assert {"pretrain", "supervise", "finetune", "evaluate"} <= set(found)
    estimated, measured = (
        {stage: sum(pair[which] for pair in pairs) for stage, pairs in found.items()}
        for which in (0, 1)
    )
    assert sum(estimated.values()) == pytest.approx(sum(measured.values()), rel=0.25)
    for stage in estimated:
        if measured[stage] > 60:
            assert 0.5 < estimated[stage] / measured[stage] < 2, stage


def test_durations_are_recorded_with_their_scale(tmp_path, monkeypatch):
    monkeypatch.setattr(durations, "_path", lambda scale: tmp_path / f"{scale}.json")
    monkeypatch.setattr(durations, "_scales", lambda: tmp_path / "scales")
    (tmp_path / "scales").mkdir()
    durations.record("tiny")
    seconds = durations.recorded("tiny")["seconds"]
    assert sum(map(len, durations.check("tiny").values())) == len(seconds) > 300
