"""A list of the training images whose labels may be used: one file name a line.

The authors published theirs of 1 and 10 % of ImageNet (imagenet_subsets/1percent.txt and
10percent.txt in their repository); put them into data/raw and name them in the scale.
"""

import hashlib
from pathlib import Path

import torch

from simclr import rng
from simclr.config import DataError
from simclr.data import location, packed


def class_balanced_share(labels: torch.Tensor, share: float, seed: int) -> torch.Tensor:
    """Indices, ascending, of a share of each class's images, one at least; labels int64 [N]."""
    order = torch.randperm(len(labels), generator=rng.generator(seed, "labels"))
    chosen = []
    for label in labels.unique():
        members = order[labels[order] == label]
        chosen.append(members[: max(1, round(share * len(members)))])
    return torch.cat(chosen).sort().values


def read_list(settings) -> list[str]:
    """Return the names on the list of `settings` (settings.FineTune). Raises DataError."""
    path = location.locate(settings.subset)
    try:
        content = path.read_bytes()
        names = content.decode().split()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a list of names ({error}).") from None
    found = hashlib.sha256(content).hexdigest()
    if found != settings.subset_sha256:
        raise DataError(
            f"{path}: SHA-256 is {found}, but the setting subset_sha256 is "
            f"{settings.subset_sha256}; get the list again, or change the setting."
        )
    if not names:
        raise DataError(f"{path}: empty; expected one image name a line.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: '{twice}' stands there twice; remove one.")
    return names


def listed_rows(settings, data: Path) -> torch.Tensor:
    """Indices int64, ascending, of the listed images in the packed set `data`.

    Raises DataError where one is not in it, or the set's images have no names.
    """
    names = read_list(settings)
    listed = data / packed.NAMES
    if not listed.exists():
        raise DataError("subset: the images of this data set have no names; use `labels`.")
    places = {name: row for row, name in enumerate(listed.read_text().splitlines())}
    missing = [name for name in names if name not in places]
    if missing:
        raise DataError(
            f"{settings.subset}: {len(missing):,} of {len(names):,} names are no training images, "
            f"the first is '{missing[0]}'; is it the list of this data set?"
        )
    return torch.tensor([places[name] for name in names]).sort().values
