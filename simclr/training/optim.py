"""LARS and SGD, and the learning rate as a function of the step (paper 2.2, B.1)."""

import math

import torch

from simclr.config import ConfigError
from simclr.settings.training import Optimizer

TRUST = 0.001  # LARS's trust coefficient in the authors' code


class LARS:
    """Layer-wise adaptive rate scaling, with the arithmetic of the authors' code:

        g += weight_decay * w;  r = TRUST * |w| / |g|  (1 where either is 0)
        v = momentum * v + lr * r * g;  w -= v

    param_groups: dicts of params, weight_decay and adapt. Those with adapt=False (biases, batch
    normalization) have r = 1. The weights of a group become views of one piece of memory, so that
    a step takes few calls: on a small network one per weight would cost more than the arithmetic.
    So move modules to their device before creating the optimizer. As in torch's optimizers, `state`
    holds the momenta; write to these tensors, but do not replace them.
    """

    def __init__(self, param_groups: list[dict], momentum: float):
        self.param_groups = [{"lr": 0.0, **group} for group in param_groups]
        self.momentum, self.state = momentum, {}
        for group in self.param_groups:
            weights = group["params"]
            group["weights"] = torch.cat([_flat(w.detach(), w) for w in weights])
            group["momenta"] = torch.zeros_like(group["weights"])
            start = 0
            for weight in weights:
                shape, stride = weight.size(), weight.stride()
                momentum_buffer = group["momenta"].as_strided(shape, stride, start)
                weight.data = group["weights"].as_strided(shape, stride, start)
                self.state[weight] = {"momentum_buffer": momentum_buffer}
                start += weight.numel()

    def zero_grad(self):
        """Set all gradients to None."""
        for group in self.param_groups:
            for weight in group["params"]:
                weight.grad = None

    @torch.no_grad()
    def step(self):
        """Update all weights. Every weight must have a gradient."""
        for group in self.param_groups:
            weights, momenta = group["weights"], group["momenta"]
            gradients = torch.cat([_flat(w.grad, w) for w in group["params"]])
            if group["weight_decay"]:
                gradients.add_(weights, alpha=group["weight_decay"])
            momenta.mul_(self.momentum)
            if group["adapt"]:
                counts = [w.numel() for w in group["params"]]
                weight_norms = torch.stack(torch._foreach_norm(weights.split(counts)))
                gradient_norms = torch.stack(torch._foreach_norm(gradients.split(counts)))
                nonzero = (weight_norms > 0) & (gradient_norms > 0)
                ratios = torch.where(nonzero, TRUST * weight_norms / gradient_norms, 1.0)
                momenta.addcmul_(gradients, _repeat_each(ratios * group["lr"], counts))
            else:
                momenta.add_(gradients, alpha=group["lr"])
            weights.sub_(momenta)


def _flat(values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """View a weight or its gradient as one dimension, in the weight's order in memory."""
    if values.stride() != weight.stride():
        # torch does not promise that a gradient has its weight's layout.
        values = torch.empty_like(weight).copy_(values)
    return values.as_strided((values.numel(),), (1,))


def _repeat_each(ratios: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """Repeat ratio i counts[i] times."""
    return torch.cat([r.expand(n) for r, n in zip(ratios.unbind(), counts, strict=True)])


def build_optimizer(settings: Optimizer, modules, classifiers=()) -> LARS | torch.optim.SGD:
    """Return LARS, or SGD with Nesterov momentum, for the parameters of modules and classifiers.

    Biases and the parameters of batch normalization (all vectors) are neither decayed nor adapted.
    With LARS this also holds for all of a classifier, as in the authors' later code.
    """
    decayed, free = [], []
    for module in modules:
        for p in module.parameters():
            (decayed if p.ndim > 1 else free).append(p)
    for module in classifiers:
        for p in module.parameters():
            (decayed if p.ndim > 1 and settings.kind != "lars" else free).append(p)
    param_groups = []
    if decayed:
        group = {"params": decayed, "weight_decay": settings.weight_decay, "adapt": True}
        param_groups.append(group)
    if free:
        param_groups.append({"params": free, "weight_decay": 0.0, "adapt": False})
    if settings.kind == "lars":
        return LARS(param_groups, settings.momentum)
    nesterov = settings.momentum > 0
    return torch.optim.SGD(param_groups, 0.0, settings.momentum, nesterov=nesterov, foreach=True)


def train_steps(batch_size: int, images: int, epochs: int) -> int:
    """Steps of the schedule as the authors count them; the last step's rate is not quite zero."""
    return images * epochs // batch_size + 1


def learning_rate(
    settings: Optimizer, batch_size: int, images: int, epochs: int, step: int
) -> float:
    """Return the learning rate of `step` (0, 1, ...): linear warm-up from 0, cosine decay to 0.

    The peak is base_lr * batch_size / 256, or base_lr * sqrt(batch_size) (paper B.1). images: of
    an epoch. Raises ConfigError if the warm-up is as long as the training, or longer.
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
