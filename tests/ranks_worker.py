"""What every rank does in tests/test_ranks.py."""

import os
from pathlib import Path

import torch
from safetensors.torch import save_file

from simclr import distributed, losses
from simclr.config import build
from simclr.losses import nt_xent
from simclr.models.batch_norm import BatchNorm
from simclr.models.heads import build_head
from simclr.models.resnet import build_encoder
from simclr.registry import STAGES
from simclr.settings.training import Encoder, Head
from simclr.stages import pretrain
from simclr.store import runner
from simclr.store.instance import Instance
from simclr.training import batching, loop
from tests.training import pretrain_settings, silent

torch.set_num_threads(1)
COUNT = 7  # images, which no number of ranks divides


def arithmetic(folder: Path) -> None:
    """Loss, batch norm and a whole network on the shares of one batch, in float64."""
    one = torch.Generator().manual_seed(0)
    found = {}

    def draw(*shape):
        return torch.randn(*shape, generator=one, dtype=torch.float64)

    own = distributed.local_slice(COUNT)
    for normalize in (True, False):
        for rows in (2**24, 2 * COUNT * 2):  # in one go, and two rows at a time
            losses.LOGITS = rows
            a, b = (draw(COUNT, 5)[own].requires_grad_() for _ in "ab")
            results = nt_xent(a, b, 0.5, normalize, COUNT)
            results[0].backward()
            sums = torch.stack([value.detach().double() for value in results])
            distributed.sum_over([sums])
            name = f"loss.{normalize}.{rows}"
            found[f"{name}.sums"] = sums
            found |= {f"{name}.{which}": whole(z.grad) for which, z in (("a", a), ("b", b))}

    norm = BatchNorm(3).double()
    with torch.no_grad():
        norm.weight.copy_(draw(3))
        norm.bias.copy_(draw(3))
    x = (5 + draw(COUNT, 3, 2, 2))[own].requires_grad_()
    weights = draw(COUNT, 3, 2, 2)[own]
    (norm(x) * weights).sum().backward()
    distributed.sum_over([p.grad for p in norm.parameters()])
    found["norm.x"] = whole(x.grad)
    for key, value in norm.state_dict().items():
        found[f"norm.{key}"] = value
    for key, value in norm.named_parameters():
        found[f"norm.{key}.grad"] = value.grad

    for recompute in (False, True):
        encoder = build_encoder(Encoder(depth=8, base_channels=4, stem="cifar"), one).double()
        head = build_head(Head(out_dim=8), encoder.feature_dim, one).double()
        with torch.no_grad():  # last scales start at zero, which would hide the branches
            for module in encoder.modules():
                if isinstance(module, BatchNorm):
                    module.weight.fill_(0.7)
        encoder.recompute = recompute
        images = draw(2, COUNT, 3, 8, 8)[:, own]
        loss, *_ = nt_xent(*head(encoder(images.flatten(0, 1))).chunk(2), 0.5, global_n=COUNT)
        loss.backward()
        named = [*encoder.named_parameters(), *head.named_parameters()]
        distributed.sum_over([p.grad for _, p in named])
        found |= {f"network.{recompute}.{key}": p.grad for key, p in named}
        for key, value in encoder.state_dict().items():
            if "running" in key:
                found[f"network.{recompute}.{key}"] = value
    if distributed.rank() == 0:
        found = {key: value.detach().contiguous().clone() for key, value in found.items()}
        save_file(found, folder / "found.safetensors")


def whole(part):
    """Rows of all ranks."""
    return distributed.gather(part, COUNT)


def train(folder: Path, until: int | None = None) -> None:
    """A short training; with `until` the last rank dies before that step's gradients are summed."""
    steps, summed = 0, distributed.sum_over

    def dying(tensors):
        nonlocal steps
        steps += 1
        if steps == until and distributed.rank() == distributed.size() - 1:
            os._exit(7)
        summed(tensors)

    loop.distributed.sum_over = dying
    batching.DRAW_IMAGES, batching.VIEW_FLOATS["cpu"] = (
        19,
        1,
    )  # step by step: a checkpoint after each
    out = folder / f"out.{distributed.rank()}"
    out.mkdir()
    # 19 images a step: shares differ. Several ranks do not compile: torch 2.11 would sum otherwise.
    asked = distributed.size() > 1
    settings = pretrain_settings(batch_size=19, optimizer={"base_lr": 0.1}, compile=asked)
    pretrain.run(settings, {"data": folder.parent / "data"}, out, folder / "checkpoint", silent)


def agree(folder: Path) -> None:
    """Begin with a result that has another seed on each rank, as if scale or code were edited."""
    stage, counts = STAGES["prepare"], {"train_images": 20, "test_images": 20}
    settings = build(stage.settings, {**counts, "seed": distributed.rank()})
    runner._agreed(Instance(stage, "", "data", None, settings, {}), False)


def own_gradient_only(x):
    """What a gather without gradients would do: the right values, and no gradient of others."""
    values = x.detach().clone()
    distributed.sum_over([values])
    return values + (x - x.detach())


def work(environment: dict, log: Path, task: str, folder: Path, *more) -> None:
    """Do `task` as the rank that `environment` names; what it says of errors goes to `log`."""
    os.environ.update(environment)
    with open(log, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 2)
    with distributed.process_group("cpu"):
        if task == "dropped":
            distributed.all_reduce, task = own_gradient_only, "arithmetic"
        {"arithmetic": arithmetic, "train": train, "agree": agree}[task](folder, *more)
