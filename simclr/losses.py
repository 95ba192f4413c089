"""NT-Xent, the normalised temperature-scaled cross entropy (paper eq. 1), and its summaries."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from simclr import distributed

LOGITS = 2**24  # at most held at once (64 MiB); beyond, rows are computed in parts, twice


def nt_xent(
    a: Tensor, b: Tensor, temperature: float, normalize: bool = True, count: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (loss, contrastive accuracy, contrastive entropy) of two views of N images.

    a, b: projections [N, d]. loss: the mean over all 2N views of -log of the softmax share of its
    positive among the 2N - 1 others (the authors' code returns twice that); with `normalize`
    similarity is the cosine, else the dot product (Table 5). Accuracy: percent of views a whose
    own b is the most similar of the N candidates; entropy: mean over a of that of the softmax over
    those, in nats (Table 5; both without gradient).

    On several ranks a and b are this rank's part of a batch of `count` images, candidates are those
    of all ranks, and the results are this rank's part: their sums over ranks are those of the
    whole batch.
    Memory grows with N * d, not N^2: above LOGITS similarities, parts of their rows are computed,
    and once more for their gradient.
    """
    with torch.autocast(a.device.type, enabled=False):  # bfloat16 is too coarse for s / temperature
        if a.dtype in (torch.bfloat16, torch.float16):
            a, b = a.float(), b.float()
        if normalize:
            a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
        n = len(a) if count is None else count
        everything = torch.cat([distributed.gather(a, n), distributed.gather(b, n)])  # [2n, d]
        own = torch.arange(n, device=a.device)[
            distributed.local_slice(n)
        ]  # rows that are this rank's
        own = torch.cat([own, own + n])
        rows = max(1, LOGITS // (2 * n))
        parts = []
        views = torch.cat([a, b])
        for start in range(0, len(own), rows):
            end, of_a = start + rows, max(0, len(a) - start)
            z = views[start:end]
            arguments = z, everything, own[start:end], of_a, temperature
            if len(own) <= rows:
                parts.append(_rows(*arguments))
            else:
                parts.append(checkpoint(_rows, *arguments, use_reentrant=False))
        loss, hits, entropy = (torch.stack(values).sum() for values in zip(*parts, strict=True))
    return loss / (2 * n), 100 * hits / n, entropy / n


def _rows(z: Tensor, everything: Tensor, place: Tensor, of_a: int, temperature: float):
    """Sums over rows z [m, d], number `place` of `everything` [2n, d]: loss, hits, entropy.

    The first `of_a` rows are views a; those of b count in the loss alone.
    """
    n = len(everything) // 2
    logits = (z @ everything.T).div_(temperature)  # [m, 2n]
    logits.scatter_(1, place[:, None], -torch.inf)  # a view is no candidate of its own
    loss = F.cross_entropy(logits, (place + n) % (2 * n), reduction="sum")
    return loss, *summaries(logits.detach()[:of_a, n:], place[:of_a])


@torch.no_grad()
def summaries(logits: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Return sums over rows of logits [m, N], whose positive is in column own [m].

    Of hits (the largest is the positive; ties go to the first), and of the entropies of the
    softmax, in nats; both as the authors' summaries have them.
    """
    share = logits.softmax(1)
    hits = (logits.argmax(1) == own).sum(dtype=logits.dtype)
    return hits, -(share * (share + 1e-8).log()).sum()


def cross_view_loss(a: Tensor, b: Tensor, settings, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return (loss, contrastive accuracy, contrastive entropy) of two views of `count` images.

    a, b: projections [N, d]; settings: settings.Loss. Accuracy and entropy are those of
    losses.nt_xent; on several ranks, too, results are this rank's part as there.
    """
    with torch.autocast(a.device.type, enabled=False):
        a, b = (F.normalize(z.float() if z.dtype == torch.bfloat16 else z, dim=1) for z in (a, b))
        own = torch.arange(count, device=a.device)[distributed.local_slice(count)]
        total, found = 0.0, None
        for anchors, others in ((a, b), (b, a)):
            similarity = anchors @ distributed.gather(others, count).T  # [N, count]
            total = total + LOSSES[settings.kind](similarity, own, settings).sum()
            if found is None:
                found = summaries(similarity.detach() / settings.temperature, own)
        hits, entropy = found
    return total / (2 * count), 100 * hits / count, entropy / count


def nt_xent_cross_view(similarity: Tensor, own: Tensor, settings) -> Tensor:
    """Loss of each anchor, [m], from similarities [m, N] whose positive is in column own [m]."""
    return F.cross_entropy(similarity / settings.temperature, own, reduction="none")


def nt_logistic(similarity: Tensor, own: Tensor, settings) -> Tensor:
    """The same for the logistic loss."""
    positive = similarity.gather(1, own[:, None])  # [m, 1]
    terms = F.softplus(similarity / settings.temperature)  # -log sigmoid(-s / tau)
    kept = _negative_mask(similarity, positive, own, settings.semi_hard)
    return F.softplus(-positive[:, 0] / settings.temperature) + _mean(terms, kept)


def margin(similarity: Tensor, own: Tensor, settings) -> Tensor:
    """The same for the margin loss (triplets)."""
    positive = similarity.gather(1, own[:, None])
    terms = F.relu(similarity - positive + settings.margin)
    return _mean(terms, _negative_mask(similarity, positive, own, settings.semi_hard))


LOSSES = {"nt_xent": nt_xent_cross_view, "nt_logistic": nt_logistic, "margin": margin}


@torch.no_grad()
def _negative_mask(similarity, positive, own, semi_hard: bool) -> Tensor:
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
