"""NT-Xent, the normalised temperature-scaled cross entropy (paper eq. 1), and its summaries."""

import torch
import torch.nn.functional as F
from torch import Tensor


def nt_xent(
    a: Tensor, b: Tensor, temperature: float, normalize: bool = True
) -> tuple[Tensor, Tensor]:
    """Return (loss, logits) of projections a and b [N, d] of two views of N images.

    loss: the mean over all 2N views of -log of the softmax share of its positive among the 2N - 1
    others (the authors' code returns twice that). logits: similarities of a with b over the
    temperature, [N, N], detached, for `contrastive_accuracy` and `contrastive_entropy`.
    With `normalize` similarity is the cosine, else the dot product (Table 5).
    """
    n = len(a)
    with torch.autocast(a.device.type, enabled=False):  # bfloat16 is too coarse for s / temperature
        z = torch.cat([a, b])
        if z.dtype in (torch.bfloat16, torch.float16):
            z = z.float()
        if normalize:
            z = F.normalize(z, dim=1)
        logits = (z @ z.T).div_(temperature)  # [2N, 2N]
        logits.fill_diagonal_(-torch.inf)  # a view is no candidate of its own
        positive = torch.arange(2 * n, device=z.device).roll(n)  # the other view of the same image
        loss = F.cross_entropy(logits, positive)
    return loss, logits.detach()[:n, n:]


def contrastive_accuracy(logits: Tensor) -> Tensor:
    """Percent of views a whose own b is the most similar of the N candidates (Table 5)."""
    own = torch.arange(len(logits), device=logits.device)
    return 100 * (logits.argmax(1) == own).float().mean()


def contrastive_entropy(logits: Tensor) -> Tensor:
    """Mean entropy in nats of the softmax over the N candidates (Table 5)."""
    share = logits.softmax(1)
    return -(share * (share + 1e-8).log()).sum(1).mean()
