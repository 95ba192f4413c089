"""Contrastive losses of two views of a batch: NT-Xent, and the other losses of Table 2.

A batch has N images, and each image has two views a and b. A view is an *anchor*; the other view of
its image is its *positive*; views of other images are its *negatives*. Every loss pulls an anchor
to its positive and pushes it from its negatives, by the similarities s of their projections z
(the cosine), and is the mean over all 2N anchors.

* NT-Xent (paper eq. 1), the normalized temperature-scaled cross entropy: softmax cross entropy of
  s / temperature, with the positive as the class. Negatives are the 2N - 2 views of other images.
* The cross-view losses (Table 2, B.10) compare an anchor only with the N views of the other branch:
  - NT-Xent again, among N candidates;
  - NT-Logistic: binary cross entropy, -log sigmoid(s+ / temperature) for the positive and
    -log sigmoid(-s- / temperature) for a negative, averaged over negatives;
  - margin (triplets): max(s- - s+ + margin, 0), averaged over negatives.
  With `semi_hard`, the only negative is the closest that is farther from the anchor than the
  positive; an anchor without one has no such term.

Each loss also returns two summaries without gradient (Table 5): contrastive accuracy, the percent
of views a whose own b is the most similar of all N views b, and contrastive entropy, that of the
softmax over these N, in nats.

On several ranks, projections are this rank's `local_n` images of a batch of `global_n`. Candidates
come from all ranks, and every result is this rank's part: their sum over ranks is the batch's.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from simclr import distributed

LOGITS = 2**24  # at most held at once (64 MiB); NT-Xent computes more in parts, and twice
LOSSES = {}  # kind in settings.Loss -> function of (similarity, positive_index, settings)


def contrastive_loss(z: Tensor, settings, global_n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return (loss, contrastive accuracy, contrastive entropy), this rank's part of each.

    z: projections [2 * local_n, d], all views a before all views b; settings: settings.Loss.
    """
    a, b = z.chunk(2)
    if settings.kind == "nt_xent" and settings.negatives == "both_views":
        return nt_xent(a, b, settings.temperature, settings.normalize, global_n)
    return cross_view_loss(a, b, settings, global_n)


