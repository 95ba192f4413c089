"""Save and load the state of a training, and check it for NaN and infinity.

The state is all that a step changes: weights, statistics, momenta, the losses of the epoch so far,
and the position. Random numbers and the learning rate are functions of the position.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

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


@dataclass
class TrainingState:
    """The model, its optimizer, and how far they have come.

    record: loss and summaries of each step of the current epoch, float32 [steps, names], on the
    device; curves: a dict for each finished epoch; next_step: of the current epoch, from 0.
    """

    model: nn.Module
    optimizer: object  # LARS or torch.optim.SGD
    record: Tensor
    curves: list[dict] = field(default_factory=list)
    next_step: int = 0

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the model and the optimizer that training changes, by name."""
        tensors = dict(self.model.state_dict())
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        for number, parameter in enumerate(parameters):
            state = self.optimizer.state[parameter]
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = torch.zeros_like(parameter)
            tensors[f"momentum.{number}"] = state["momentum_buffer"]
        return tensors

    def save(self, path: Path) -> None:
        """Save to a safetensors file. Only rank 0 does: all ranks have the same state."""
        if distributed.rank() == 0:
            position = {"curves": self.curves, "next_step": self.next_step}
            weights.write(path, {**self.tensors(), "record": self.record}, position)

    def load(self, path: Path) -> None:
        """Load what `save` wrote, in place. Raises ConfigError if it does not fit the model."""
        position = weights.read_into(path, {**self.tensors(), "record": self.record})
        self.curves, self.next_step = position["curves"], position["next_step"]

    def check_finite(self) -> None:
        """Raise ConfigError naming the first step of the epoch whose loss is not finite.

        If all losses are finite but a weight, momentum or statistic is not, name the last step.
        """
        losses = self.record[: self.next_step, 0]
        bad_steps = (~losses.isfinite()).nonzero()
        if len(bad_steps):
            step = int(bad_steps[0, 0])
            problem = f"the loss is {losses[step].item()}"
        else:
            step, tensors = self.next_step - 1, self.tensors()
            sums = torch.stack([value.sum(dtype=torch.float64) for value in tensors.values()])
            if sums.isfinite().all():
                return
            bad_names = [name for name, s in zip(tensors, sums, strict=True) if not s.isfinite()]
            problem = f"{bad_names[0]} is not finite"
        raise ConfigError(
            f"training diverged: {problem} at epoch {len(self.curves) + 1}, step {step + 1}; "
            "lower optimizer.base_lr, or raise warmup_epochs or the temperature."
        )
