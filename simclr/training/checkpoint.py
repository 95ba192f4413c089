"""The state of a training: saved and read again, and looked at for numbers that are none.

What is saved is all that a step changes: weights, statistics, momenta, the losses of the epoch so
far, and the position. Random numbers and the learning rate are functions of the position.
"""

import os
from pathlib import Path

import torch
from torch import Tensor

from simclr import distributed
from simclr.config import ConfigError
from simclr.models import weights

CHECKPOINT_MINUTES = "SIMCLR_CHECKPOINT_MINUTES"  # environment; 5 where it is not set


def least_seconds() -> float:
    """Least time between two checkpoints, from the environment. Raises ConfigError."""
    text = os.environ.get(CHECKPOINT_MINUTES, "5")
    try:
        return 60 * float(text)
    except ValueError:
        raise ConfigError(f"{CHECKPOINT_MINUTES}: expected minutes, got {text!r}.") from None


def check_finite(record: Tensor, epoch: int, trained: dict[str, Tensor]) -> None:
    """Raise ConfigError, naming the first step of the epoch whose loss is not finite.

    record: [steps done in the epoch, names]; trained: what `parts` returns. If all losses are
    finite and a weight, momentum or statistic is not, the last step made it so.
    """
    bad = (~record[:, 0].isfinite()).nonzero()
    step = int(bad[0, 0]) if len(bad) else len(record) - 1
    what = f"the loss is {record[step, 0].item()}"
    if not len(bad):
        sums = torch.stack([value.sum(dtype=torch.float64) for value in trained.values()])
        if sums.isfinite().all():
            return
        names = [name for name, s in zip(trained, sums, strict=True) if not s.isfinite()]
        what = f"{names[0]} is not finite"
    raise ConfigError(
        f"training diverged: {what} at epoch {epoch + 1}, step {step + 1}; lower "
        "optimizer.base_lr, or raise warmup_epochs or the temperature."
    )


def parts(modules, optimizer) -> dict[str, Tensor]:
    """All tensors that training changes, by name."""
    found = {
        f"{name}.{key}": value
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    trained = [w for group in optimizer.param_groups for w in group["params"]]
    for number, weight in enumerate(trained):
        state = optimizer.state[weight]
        if state.get("momentum_buffer") is None:
            state["momentum_buffer"] = torch.zeros_like(weight)
        found[f"momentum.{number}"] = state["momentum_buffer"]
    return found


def save_checkpoint(path: Path, modules, optimizer, record, curves, next_step: int) -> None:
    """Save the state of a training, to go on with step `next_step` of the epoch after `curves`.

    Of several ranks the first does it: all have the same state.
    """
    if distributed.rank():
        return
    position = {"curves": curves, "next_step": next_step}
    weights.write(path, {**parts(modules, optimizer), "record": record}, position)


def resume(path: Path, modules, optimizer, record: Tensor) -> tuple[list[dict], int]:
    """Load the state of a training in place. Returns (curves, next step). Raises ConfigError."""
    about = weights.read_into(path, {**parts(modules, optimizer), "record": record})
    return about["curves"], about["next_step"]
