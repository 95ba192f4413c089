"""The training loop of all stages that train.

Every random number is a function of (seed, purpose, epoch, step), drawn on the CPU, and the
learning rate is a function of the step. So a run is the same on every machine of a kind, and a
checkpoint needs no generator's state: a run that was interrupted and resumed equals one that was
not, bit for bit.

Images lie on the device, or are read ahead (simclr/data/image_store.py). Nothing inside an epoch
waits for the device, except for a look at the losses every LOOK_SECONDS.
"""

import time
from pathlib import Path

import torch
from torch import nn

from simclr import distributed
from simclr.data import image_store
from simclr.training.batching import epoch_batches, per_chunk
from simclr.training.checkpoint import TrainingState, least_seconds
from simclr.training.norm_groups import by_branch, by_group, set_norm_groups
from simclr.training.optim import build_optimizer, learning_rate
from simclr.training.order import steps_per_epoch

LOOK_SECONDS = 1.0


def train(
    settings,
    images,
    model: nn.Module,
    objective,
    *,
    names: tuple[str, ...],
    branches: int,
    checkpoint: Path,
    report,
) -> list[dict]:
    """Train a model and return the curves: a dict for each epoch, of epoch, the `names`, and lr.

    settings: a settings.Training.
    images: an ImageStore, or uint8 [N, 3, S, S] on the device.
    model: maps views [branches * B, 3, S, S] to an output, a tensor or a tuple of them. LARS leaves
        its child `classifier` alone (optim.build_optimizer).
    objective: maps (output, indices [B] of the images) to a tuple of scalars, the loss first, which
        `names` names; on several ranks, this rank's part of the whole batch's.
    checkpoint: the file to resume from and to save to.
    report: called with (fraction done, text), and at the end of an epoch with its curve as well.

    Raises ConfigError if the loss or a weight is no longer finite; the checkpoint then is the last
    good one.
    """
    torch.utils.deterministic.fill_uninitialized_memory = False  # it costs a tenth of a step
    images = image_store.as_store(images)
    device, batch_size, epochs = images.device, settings.batch_size, settings.epochs
    reduced = settings.precision == "bfloat16"
    steps = steps_per_epoch(len(images), batch_size)

    # Model and optimizer.
    model.train()
    set_norm_groups(model, settings.norm_groups)
    children = dict(model.named_children())
    classifiers = [children.pop("classifier")] if "classifier" in children else []
    optimizer = build_optimizer(settings.optimizer, children.values(), classifiers)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    forward = model
    if settings.compile and distributed.size() == 1:  # torch 2.11 computes other sums on several
        forward = torch.compile(model)

    # Start from nothing, or from where a former run was interrupted.
    record = torch.zeros(steps, len(names), device=device)  # read seldom: reading it waits
    state = TrainingState(model, optimizer, record)
    if checkpoint.exists():
        state.load(checkpoint)
    chunk = per_chunk(images, batch_size, branches)
    save_seconds = least_seconds()
    looked = saved = time.monotonic()

    for epoch in range(len(state.curves), epochs):
        batches = epoch_batches(
            images,
            settings.views,
            seed=settings.seed,
            batch_size=batch_size,
            epoch=epoch,
            branches=branches,
            start=state.next_step,
            part=distributed.local_slice(batch_size),
        )
        for step, views, index in batches:
            # The learning rate of this step.
            done = epoch * steps + step
            lr = learning_rate(settings.optimizer, batch_size, len(images), epochs, done)
            for group in optimizer.param_groups:
                group["lr"] = lr

            # One forward pass of all views: batch statistics are over every branch (paper 2.2).
            x = by_group(views, settings.norm_groups).contiguous(memory_format=torch.channels_last)
            with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
                output = forward(x)
            output = by_branch(output, branches, settings.norm_groups)
            loss, *summaries = objective(output, index)

            # Backward pass and update, with gradients summed over ranks.
            optimizer.zero_grad()
            loss.backward()
            record[step] = torch.stack([loss.detach(), *summaries])
            distributed.sum_over([p.grad for p in parameters] + [record[step]])
            optimizer.step()
            state.next_step = step + 1

            # Now and then: look at the loss, and save between two chunks of views.
            now = time.monotonic()
            if now - looked > LOOK_SECONDS:
                state.check_finite()
                progress = f"epoch {epoch + 1} of {epochs}, loss {record[step, 0].item():.3f}"
                report((done + 1) / (epochs * steps), progress)
                looked = time.monotonic()
            between_chunks = (step + 1) % chunk == 0 and step + 1 < steps
            if between_chunks and now - saved >= save_seconds:
                state.check_finite()
                state.save(checkpoint)
                saved = time.monotonic()

        # The epoch's means over its steps; save before the next one.
        state.check_finite()
        means = record.double().mean(0).tolist()
        state.curves.append({"epoch": epoch + 1, **dict(zip(names, means, strict=True)), "lr": lr})
        state.next_step = 0
        report((epoch + 1) / epochs, f"epoch {epoch + 1} of {epochs}", state.curves[-1])
        if epoch + 1 < epochs and time.monotonic() - saved >= save_seconds:
            state.save(checkpoint)
            saved = time.monotonic()
    return state.curves
