"""The training loop of all stages that train; its checkpoints are in simclr/checkpoint.py.

Every random number is a function of (seed, what for, epoch, step), drawn on the CPU, and the
learning rate is a function of the step. So a run is the same on every machine of a kind, and a
checkpoint needs weights, momentum and the position, but no generator's state: interrupted and
resumed equals uninterrupted, bit for bit.

The images lie on the device, or are read ahead (simclr/pixels.py). Views of several steps are made
in one go, because at 16x16 pixels the calls cost more than the arithmetic. Nothing inside an epoch
waits for the device, but for a look at the losses every LOOK_SECONDS.
"""

import hashlib
import json
import math
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from simclr import packed, pixels, ranks, views
from simclr.checkpoint import check_finite, least_seconds, parts, resume, save_checkpoint
from simclr.config import ConfigError
from simclr.encoder import BatchNorm, build_encoder
from simclr.optim import build_optimizer, learning_rate

DRAW_IMAGES = 1024  # drawn for in one go, if they are several steps' (part of what a seed means)
VIEW_FLOATS = {"cpu": 2**22, "cuda": 2**27}  # made in one go: 16 MiB of views, 512 MiB on a GPU
# Of images put through a network in one go; its maps are much larger.
PREDICT_FLOATS = {"cpu": 2**20, "cuda": 2**25}
LOOK_SECONDS = 1.0
COMPILERS = (os.environ.get("CXX", "g++"), os.environ.get("CC", "gcc"), "clang")


