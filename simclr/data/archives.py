"""Limits and errors that all readers of archives share. Archives are read in place."""

import contextlib
import lzma
import tarfile
import zipfile
import zlib
from pathlib import Path

from simclr.config import DataError, one_line

MAX_BYTES = 1 << 28  # of one unpacked file: larger ones are refused as decompression bombs
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # an encrypted zip
    IndexError,  # a zip with an empty name
    NotImplementedError,  # a zip of a kind that Python does not know
    ValueError,
)


@contextlib.contextmanager
def readable(path: Path):
    """Turn any error that a damaged archive raises into a DataError."""
    try:
        yield
    except DAMAGE as error:
        raise DataError(
            f"{path}: cannot be read: damaged, truncated, or no tar or zip ({one_line(error)}); "
            "get it again."
        ) from None
