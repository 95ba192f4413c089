"""LARS and SGD, and the learning rate as a function of the step (paper 2.2, B.1)."""

import math

import torch

from simclr.config import ConfigError
from simclr.settings import Optimizer

TRUST = 0.001  # LARS's trust coefficient in the authors' code


class LARS(torch.optim.Optimizer):
    """Layer-wise adaptive rate scaling, with the arithmetic of the authors' code:

        g += weight_decay * w;  r = TRUST * |w| / |g|  (1 where either is 0)
        v = momentum * v + lr * r * g;  w -= v

    Groups with adapt=False (biases, batch normalisation) have r = 1.
    """

    def __init__(self, groups, momentum: float):
        defaults = {"lr": 0.0, "momentum": momentum, "weight_decay": 0.0, "adapt": True}
        super().__init__(groups, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            weights = [w for w in group["params"] if w.grad is not None]
            if not weights:
                continue
            gradients = [w.grad for w in weights]
            momenta = [self._momentum(w) for w in weights]
            if group["weight_decay"]:
                gradients = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
            if group["adapt"]:
                sizes = torch.stack(torch._foreach_norm(weights))
                slopes = torch.stack(torch._foreach_norm(gradients))
                some = (sizes > 0) & (slopes > 0)
                ratios = torch.where(some, TRUST * sizes / slopes, 1.0) * group["lr"]
                gradients = torch._foreach_mul(gradients, list(ratios.unbind()))
            else:
                gradients = torch._foreach_mul(gradients, group["lr"])
            torch._foreach_mul_(momenta, group["momentum"])
            torch._foreach_add_(momenta, gradients)
            torch._foreach_sub_(weights, momenta)

    def _momentum(self, weight):
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        return state["momentum_buffer"]


def build_optimizer(settings: Optimizer, modules) -> torch.optim.Optimizer:
    """Return LARS, or SGD with Nesterov momentum, for the parameters of `modules`.

    Biases and the parameters of batch normalisation (all vectors) are neither decayed nor adapted.
    """
    parameters = [p for module in modules for p in module.parameters()]
    kernels = [p for p in parameters if p.ndim > 1]
    others = [p for p in parameters if p.ndim <= 1]
    groups = [
        {"params": kernels, "weight_decay": settings.weight_decay, "adapt": True},
        {"params": others, "weight_decay": 0.0, "adapt": False},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.kind == "lars":
        return LARS(groups, settings.momentum)
    nesterov = settings.momentum > 0
    return torch.optim.SGD(groups, 0.0, settings.momentum, nesterov=nesterov, foreach=True)


def train_steps(batch_size: int, images: int, epochs: int) -> int:
    """Length of the schedule as the authors count it: the last step's rate is not quite zero."""
    return images * epochs // batch_size + 1


def learning_rate(
    settings: Optimizer, batch_size: int, images: int, epochs: int, step: int
) -> float:
    """Return the rate of `step` (0, 1, ...): linear warm-up from 0, then cosine decay to 0.

    The peak is base_lr * batch_size / 256, or base_lr * sqrt(batch_size) (paper B.1). Raises
    ConfigError where the warm-up is as long as the training, or longer.
    """
    if settings.lr_scaling == "linear":
        peak = settings.base_lr * batch_size / 256
    else:
        peak = settings.base_lr * math.sqrt(batch_size)
    if settings.warmup_epochs >= epochs:
        raise ConfigError(
            f"optimizer.warmup_epochs: {settings.warmup_epochs} must be less than epochs, {epochs}."
        )
    warmup = int(settings.warmup_epochs * images // batch_size)  # steps
    total = train_steps(batch_size, images, epochs)
    if step < warmup:
        return peak * step / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