def generator(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> torch.Generator:
    """Return a CPU generator for one purpose ("weights", "order", "views") at one step."""
    digest = hashlib.sha256(f"{seed} {purpose} {epoch} {step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def find_device(name: str) -> torch.device:
    """Return the device "cpu" or "cuda". Raises ConfigError where it is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: 'cuda', but no GPU is available here; use 'cpu'.")
    if name == "cuda":
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device(name)


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Copy a (memory-mapped) array to the device."""
    return torch.from_numpy(np.array(array)).to(device)


def begin(settings, folder: Path):
    """Return (data, device, generator of weights, encoder), as every training starts.

    folder: a prepared data set. Raises ConfigError where the settings do not fit it, or the device
    is not there.
    """
    data = packed.load(folder)
    steps_per_epoch(len(data.train_images), settings.batch_size)
    device = find_device(settings.device)
    if settings.compile and not any(map(shutil.which, COMPILERS)):
        raise ConfigError("compile: needs a C++ compiler; install g++, or set it to false.")
    initial = generator(settings.seed, "weights")
    encoder = place(build_encoder(settings.encoder, initial), device)
    encoder.recompute = settings.recompute
    return data, device, initial, encoder


def steps_per_epoch(images: int, batch_size: int) -> int:
    """Number of whole batches. Raises ConfigError where there is not one."""
    if batch_size > images:
        raise ConfigError(f"batch_size: {batch_size}, but there are only {images} training images.")
    return images // batch_size


def order(seed: int, epoch: int, count: int) -> Tensor:
    """Return the order of `count` images in an epoch, int64 [count], on the CPU."""
    return torch.randperm(count, generator=generator(seed, "order", epoch))


def batches(
    images,
    settings,
    seed: int,
    batch_size: int,
    epoch: int,
    branches: int,
    start: int = 0,
    part: slice | None = None,
):
    """Yield (step, views [branches, B, 3, S, S], indices [B] of their images) for one epoch.

    images: pixels.Pixels, or uint8 [N, 3, S, S] on the device where views are made; settings: how
    they are made. Every epoch has another order of the images; those that fill no batch are left
    out. Begins with step `start`. Views of several steps are made at once; see `per_chunk`. With a
    slice `part` of the batch, only those of its images; no bit of a view depends on that.
    """
    images = pixels.wrap(images)
    steps = steps_per_epoch(len(images), batch_size)
    everything = order(seed, epoch, len(images))
    block, chunk = per_draw(batch_size), per_chunk(images, batch_size, branches)
    firsts = range(start // block * block, steps, chunk)
    whole = [everything[k * batch_size : min(k + chunk, steps) * batch_size] for k in firsts]
    part = part or slice(0, batch_size)
    count = part.stop - part.start
    mine = torch.arange(chunk * batch_size).view(-1, batch_size)[:, part].flatten()
    chosen = [every[mine[: len(every) // batch_size * count]] for every in whole]
    for first, every, some, there in zip(firsts, whole, chosen, images.ahead(chosen), strict=True):
        end = first + len(every) // batch_size
        drawn = views.join(
            [
                views.draw(
                    settings,
                    (min(step + block, steps) - step) * batch_size,
                    images.side,
                    generator(seed, "views", epoch, step),
                    branches,
                    batch_size,
                    images.stored_side,
                    images.aspects_of(every[(step - first) * batch_size :][: block * batch_size]),
                )
                for step in range(first, end, block)
            ]
        )
        if count < batch_size:
            drawn = {name: value[:, mine[: len(some)]] for name, value in drawn.items()}
        made = views.make(there, drawn, settings, images.side)
        index = some.to(images.device, non_blocking=True)
        several = zip(range(first, end), made.split(count, 1), index.split(count), strict=True)
        yield from (one for one in several if one[0] >= start)


def per_draw(batch_size: int) -> int:
    """For how many steps one generator draws: small batches would spend their time in calls."""
    return max(1, DRAW_IMAGES // batch_size)


def per_chunk(images: pixels.Pixels, batch_size: int, branches: int) -> int:
    """How many steps' views are made at once, in whole draws. No bit of a view depends on it."""
    floats, block = branches * batch_size * 3 * images.side**2, per_draw(batch_size)
    return max(1, VIEW_FLOATS[images.device.type] // (floats * block)) * block


def train(
    settings, images, modules, objective, names, branches, checkpoint, report, network=None
) -> list[dict]:
    """Train `modules` and return the curves: a dict per epoch, of epoch, the `names`, and lr.

    settings: a Training; images: as `batches` has them; modules: name -> nn.Module, on
    the device, "classifier" as optim.build_optimizer has it; network: maps views
    [branches * B, 3, S, S] to the output, a tensor or several, by default the modules one after
    another; objective(output, indices [B]) -> (loss, other summaries), scalars which `names`
    names, of several ranks their part of the whole batch's; checkpoint: file to resume from and to
    save to; report(done, text). Raises ConfigError where the loss or a weight is no longer a
    number; the checkpoint then is the last good one.
    """
    torch.utils.deterministic.fill_uninitialized_memory = False  # it costs a tenth of a step
    images = pixels.wrap(images)
    count, batch_size, epochs = len(images), settings.batch_size, settings.epochs
    steps = steps_per_epoch(count, batch_size)
    classifiers = [module for name, module in modules.items() if name == "classifier"]
    others = [module for name, module in modules.items() if name != "classifier"]
    optimizer = build_optimizer(settings.optimizer, others, classifiers)
    trained = [w for group in optimizer.param_groups for w in group["params"]]
    # One row a step of the current epoch, on the device: read seldom, as reading waits for it.
    record = torch.zeros(steps, len(names), device=images.device)
    curves, start, next_step = [], 0, 0
    if checkpoint.exists():
        curves, next_step = resume(checkpoint, modules, optimizer, record)
        start = len(curves)
    device, reduced = images.device, settings.precision == "bfloat16"
    interval = least_seconds()
    chunk = per_chunk(images, batch_size, branches)
    looked = saved = time.monotonic()
    set_norm_groups(modules.values(), settings.norm_groups)
    for module in modules.values():
        module.train()
    network = network or nn.Sequential(*modules.values())
    if settings.compile and ranks.size() == 1:  # several ranks: torch 2.11 computes other sums
        network = torch.compile(network)

    def check(step):
        check_finite(record[: step + 1], epoch, parts(modules, optimizer))

    for epoch in range(start, epochs):
        how = settings.views, settings.seed, batch_size, epoch, branches, next_step
        for step, x, index in batches(images, *how, part=ranks.share(batch_size)):
            rate = learning_rate(
                settings.optimizer, batch_size, count, epochs, epoch * steps + step
            )
            for group in optimizer.param_groups:
                group["lr"] = rate
            # One forward pass of all views: batch statistics are over every branch (paper 2.2).
            y = by_group(x, settings.norm_groups).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
                y = network(y)
            loss, *summaries = objective(by_branch(y, branches, settings.norm_groups), index)
            optimizer.zero_grad()
            loss.backward()
            record[step] = torch.stack([loss.detach(), *summaries])
            ranks.sum_over([w.grad for w in trained] + [record[step]])
            optimizer.step()

            now = time.monotonic()
            if now - looked > LOOK_SECONDS:
                check(step)
                done = (epoch * steps + step + 1) / (epochs * steps)
                report(done, f"epoch {epoch + 1} of {epochs}, loss {record[step, 0].item():.3f}")
                looked = time.monotonic()
            between = (step + 1) % chunk == 0 and step + 1 < steps
            if between and now - saved >= interval:
                check(step)
                save_checkpoint(checkpoint, modules, optimizer, record, curves, step + 1)
                saved = time.monotonic()
        check(steps - 1)
        means = record.double().mean(0).tolist()
        curves.append({"epoch": epoch + 1, **dict(zip(names, means, strict=True)), "lr": rate})
        next_step = 0
        if epoch + 1 < epochs and time.monotonic() - saved >= interval:
            save_checkpoint(checkpoint, modules, optimizer, record, curves, 0)
            saved = time.monotonic()
    return curves


def set_norm_groups(modules, groups: int) -> None:
    """Let batch norm know its own part of a batch alone. Raises ConfigError with several ranks."""
    if groups > 1 and ranks.size() > 1:
        raise ConfigError("norm_groups: must be 1 with several ranks; start one process.")
    for module in modules:
        for norm in module.modules():
            if isinstance(norm, BatchNorm):
                norm.groups = groups


def by_group(x: Tensor, groups: int) -> Tensor:
    """Views [branches, B, ...] in one line; with groups, all views of a group's images together."""
    if groups == 1:
        return x.flatten(0, 1)
    return x.unflatten(1, (groups, -1)).transpose(0, 1).flatten(0, 2)


def by_branch(output, branches: int, groups: int):
    """Float32 output of views that stand as `by_group` has them, in the order of branches."""
    if isinstance(output, tuple):
        return tuple(by_branch(one, branches, groups) for one in output)
    output = output.float() if output.dtype == torch.bfloat16 else output
    if groups == 1:
        return output
    return output.unflatten(0, (groups, branches, -1)).transpose(0, 1).flatten(0, 2)


@torch.no_grad()
def predict(function, images) -> dict[str, Tensor]:
    """Put images, as `batches` has them, through `function`, as floats in [0, 1], some at a time.

    What evaluation shows of them (views.centre_boxes). function returns a dict of tensors, which
    are put together along their first dimension.
    """
    images = pixels.wrap(images)
    some = max(1, PREDICT_FLOATS[images.device.type] // (3 * images.side**2))
    parts = torch.arange(len(images)).split(some)
    made = [
        function(x.contiguous(memory_format=torch.channels_last))
        for x in (images.shown(*one) for one in zip(parts, images.ahead(parts), strict=True))
    ]
    return {name: torch.cat([each[name] for each in made]) for name in made[0]}


def accuracy(scores: Tensor, labels: Tensor, among: int = 1) -> float:
    """Percent of rows of scores [N, classes] where the label [N] is `among` so many largest."""
    best = scores.topk(min(among, scores.shape[1]), 1).indices if among > 1 else scores.argmax(1)
    return 100 * (best.view(len(labels), -1) == labels[:, None]).sum().item() / len(labels)


def place(module: nn.Module, device: torch.device) -> nn.Module:
    """Move a module to the device; channels last, a quarter faster on CPUs too at these sizes."""
    return module.to(device, memory_format=torch.channels_last)


def write_curves(path: Path, curves: list[dict]) -> None:
    """Write the curves as CSV, a line an epoch, six digits."""
    lines = [",".join(curves[0])]
    lines += [",".join(f"{value:.6g}" for value in row.values()) for row in curves]
    path.write_text("\n".join(lines) + "\n")


def write_json(path: Path, values: dict) -> None:
    """Write metrics as JSON. Raises ConfigError for one that is not a finite number."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise ConfigError(f"{name} is {value}: the training diverged; lower the learning rate.")
    path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")
