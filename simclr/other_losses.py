"""The losses that the paper compares with NT-Xent, and NT-Xent as it is compared (5.1, B.10).

Anchors are all 2N views, l2-normalised; the positive is the anchor's other view, negatives are the
other N - 1 images' views of the other branch alone (footnote 8). With similarities s+ and s- of an
anchor (Table 2; the loss is minus its objective):

    nt_xent       -log of the softmax share of s+ / tau among the N candidates
    nt_logistic   -log sigmoid(s+ / tau) - mean over negatives of log sigmoid(-s- / tau)
    margin        mean over negatives of max(s- - s+ + m, 0)

Whether negatives are summed or averaged is not published; here they are averaged. Semi-hard: of
the negatives farther than the positive the closest alone; where there is none, its term is dropped.
(For `margin` it must also be within the margin: where it is not, its term is zero.)
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from simclr import ranks
from simclr.losses import summaries


def one_sided(a: Tensor, b: Tensor, settings, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return (loss, contrastive accuracy, contrastive entropy) of two views of `count` images.

    a, b: projections [N, d]; settings: settings.Loss. Accuracy and entropy are those of
    losses.nt_xent; on several ranks, too, results are this rank's part as there.
    """
    with torch.autocast(a.device.type, enabled=False):
        a, b = (F.normalize(z.float() if z.dtype == torch.bfloat16 else z, dim=1) for z in (a, b))
        own = torch.arange(count, device=a.device)[ranks.share(count)]
        total, found = 0.0, None
        for anchors, others in ((a, b), (b, a)):
            similarity = anchors @ ranks.gather(others, count).T  # [N, count]
            total = total + LOSSES[settings.kind](similarity, own, settings).sum()
            if found is None:
                found = summaries(similarity.detach() / settings.temperature, own)
        hits, entropy = found
    return total / (2 * count), 100 * hits / count, entropy / count


def nt_xent(similarity: Tensor, own: Tensor, settings) -> Tensor:
    """Loss of each anchor, [m], from similarities [m, N] whose positive is in column own [m]."""
    return F.cross_entropy(similarity / settings.temperature, own, reduction="none")


def nt_logistic(similarity: Tensor, own: Tensor, settings) -> Tensor:
    """The same for the logistic loss."""
    positive = similarity.gather(1, own[:, None])  # [m, 1]
    terms = F.softplus(similarity / settings.temperature)  # -log sigmoid(-s / tau)
    kept = _negatives(similarity, positive, own, settings.semi_hard)
    return F.softplus(-positive[:, 0] / settings.temperature) + _mean(terms, kept)


def margin(similarity: Tensor, own: Tensor, settings) -> Tensor:
    """The same for the margin loss (triplets)."""
    positive = similarity.gather(1, own[:, None])
    terms = F.relu(similarity - positive + settings.margin)
    return _mean(terms, _negatives(similarity, positive, own, settings.semi_hard))


LOSSES = {"nt_xent": nt_xent, "nt_logistic": nt_logistic, "margin": margin}


@torch.no_grad()
def _negatives(similarity, positive, own, semi_hard: bool) -> Tensor:
    """Which columns [m, N] count as negatives: all but the positive, or the semi-hard one."""
    kept = torch.ones_like(similarity, dtype=torch.bool).scatter_(1, own[:, None], False)
    if not semi_hard:
        return kept
    kept &= similarity < positive
    closest = similarity.masked_fill(~kept, -torch.inf).argmax(1, keepdim=True)
    return torch.zeros_like(kept).scatter_(1, closest, True) & kept


def _mean(terms: Tensor, kept: Tensor) -> Tensor:
    """Mean over the kept columns of each row; zero where there is none."""
    return torch.where(kept, terms, 0.0).sum(1) / kept.sum(1).clamp(min=1)
