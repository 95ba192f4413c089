"""The projection head g: h -> z, where the loss is computed (paper 2.1, 4.2); a classifier."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from simclr.models.batch_norm import BatchNorm
from simclr.settings.training import Head


def build_classifier(dim: int, classes, generator) -> nn.Linear:
    """Return a new linear classifier of features [N, dim]; weights from N(0, 0.01) (their code)."""
    linear = nn.Linear(dim, len(classes))
    nn.init.normal_(linear.weight, 0, 0.01, generator=generator)
    nn.init.zeros_(linear.bias)
    return linear


class ProjectionHead(nn.Module):
    """h [N, in_dim] -> z [N, out_dim]: W h, or W2 relu(W1 h) with as many hidden units as inputs.

    With batch normalization (the authors' code), one follows every dense layer, the last without an
    offset, and dense layers have no bias. Without (the paper's formula), they have one.
    """

    def __init__(self, settings: Head, in_dim: int):
        super().__init__()
        norm, self.out_dim = settings.batch_norm, settings.out_dim
        self.hidden = None
        if settings.kind == "nonlinear":
            self.hidden = nn.Linear(in_dim, in_dim, bias=not norm)
            self.hidden_bn = BatchNorm(in_dim) if norm else nn.Identity()
        self.out = nn.Linear(in_dim, settings.out_dim, bias=not norm)
        self.out_bn = BatchNorm(settings.out_dim, scale_only=True) if norm else nn.Identity()

    def forward(self, h: Tensor) -> Tensor:
        if self.hidden is not None:
            h = F.relu(self.hidden_bn(self.hidden(h)))
        return self.out_bn(self.out(h))


def build_head(settings: Head, in_dim: int, generator: torch.Generator) -> nn.Module:
    """Return a new head; kind `none` is the identity (z = h). Dense weights are from N(0, 0.01)."""
    if settings.kind == "none":
        head = nn.Identity()
        head.out_dim = in_dim
        return head
    head = ProjectionHead(settings, in_dim)
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return head
