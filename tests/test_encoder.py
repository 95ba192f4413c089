"""The encoder against numbers of the official code (tests/oracle/resnet.npz) and torchvision."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import load_file, save_file

from simclr.models.batch_norm import BatchNorm
from simclr.models.resnet import Block, ResNet, build_encoder, max_pool_same
from simclr.settings.training import DEPTHS, Encoder

ORACLE = Path(__file__).parent / "oracle"


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def small(depth=8, stem="cifar", base_channels=8, width=1, seed=0):
    settings = Encoder(depth=depth, width=width, base_channels=base_channels, stem=stem)
    return build_encoder(settings, seeded(seed))


# -- the official code ----------------------------------------------------------------------------


def official_order(encoder):
    """Pairs (convolution, batch norm) in the order in which the official code creates them."""
    yield encoder.conv1, encoder.bn1
    for block in (module for module in encoder.modules() if isinstance(module, Block)):
        yield tuple(block.downsample) if block.downsample is not None else None
        yield block.conv1, block.bn1
        yield block.conv2, block.bn2
        yield (block.conv3, block.bn3) if block.bottleneck else None


def official_weights(encoder, shapes, seed):
    """Fill the encoder by the oracle's rule: everything in order from one RandomState(seed)."""
    random = np.random.RandomState(seed)
    pairs = [pair for pair in official_order(encoder) if pair is not None]
    assert len(shapes) == 5 * len(pairs)
    for index, (convolution, norm) in enumerate(pairs):
        h, w, cin, cout = map(int, shapes[5 * index].split(","))
        kernel = random.standard_normal((h, w, cin, cout)) * np.sqrt(2 / (h * w * cin))
        values = {
            "weight": random.uniform(0.5, 1.5, cout),
            "bias": 0.1 * random.standard_normal(cout),
            "running_mean": 0.1 * random.standard_normal(cout),
            "running_var": random.uniform(0.5, 1.5, cout),
        }
        convolution.load_state_dict({"weight": tensor(kernel.transpose(3, 2, 0, 1))})
        norm.load_state_dict({name: tensor(value) for name, value in values.items()})
    return pairs


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def distance(ours, theirs):
    """Largest difference relative to the array's maximum, as the oracle states tolerances."""
    assert tuple(ours.shape) == theirs.shape
    return np.abs(ours.detach().numpy() - theirs).max() / np.abs(theirs).max()


@pytest.mark.parametrize(
    "net", ["r18_tiny_cifar", "r50_tiny_cifar", "r50_tiny_imagenet", "r50_w1_cifar"]
)
def test_features_maps_and_moving_statistics_are_those_of_the_official_code(net):
    with np.load(ORACLE / "resnet.npz", allow_pickle=False) as file:
        stored = {k.removeprefix(f"{net}__"): file[k] for k in file if k.startswith(f"{net}__")}
    depth, width, cifar, *_ = stored["cfg"].tolist()
    settings = Encoder(
        depth=int(depth), base_channels=int(64 * width), stem="cifar" if cifar else "imagenet"
    )
    encoder = build_encoder(settings, seeded())
    pairs = official_weights(encoder, stored["shapes"], int(stored["cfg"][5]))
    maps = {}
    for group in range(1, 5):
        getattr(encoder, f"layer{group}").register_forward_hook(
            lambda module, x, y, name=f"block_group{group}": maps.update({name: y})
        )
    encoder.layer1.register_forward_pre_hook(
        lambda module, x: maps.update({"initial_max_pool": x[0]})
    )
    x = tensor(stored["x"].transpose(0, 3, 1, 2))
    for mode, tolerance in (("infer", 1e-5), ("train", 5e-5 if depth < 50 else 2e-3)):
        encoder.train(mode == "train")
        with torch.no_grad():
            assert distance(encoder(x), stored[f"{mode}_out"]) < tolerance
        assert len(maps) == 5
        for name, value in maps.items():
            assert distance(value.mean((0, 1)), stored[f"{mode}_{name}_meanmap"]) < tolerance
            assert distance(value.mean((0, 2, 3)), stored[f"{mode}_{name}_chanmean"]) < tolerance
    after = {name: value for name, value in stored.items() if name.startswith("after_w__")}
    assert after
    for name, value in after.items():
        pair, kind = divmod(int(name.removeprefix("after_w__")), 5)
        norm = pairs[pair][1]
        moved = {3: norm.running_mean, 4: norm.running_var}[kind]
        assert distance(moved, value) < (2e-3 if depth >= 50 else 5e-5), name


