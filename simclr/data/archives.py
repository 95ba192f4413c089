"""Limits and errors that all readers of archives share. Archives are read in place."""

import contextlib
import errno
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
    IndexError,  # a zip with an empty name
    ValueError,
)
NAMES = {"encoding": "utf-8", "errors": "surrogateescape"}  # in a tar, in any locale
UNPACK = "unpack it yourself, and name the folder instead"


@contextlib.contextmanager
def readable(path: Path):
    """Turn any error that an archive raises while it is read into a DataError."""
    try:
        yield
    except DataError:
        raise  # it says already what is wrong
    except RuntimeError as error:  # encrypted, or compressed in a way that Python does not know
        raise DataError(f"{path}: cannot be read ({one_line(error)}); {UNPACK}.") from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise DataError(
                f"{path}: cannot be read ({error.strerror}); fix that and run the same again."
            ) from None
        raise DataError(
            f"{path}: cannot be read: damaged, truncated, or no tar or zip ({one_line(error)}); "
            "get it again."
        ) from None
