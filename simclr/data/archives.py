"""Archives of images, read in place."""

import contextlib
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path

from simclr.config import DataError, one_line

MAX_BYTES = 1 << 28  # of one file of a data set, unpacked: beyond, it is meant to fill the memory


@contextlib.contextmanager
def readable(path: Path):
    """Turn what a damaged archive raises into a DataError; RuntimeError: an encrypted zip.

    IndexError, NotImplementedError: a zip with an empty name, or one of a kind unknown to Python.
    """
    try:
        yield
    except (
        *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
        *(EOFError, OSError, RuntimeError, IndexError, NotImplementedError, ValueError),
    ) as error:
        raise DataError(
            f"{path}: cannot be read: damaged, truncated, or no tar or zip ({one_line(error)}); "
            "get it again."
        ) from None