def test_numbers_of_parameters_are_those_of_the_official_code():
    with np.load(ORACLE / "param_counts.npz", allow_pickle=False) as file:
        columns, table = file["columns"].tolist(), file["table"].tolist()
    assert len(table) == 18
    for row in table:
        row = dict(zip(columns, row, strict=True))
        stem = "cifar" if row["cifar_stem"] else "imagenet"
        with torch.device("meta"):  # shapes only: the largest has 0.9e9 parameters
            encoder = ResNet(Encoder(depth=row["depth"], width=row["width"], stem=stem))
        kernels = [p for p in encoder.parameters() if p.ndim == 4]
        assert sum(p.numel() for p in encoder.parameters()) == row["encoder_trainable"]
        assert sum(p.numel() for p in kernels) == row["of_which_conv_kernels"]
        assert sum(b.numel() for b in encoder.buffers()) == row["bn_moving_stats"]
        assert len(kernels) == row["n_conv_layers"]
        assert encoder.feature_dim == row["feature_dim"]


def test_initial_weights_are_distributed_as_in_the_official_code():
    with np.load(ORACLE / "init_r50.npz", allow_pickle=False) as file:
        rows = list(zip(file["names"], file["shapes"], file["std"], file["absmax"], strict=True))
    encoder = build_encoder(Encoder(depth=50, stem="cifar"), seeded(3))
    pairs = [pair for pair in official_order(encoder) if pair is not None]
    rows = [row for row in rows if row[0].startswith("base_model")]
    assert len(rows) == 3 * len(pairs)  # kernel, gamma, beta
    for index, (convolution, norm) in enumerate(pairs):
        (_, shape, std, _), (_, _, _, gamma), _ = rows[3 * index : 3 * index + 3]
        h, w, cin, cout = map(int, shape.split(","))
        kernel = convolution.weight.detach()
        assert kernel.shape == (cout, cin, h, w)
        noise = 1 / np.sqrt(2 * kernel.numel())  # relative, of either sample's deviation
        assert abs(kernel.std().item() / std - 1) < 5 * np.sqrt(2) * noise
        wanted = 1 / np.sqrt(h * w * cin)
        assert abs(kernel.mean().item()) < 5 * wanted / np.sqrt(kernel.numel())
        assert kernel.abs().max() <= 2 / 0.87962566 * wanted * (1 + 1e-5)  # truncated
        assert kernel.abs().max() > 1.9 * wanted  # and not at less than two deviations
        assert torch.all(norm.weight == gamma)  # 0 in the last norm of each branch, else 1
        assert torch.all(norm.bias == 0)


# -- torchvision ----------------------------------------------------------------------------------


def load_into(theirs, ours):
    """Load by name; return the names that torchvision lacks (its classifier and counters apart)."""
    result = theirs.load_state_dict(ours.state_dict(), strict=False)
    missing = [name for name in result.missing_keys if not name.endswith("num_batches_tracked")]
    assert sorted(missing) == ["fc.bias", "fc.weight"]
    return result.unexpected_keys


def test_torchvision_resnet50_loads_an_encoder_and_computes_the_same():
    ours = build_encoder(Encoder(depth=50), seeded()).eval()
    for norm in (m for m in ours.modules() if isinstance(m, BatchNorm)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5, generator=seeded(1))  # no silent branches
    theirs = torchvision.models.resnet50(weights=None).eval()
    assert load_into(theirs, ours) == []
    theirs.fc = torch.nn.Identity()
    # Side 65 makes a map of 33 before the pool: of odd sides both pad alike. Of even ones not.
    with torch.no_grad():
        odd = torch.rand(2, 3, 65, 65, generator=seeded(2))
        even = torch.rand(2, 3, 64, 64, generator=seeded(2))
        torch.testing.assert_close(ours(odd), theirs(odd), rtol=1e-4, atol=1e-5)
        assert (ours(even) - theirs(even)).abs().max() > 0.01 * theirs(even).abs().max()


def test_torchvision_resnet18_lacks_only_the_shortcut_of_the_first_group():
    extra = load_into(torchvision.models.resnet18(weights=None), small(18, "imagenet", 64))
    assert extra and all(name.startswith("layer1.0.downsample.") for name in extra)


# -- properties -----------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", DEPTHS)
def test_every_depth_gives_its_features_and_its_number_of_layers(depth):
    encoder = small(depth, base_channels=4, width=2).eval()
    groups, expansion = (3 if depth in (8, 14, 20) else 4), (4 if depth >= 50 else 1)
    assert encoder.feature_dim == 4 * 2 * 2 ** (groups - 1) * expansion
    with torch.no_grad():
        assert encoder(torch.rand(2, 3, 8, 8)).shape == (2, encoder.feature_dim)
    layers = [n for n, m in encoder.named_modules() if isinstance(m, torch.nn.Conv2d)]
    # the depth's name counts the classifier, not the shortcuts
    assert len([name for name in layers if "downsample" not in name]) + 1 == depth


