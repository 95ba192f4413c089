"""The training loop of all stages that train; its checkpoints are in simclr/training/checkpoint.py.

Every random number is a function of (seed, what for, epoch, step), drawn on the CPU, and the
learning rate is a function of the step. So a run is the same on every machine of a kind, and a
checkpoint needs weights, momentum and the position, but no generator's state: interrupted and
resumed equals uninterrupted, bit for bit.

The images lie on the device, or are read ahead (simclr/data/image_store.py). Views of several steps
are made in one go, because at 16x16 pixels the calls cost more than the arithmetic. Nothing inside
an epoch waits for the device, but for a look at the losses every LOOK_SECONDS.
"""

import time

import torch
from torch import nn

from simclr import distributed
from simclr.data import image_store
from simclr.training.batching import epoch_batches, per_chunk, steps_per_epoch
from simclr.training.checkpoint import check_finite, least_seconds, parts, resume, save_checkpoint
from simclr.training.norm_groups import by_branch, by_group, set_norm_groups
from simclr.training.optim import build_optimizer, learning_rate

LOOK_SECONDS = 1.0


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
    images = image_store.as_store(images)
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
    if (
        settings.compile and distributed.size() == 1
    ):  # several ranks: torch 2.11 computes other sums
        network = torch.compile(network)

    def check(step):
        check_finite(record[: step + 1], epoch, parts(modules, optimizer))

    for epoch in range(start, epochs):
        how = settings.views, settings.seed, batch_size, epoch, branches, next_step
        for step, x, index in epoch_batches(images, *how, part=distributed.local_slice(batch_size)):
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
            distributed.sum_over([w.grad for w in trained] + [record[step]])
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
