"""A class-balanced share of the training images: those whose labels may be used."""

import torch

from simclr import rng


def class_balanced_share(labels: torch.Tensor, share: float, seed: int) -> torch.Tensor:
    """Draw a share of each class's images, at least one of each class.

    labels: int64 [N]. Returns ascending indices, int64.
    """
    order = torch.randperm(len(labels), generator=rng.generator(seed, "labels"))
    chosen = []
    for label in labels.unique():
        members = order[labels[order] == label]
        chosen.append(members[: max(1, round(share * len(members)))])
    return torch.cat(chosen).sort().values
