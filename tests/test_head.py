"""The projection head against numbers of the official code and the paper's formula."""

from pathlib import Path

import numpy as np
import pytest
import torch

from simclr.models.heads import build_head
from simclr.settings.training import Head

ORACLE = Path(__file__).parent / "oracle"


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def official_parts(head):
    """The head's tensors in the order of the official code: dense kernel, then its batch norm."""
    parts = []
    if head.hidden is not None:
        norm = head.hidden_bn
        parts += [head.hidden.weight, norm.weight, norm.bias, norm.running_mean, norm.running_var]
    norm = head.out_bn
    return [*parts, head.out.weight, norm.weight, norm.running_mean, norm.running_var]


@pytest.mark.parametrize("case", [0, 1, 2])
def test_head_is_that_of_the_official_code(case):
    prefix = f"v1_case{case}_"
    with np.load(ORACLE / "projection_head.npz", allow_pickle=False) as file:
        stored = {k.removeprefix(prefix): file[k] for k in file if k.startswith(prefix)}
    _, inputs, outputs, nonlinear, _ = stored["params"].tolist()
    kind = "nonlinear" if nonlinear else "linear"
    for mode in ("infer", "train"):
        head = build_head(Head(kind=kind, out_dim=outputs), inputs, seeded()).train(mode == "train")
        assert head.out_dim == outputs
        parts = official_parts(head)
        assert len(parts) == len(stored["names"])
        with torch.no_grad():
            for index, part in enumerate(parts):
                part.copy_(torch.from_numpy(stored[f"w__{index}"].T))  # [in, out] -> [out, in]
        x = torch.from_numpy(stored["x"]).requires_grad_()
        z = head(x)
        (z * torch.from_numpy(stored["G"])).sum().backward()
        near(z, stored[f"{mode}_out"])
        near(x.grad, stored[f"{mode}_grad_x"])
        trained = 0
        for index, part in enumerate(parts):
            if stored["trainable"][index]:
                near(part.grad, stored[f"{mode}_grad_w__{index}"].T)
                trained += 1
            elif mode == "train":
                near(part, stored[f"after_w__{index}"])
        assert trained == len(list(head.parameters()))  # nothing else is trained


def near(ours, theirs, tolerance=3e-6):
    """Assert the oracle's tolerance, relative to the array's largest number."""
    ours = ours.detach().numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def test_without_batch_norm_the_head_is_the_formula_of_the_paper():
    head = build_head(Head(out_dim=3, batch_norm=False), 5, seeded())
    torch.nn.init.normal_(head.hidden.bias, generator=seeded(1))
    torch.nn.init.normal_(head.out.bias, generator=seeded(2))
    w1, b1, w2, b2 = (p.detach().numpy() for p in head.parameters())
    h = torch.randn(7, 5, generator=seeded(3))
    wanted = np.maximum(h.numpy() @ w1.T + b1, 0) @ w2.T + b2
    np.testing.assert_allclose(head(h).detach().numpy(), wanted, rtol=1e-5, atol=1e-6)
    linear = build_head(Head(kind="linear", out_dim=3, batch_norm=False), 5, seeded())
    assert [tuple(p.shape) for p in linear.parameters()] == [(3, 5), (3,)]
    torch.testing.assert_close(linear(h), h @ linear.out.weight.T)


def test_no_head_leaves_h_as_it_is():
    head, h = build_head(Head(kind="none", out_dim=0), 5, seeded()), torch.randn(2, 5)
    assert head(h) is h
    assert head.out_dim == 5 and not head.state_dict()


def test_numbers_of_parameters_are_those_of_the_official_code():
    with np.load(ORACLE / "param_counts.npz", allow_pickle=False) as file:
        columns, table = file["columns"].tolist(), file["table"]
    wanted = {
        int(row[columns.index("feature_dim")]): int(row[columns.index("v1_head_trainable")])
        for row in table
    }
    assert len(wanted) == 5
    for dim, count in wanted.items():
        with torch.device("meta"):
            head = build_head(Head(out_dim=128), dim, None)
        assert sum(p.numel() for p in head.parameters()) == count


def test_dense_weights_start_small_and_from_the_generator_alone():
    torch.manual_seed(1)
    first = build_head(Head(out_dim=256), 512, seeded(4))
    torch.manual_seed(2)
    second = build_head(Head(out_dim=256), 512, seeded(4))
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    for weight in (first.hidden.weight, first.out.weight):  # N(0, 0.01)
        assert weight.std().item() == pytest.approx(0.01, rel=5 / np.sqrt(2 * weight.numel()))
        assert weight.abs().max() > 0.03  # not truncated
