"""Read a tree train/CLASS/IMAGE, test/CLASS/IMAGE from a directory, a tar or a zip, in place.

Nothing is extracted, so no member can be written anywhere. Names that begin with a dot are ignored.
"""

import functools
import stat
import tarfile
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from simclr.config import DataError
from simclr.data import archives
from simclr.data.raw_dataset import SPLITS

LAYOUT = "expected train/CLASS/IMAGE and test/CLASS/IMAGE"


class Member(NamedTuple):
    """A file or folder as it is stored. read: returns its bytes, before the next is asked for."""

    name: str
    is_folder: bool
    size: int
    read: Callable[[], bytes] | None


def members(path: Path, wanted: Collection[str] = ()):
    """Yield (name, content) of the class folders and images of a tree, in the order of storage.

    name: SPLIT/CLASS or SPLIT/CLASS/IMAGE. content: bytes if the name is in `wanted`, else None.
    Stops when all of `wanted` are read, if any are. Raises DataError.
    """
    seen, first_top, left = set(), None, len(wanted)
    for member in _walk(path):
        top, parts = split_path(path, member.name)
        if not parts:
            continue
        if first_top not in (None, top):
            raise DataError(f"{path}: holds a tree in '{first_top}' and one in '{top}'; {LAYOUT}.")
        first_top = top
        fits = len(parts) < 3 if member.is_folder else len(parts) == 3
        if not fits:
            raise DataError(f"{path}: '{member.name}' is out of place; {LAYOUT}.")
        if len(parts) == 1:
            continue
        name = "/".join(parts)
        if not member.is_folder and name in seen:
            raise DataError(f"{path}: '{member.name}' occurs twice; remove one.")
        seen.add(name)
        if name not in wanted:
            yield name, None
            continue
        yield name, _content(path, member)
        left -= 1
        if left == 0:
            return


def split_path(path: Path, name: str) -> tuple[str, list[str]]:
    """Split the name of a member of the tree at `path` into its top folder and the rest.

    The rest is [SPLIT, ...], or [] if the member is to be ignored; the top folder may be "".
    Raises DataError for an unsafe name.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or "\\" in name or ".." in parts:
        raise DataError(f"{path}: member '{name}' has an unsafe name; remove it.")
    if any(part.startswith(".") or part == "__MACOSX" for part in parts):
        return "", []
    if parts and parts[0] in SPLITS:
        return "", parts
    if len(parts) > 1 and parts[1] in SPLITS:
        return parts[0], parts[1:]
    return "", []  # a README, or a split of another name


def _content(path: Path, member: Member) -> bytes:
    if member.size > archives.MAX_BYTES:
        raise DataError(f"{path}: '{member.name}' is {member.size:,} bytes, no image; remove it.")
    with archives.readable(path):
        return member.read()


def _walk(path: Path):
    """Yield every Member of a directory or an archive that can belong to the tree."""
    if path.is_dir():
        return _walk_directory(path)
    if path.suffix.lower() == ".zip":
        return _walk_zip(path)
    return _walk_tar(path)


def _walk_directory(path: Path):
    for top in [path, *(p for p in path.iterdir() if p.is_dir() and p.name not in SPLITS)]:
        for split in SPLITS:
            for label in (top / split).iterdir() if (top / split).is_dir() else ():
                yield Member(label.relative_to(path).as_posix(), label.is_dir(), 0, None)
                for file in label.iterdir() if label.is_dir() else ():
                    name = file.relative_to(path).as_posix()
                    yield Member(name, file.is_dir(), file.stat().st_size, file.read_bytes)


def _walk_tar(path: Path):
    with archives.readable(path), tarfile.open(path, "r:*") as archive:
        for info in archive:
            if not (info.isdir() or info.isreg()):
                raise DataError(f"{path}: member '{info.name}' is a link or device; remove it.")
            read = functools.partial(_read_from_tar, archive, info)
            yield Member(info.name, info.isdir(), info.size, read)
            archive.members = []  # or it would remember every member


def _read_from_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    return archive.extractfile(info).read()


def _walk_zip(path: Path):
    with archives.readable(path), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise DataError(f"{path}: member '{info.filename}' is a link; remove it.")
            read = functools.partial(archive.read, info)
            yield Member(info.filename, info.is_dir(), info.file_size, read)
