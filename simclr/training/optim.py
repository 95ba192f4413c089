"""LARS and SGD, and the learning rate as a function of the step (paper 2.2, B.1)."""

import math

import torch

from simclr.config import ConfigError
from simclr.settings import Optimizer

TRUST = 0.001  # LARS's trust coefficient in the authors' code


class LARS:
    """Layer-wise adaptive rate scaling, with the arithmetic of the authors' code:

        g += weight_decay * w;  r = TRUST * |w| / |g|  (1 where either is 0)
        v = momentum * v + lr * r * g;  w -= v

    groups: dicts of params, weight_decay and adapt. Those with adapt=False (biases, batch
    normalisation) have r = 1. The weights of a group become views of one piece of memory, so that
    a step takes few calls: on a small network one per weight would cost more than the arithmetic.
    Whatever moves weights elsewhere must come before. `state` has their momenta, as torch's
    optimizers have; they may be written, but not replaced.
    """

    def __init__(self, groups, momentum: float):
        self.param_groups = [{"lr": 0.0, **group} for group in groups]
        self.momentum, self.state = momentum, {}
        for group in self.param_groups:
            weights = group["params"]
            group["weights"] = torch.cat([_line(w.detach(), w) for w in weights])
            group["momenta"] = torch.zeros_like(group["weights"])
            start = 0
            for weight in weights:
                place = weight.size(), weight.stride(), start
                weight.data = group["weights"].as_strided(*place)
                self.state[weight] = {"momentum_buffer": group["momenta"].as_strided(*place)}
                start += weight.numel()

    def zero_grad(self):
        """Forget the gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                weight.grad = None

    @torch.no_grad()
    def step(self):
        """Move all weights; every one needs a gradient."""
        for group in self.param_groups:
            weights, momenta = group["weights"], group["momenta"]
            gradients = torch.cat([_line(w.grad, w) for w in group["params"]])
            if group["weight_decay"]:
                gradients.add_(weights, alpha=group["weight_decay"])
            momenta.mul_(self.momentum)
            if group["adapt"]:
                counts = [w.numel() for w in group["params"]]
                sizes = torch.stack(torch._foreach_norm(weights.split(counts)))
                slopes = torch.stack(torch._foreach_norm(gradients.split(counts)))
                some = (sizes > 0) & (slopes > 0)
                ratios = torch.where(some, TRUST * sizes / slopes, 1.0) * group["lr"]
                momenta.addcmul_(gradients, _spread(ratios, counts))
            else:
                momenta.add_(gradients, alpha=group["lr"])
            weights.sub_(momenta)


def _line(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """View values of a weight, or of its gradient, as a line in the weight's order in memory."""
    if values.stride() != weight.stride():
        # Gradients have their weight's layout, but for what torch leaves open.
        values = torch.empty_like(weight).copy_(values)
    return values.as_strided((values.numel(),), (1,))


def _spread(ratios: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """Repeat the first ratio counts[0] times, and so on."""
    return torch.cat([r.expand(n) for r, n in zip(ratios.unbind(), counts, strict=True)])


def build_optimizer(settings: Optimizer, modules, classifiers=()) -> LARS | torch.optim.SGD:
    """Return LARS, or SGD with Nesterov momentum, for the parameters of modules and classifiers.

    Biases and the parameters of batch normalisation (all vectors) are neither decayed nor adapted,
    nor, with LARS, is anything of a classifier, as in the authors' later code.
    """
    parameters = [(p, p.ndim > 1) for module in modules for p in module.parameters()]
    for module in classifiers:
        parameters += [(p, p.ndim > 1 and settings.kind != "lars") for p in module.parameters()]
    kernels, others = ([p for p, kernel in parameters if kernel == wanted] for wanted in (1, 0))
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
