"""Refuse a tar that was damaged or cut, before anything is computed from what is left of it.

Python's tarfile ends without a word at a header that it cannot read, as if no more members came.
A zip needs no such check: its directory at the end names all members, and each has a checksum.
"""

import itertools
import tarfile
from pathlib import Path

from simclr.config import DataError
from simclr.data.archives import NAMES, readable
from simclr.data.location import locate
from simclr.data.sources.imagenet_files import TARS
from simclr.data.which_files import is_litter

OF_TARS = next(iter(TARS))  # its members are tars, one of each class
PIECE = 1 << 20  # bytes that are read at a time


def check_planned(settings) -> None:
    """Check what `prepare` with these settings will read. Raises DataError.

    ImageNet's own files are left out: `prepare` checks their MD5.
    """
    if settings.source in ("folder", "imagenet") and settings.sha256:
        check_whole_source(locate(settings.file))


def check_whole_source(path: Path) -> None:
    """Check the tars of a data set: a tar itself, or ImageNet's in a folder. Raises DataError."""
    if path.is_dir():
        for name in TARS:
            if (path / name).is_file():
                check_whole(path / name, of_tars=name == OF_TARS)
    elif path.is_file() and path.suffix.lower() != ".zip":
        check_whole(path)


def check_whole(path: Path, of_tars: bool = False) -> None:
    """Refuse a tar that is damaged, cut, or not all that the file has. Raises DataError.

    of_tars: its members are tars themselves, and are checked, too.
    """
    with readable(path), tarfile.open(path, "r:*", **NAMES) as archive:
        _check(path, archive, of_tars)


def _check(where: str | Path, archive: tarfile.TarFile, of_tars: bool = False) -> None:
    last = "its start"
    for info in archive:
        archive.members = []  # or it would remember every member
        last = f"'{info.name}'"
        if of_tars and info.isreg() and not is_litter(info.name.removeprefix("./")):
            file = archive.extractfile(info)
            with tarfile.open(fileobj=file, mode="r:", **NAMES) as inner:
                _check(f"{where}: {info.name}", inner)
    file, end = archive.fileobj, archive.offset  # of the block that ended it
    file.seek(end)
    rest = iter(lambda: file.read(PIECE), b"")  # to the end: a packed file has its checksum there
    first = next(rest, b"")
    if len(first) < tarfile.BLOCKSIZE or any(first[: tarfile.BLOCKSIZE]):
        raise DataError(f"{where}: damaged or cut after {last} ({end:,} bytes in); get it again.")
    if any(piece.strip(b"\0") for piece in itertools.chain([first], rest)):
        raise DataError(
            f"{where}: more follows after its end ({end:,} bytes in), as where two archives were "
            "put together: get it again, or unpack it yourself and name the folder."
        )
