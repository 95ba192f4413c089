"""A list of the training images whose labels may be used: one file name a line.

The authors published such lists of 1 and 10 % of ImageNet (imagenet_subsets/1percent.txt and
10percent.txt in their repository). Put a list into data/raw and name it in the scale.
"""

import hashlib
from pathlib import Path

import numpy as np

from simclr.config import DataError
from simclr.data import location, packed


def read_list(settings) -> list[str]:
    """Return the names on the list of `settings` (settings.FineTune). Raises DataError."""
    path = location.locate(settings.subset)
    if not path.is_file():
        raise DataError(f"{path}: no file; expected a list of names.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: not a list of names ({error.strerror}).") from None
    digest = hashlib.sha256(content).hexdigest()
    if digest != settings.subset_sha256:
        raise DataError(
            f"{path}: SHA-256 is {digest}, but the setting subset_sha256 is "
            f"{settings.subset_sha256}; get the list again, or change the setting."
        )
    lines = [line.removesuffix(b"\r") for line in content.split(b"\n")]
    names = [line.decode("utf-8", "surrogateescape") for line in lines if line]
    if not names:
        raise DataError(f"{path}: empty; expected one image name a line.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: '{twice}' is listed twice; remove one.")
    return names


def listed_rows(settings, data: Path) -> np.ndarray:
    """Return the rows of the listed images in the packed set `data`: int64, ascending.

    Raises DataError if a listed image is not in the set, or the set's images have no names.
    """
    names = read_list(settings)
    file = data / packed.NAMES
    if not file.exists():
        raise DataError("subset: the images of this data set have no names; use `labels`.")
    row_of = {name: row for row, name in enumerate(packed.read_names(file))}
    missing = [name for name in names if name not in row_of]
    if missing:
        raise DataError(
            f"{settings.subset}: {len(missing):,} of {len(names):,} names are no training images, "
            f"the first is '{missing[0]}'; is it the list of this data set?"
        )
    return np.sort(np.array([row_of[name] for name in names], np.int64))