@pytest.mark.parametrize(
    ("depth", "stem", "sides"),
    [
        (8, "cifar", [8, 8, 4]),  # three groups halve the side in the first and the third
        (8, "imagenet", [2, 2, 1]),
        (10, "cifar", [16, 8, 4, 2]),  # four groups as in the paper
        (10, "imagenet", [4, 2, 1, 1]),
    ],
)
def test_sides_of_the_maps(depth, stem, sides):
    encoder, seen = small(depth, stem), []
    for group in range(1, len(sides) + 1):
        getattr(encoder, f"layer{group}").register_forward_hook(
            lambda module, x, y: seen.append(y.shape[-1])
        )
    encoder(torch.rand(2, 3, 16, 16))
    assert seen == sides


def test_the_generator_alone_decides_the_bits():
    torch.manual_seed(1)
    first = small(10, seed=5).state_dict()
    torch.manual_seed(2)
    second, other = small(10, seed=5).state_dict(), small(10, seed=6).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_a_file_holds_weights_and_moving_statistics_and_loads_strictly(tmp_path):
    encoder, other = small(seed=0), small(seed=1)
    encoder(torch.rand(8, 3, 16, 16))
    save_file(encoder.state_dict(), tmp_path / "encoder.safetensors")
    stored = load_file(tmp_path / "encoder.safetensors")
    assert {name.rsplit(".", 1)[1] for name in stored} == {
        "weight",
        "bias",
        "running_mean",
        "running_var",
    }
    other.load_state_dict(stored, strict=True)
    x = torch.rand(4, 3, 16, 16)
    assert torch.equal(encoder.eval()(x), other.eval()(x))


def test_moving_statistics_use_the_biased_variance():
    norm, x = BatchNorm(3), torch.randn(4, 3, 2, 2, generator=seeded()) * 2 + 1
    before = torch.tensor([0.5, 1.0, 2.0])
    norm.running_var.copy_(before)
    y = norm(x)
    biased = x.var((0, 2, 3), unbiased=False)
    torch.testing.assert_close(norm.running_var, 0.9 * before + 0.1 * biased)
    torch.testing.assert_close(norm.running_mean, 0.1 * x.mean((0, 2, 3)))
    torch.testing.assert_close(y, F.batch_norm(x, None, None, training=True, eps=1e-5))


def test_evaluation_moves_nothing_and_treats_images_separately():
    encoder = small()
    encoder(torch.rand(8, 3, 16, 16))
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.eval()
    x = torch.rand(4, 3, 16, 16)
    together = encoder(x)
    torch.testing.assert_close(together[:1], encoder(x[:1]), rtol=1e-5, atol=1e-6)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_two_passes_may_precede_the_backward_pass():
    encoder, x = small(), torch.rand(2, 4, 3, 16, 16)
    (encoder(x[0]).sum() + encoder(x[1]).sum()).backward()
    assert encoder.conv1.weight.grad.abs().max() > 0


def test_channels_last_changes_nothing_but_speed():
    encoder, x = small(14), torch.rand(8, 3, 16, 16, generator=seeded())
    wanted = encoder(x)
    assert wanted.abs().max() > 0
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(encoder(last), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [1, 2, 3, 7, 8, 33])
def test_max_pool_pads_as_tensorflow_does(side):
    x = torch.rand(2, 3, side, side, generator=seeded(side))
    out = -(-side // 2)
    total = max((out - 1) * 2 + 3 - side, 0)
    padded = F.pad(x, 2 * (total // 2, total - total // 2), value=-torch.inf)
    wanted = torch.stack([padded[:, :, i : i + 3].amax(2) for i in range(0, side, 2)], 2)
    wanted = torch.stack([wanted[:, :, :, j : j + 3].amax(3) for j in range(0, side, 2)], 3)
    assert torch.equal(max_pool_same(x), wanted)


@pytest.mark.parametrize("depth", [8, 50])
def test_computing_blocks_again_changes_no_bit_and_moves_the_statistics_once(depth):
    settings, found = Encoder(depth=depth, base_channels=8, stem="cifar"), []
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    for recompute in (False, True):
        encoder = build_encoder(settings, torch.Generator().manual_seed(0))
        encoder.recompute = recompute
        forwards = []
        encoder.layer1[0].conv1.register_forward_hook(lambda *_, seen=forwards: seen.append(1))
        encoder(x).square().sum().backward()
        assert len(forwards) == 1 + recompute
        gradients = {name: p.grad for name, p in encoder.named_parameters()}
        found.append((encoder.state_dict(), gradients))
    for one, other in zip(*found, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