def nt_xent(
    a: Tensor, b: Tensor, temperature: float, normalize: bool = True, global_n: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (loss, accuracy, entropy) of NT-Xent with the negatives of both views (eq. 1).

    a, b: projections [local_n, d]. The authors' code returns twice this loss. Without `normalize`
    similarity is the dot product (Table 5). global_n: images on all ranks; None: local_n.
    Memory grows with N * d, not N^2: above LOGITS similarities, rows are computed in parts, and
    once more for their gradient.
    """
    with torch.autocast(a.device.type, enabled=False):
        a, b = _float32(a), _float32(b)
        if normalize:
            a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
        local_n = len(a)
        global_n = local_n if global_n is None else global_n
        candidates = torch.cat([distributed.gather(a, global_n), distributed.gather(b, global_n)])
        anchors = torch.cat([a, b])
        row_index = _local_index(global_n, a.device)
        row_index = torch.cat([row_index, row_index + global_n])  # of the anchors in candidates
        rows = max(1, LOGITS // (2 * global_n))
        in_one_go = rows >= len(anchors)
        compute = _row_sums if in_one_go else partial(checkpoint, _row_sums, use_reentrant=False)
        parts = []
        for start in range(0, len(anchors), rows):
            stop, rows_of_a = start + rows, max(0, local_n - start)
            part = anchors[start:stop], candidates, row_index[start:stop], rows_of_a, temperature
            parts.append(compute(*part))
        loss, hits, entropy = (torch.stack(sums).sum() for sums in zip(*parts, strict=True))
    return loss / (2 * global_n), 100 * hits / global_n, entropy / global_n


def _row_sums(
    anchors: Tensor, candidates: Tensor, row_index: Tensor, rows_of_a: int, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return sums of loss, hits and entropy over anchors [m, d], rows `row_index` of candidates.

    candidates: [2 * global_n, d]. Only the first `rows_of_a` anchors are views a, and only these
    count in hits and entropy.
    """
    n = len(candidates) // 2
    logits = (anchors @ candidates.T).div_(temperature)  # [m, 2n]
    logits.scatter_(1, row_index[:, None], -torch.inf)  # an anchor is no candidate of its own
    positive_index = (row_index + n) % (2 * n)
    loss_sum = F.cross_entropy(logits, positive_index, reduction="sum")
    # For the summaries, a view a is compared only with the n views b.
    return loss_sum, *summaries(logits.detach()[:rows_of_a, n:], row_index[:rows_of_a])


@torch.no_grad()
def summaries(logits: Tensor, positive_index: Tensor) -> tuple[Tensor, Tensor]:
    """Return (hits, entropy), summed over rows of logits [m, N] with the positive's column [m].

    A row is a hit if its positive has the largest logit (the first one wins a tie). Entropy is that
    of the softmax, in nats. Both are as the authors compute them.
    """
    probability = logits.softmax(1)
    hits = (logits.argmax(1) == positive_index).sum(dtype=logits.dtype)
    return hits, -(probability * (probability + 1e-8).log()).sum()


def cross_view_loss(a: Tensor, b: Tensor, settings, global_n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return (loss, accuracy, entropy) of a loss that compares views only with the other branch.

    a, b: projections [local_n, d]; settings: settings.Loss, whose `kind` names one of LOSSES.
    """
    with torch.autocast(a.device.type, enabled=False):
        a, b = F.normalize(_float32(a), dim=1), F.normalize(_float32(b), dim=1)
        positive_index = _local_index(global_n, a.device)
        loss_sum = 0.0
        for anchors, others in ((a, b), (b, a)):
            similarity = anchors @ distributed.gather(others, global_n).T  # [local_n, global_n]
            per_anchor = LOSSES[settings.kind](similarity, positive_index, settings)
            loss_sum = loss_sum + per_anchor.sum()
            if anchors is a:
                logits = similarity.detach() / settings.temperature
                hits, entropy = summaries(logits, positive_index)
    return loss_sum / (2 * global_n), 100 * hits / global_n, entropy / global_n


def loss(kind: str):
    """Register a function as the cross-view loss `kind` of settings.Loss.

    It maps (similarity [m, N], positive_index [m], settings.Loss) to the losses of m anchors, [m].
    """

    def register(function):
        LOSSES[kind] = function
        return function

    return register


@loss("nt_xent")
def nt_xent_cross_view(similarity: Tensor, positive_index: Tensor, settings) -> Tensor:
    """Softmax cross entropy among the N candidates of the other branch."""
    return F.cross_entropy(similarity / settings.temperature, positive_index, reduction="none")


@loss("nt_logistic")
def nt_logistic(similarity: Tensor, positive_index: Tensor, settings) -> Tensor:
    """Binary cross entropy of the positive, and the mean of those of the negatives."""
    positive = similarity.gather(1, positive_index[:, None])  # [m, 1]
    terms = F.softplus(similarity / settings.temperature)  # -log sigmoid(-s / temperature)
    negative_mask = _negative_mask(similarity, positive, positive_index, settings.semi_hard)
    return F.softplus(-positive[:, 0] / settings.temperature) + _mean(terms, negative_mask)


@loss("margin")
def margin(similarity: Tensor, positive_index: Tensor, settings) -> Tensor:
    """Mean over negatives of how far each is from being `margin` less similar than the positive."""
    positive = similarity.gather(1, positive_index[:, None])
    terms = F.relu(similarity - positive + settings.margin)
    negative_mask = _negative_mask(similarity, positive, positive_index, settings.semi_hard)
    return _mean(terms, negative_mask)


@torch.no_grad()
def _negative_mask(similarity, positive, positive_index, semi_hard: bool) -> Tensor:
    """Which columns [m, N] are negatives: all but the positive, or only the semi-hard one."""
    mask = torch.ones_like(similarity, dtype=torch.bool)
    mask.scatter_(1, positive_index[:, None], False)
    if not semi_hard:
        return mask
    mask &= similarity < positive
    closest = similarity.masked_fill(~mask, -torch.inf).argmax(1, keepdim=True)
    return torch.zeros_like(mask).scatter_(1, closest, True) & mask


def _mean(terms: Tensor, mask: Tensor) -> Tensor:
    """Mean over the masked columns of each row; zero for a row without any."""
    return torch.where(mask, terms, 0.0).sum(1) / mask.sum(1).clamp(min=1)


def _float32(z: Tensor) -> Tensor:
    """Half-precision projections as float32: bfloat16 is too coarse for s / temperature."""
    return z.float() if z.dtype in (torch.bfloat16, torch.float16) else z


def _local_index(global_n: int, device: torch.device) -> Tensor:
    """Numbers of this rank's images in the batch, int64 [local_n]."""
    return torch.arange(global_n, device=device)[distributed.local_slice(global_n)]
