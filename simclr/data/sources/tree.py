"""Read a tree train/CLASS/IMAGE, test/CLASS/IMAGE from a directory, a tar or a zip, in place.

Beside them may be images without labels, in unlabelled/, at any depth.

Nothing is extracted, so no member can be written anywhere. Which names are ignored, and which files
are refused, stands in simclr/data/which_files.py.
"""

import functools
import stat
import tarfile
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from simclr.config import DataError
from simclr.data import archives, which_files
from simclr.data.raw_dataset import STREAMS, UNLABELLED

UNIX, UTF8 = 3, 0x800  # in a zip: what made it, and the flag of names that are UTF-8
LAYOUT = "expected train/CLASS/IMAGE and test/CLASS/IMAGE"


class Member(NamedTuple):
    """A file or folder as it is stored. read: returns its bytes, before the next is asked for.

    It is None for a folder, and for a link or device in an archive, which cannot be read.
    """

    name: str
    is_folder: bool
    size: int
    read: Callable[[], bytes] | None


def members(path: Path, wanted: Collection[str] = ()):
    """Yield (name, content) of the class folders and images of a tree, in the order of storage.

    name: SPLIT/CLASS, SPLIT/CLASS/IMAGE or unlabelled/.../IMAGE. content: bytes if the name is in
    `wanted`, else None. Stops when all of `wanted` are read, if any are. Raises DataError.
    """
    seen, first_top, left = set(), None, len(wanted)
    for member in _walk(path):
        top, parts = split_path(path, member.name)
        if not parts:
            continue
        if first_top not in (None, top):
            raise DataError(f"{path}: holds a tree in '{first_top}' and one in '{top}'; {LAYOUT}.")
        first_top = top
        if not member.is_folder and member.read is None:
            raise DataError(
                f"{path}: '{member.name}' is a link or device, so its content is not there; "
                f"{archives.UNPACK}, or pack it again with `tar --dereference`."
            )
        has_class = parts[0] != UNLABELLED
        fits = len(parts) < 3 if member.is_folder else len(parts) == 3
        if not fits and (has_class or len(parts) == 1):
            raise DataError(f"{path}: '{member.name}' is out of place; {LAYOUT}.")
        if len(parts) == 1 or (member.is_folder and not has_class):
            continue
        name = "/".join(parts)
        if not member.is_folder and name in seen:
            raise DataError(f"{path}: '{member.name}' occurs twice; remove one.")
        if "\n" in name:
            raise DataError(f"{path}: '{member.name}' has a line break in its name; rename it.")
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
    parts = _parts(name)
    if name.startswith("/") or ".." in parts:
        raise DataError(f"{path}: member '{name}' has an unsafe name; remove it.")
    if any(map(which_files.is_litter, parts)):
        return "", []
    if "\\" in name:
        raise DataError(
            f"{path}: '{name}' has an unsafe name: some programs of Windows write backslashes for "
            "slashes; pack it again with another program, or rename the file."
        )
    if parts and parts[0] in STREAMS:
        return "", parts
    if len(parts) > 1 and parts[1] in STREAMS:
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
    entries = sorted(path.iterdir())
    yield from (Member(p.name, p.is_dir(), 0, None) for p in entries if "\\" in p.name)  # refused
    folders = (p.name for p in entries if p.is_dir())
    tops = [name for name in folders if name not in STREAMS and not which_files.is_litter(name)]
    for top in ["", *(f"{name}/" for name in tops)]:
        for split in STREAMS:
            folder = path / f"{top}{split}"
            if split == UNLABELLED:
                for file in which_files.walk(folder) if folder.is_dir() else ():
                    name = f"{top}{split}/{file.name}"
                    yield Member(name, False, file.size, file.path.read_bytes)
                continue
            for label in which_files.visible(folder) if folder.is_dir() else ():
                name = f"{top}{split}/{label.name}"
                yield Member(name, label.is_folder, label.size, label.path.read_bytes)
                for file in which_files.visible(label.path) if label.is_folder else ():
                    read = file.path.read_bytes
                    yield Member(f"{name}/{file.name}", file.is_folder, file.size, read)


def _walk_tar(path: Path):
    """Yield the members of a tar; a hard link has the content of the member that it names."""
    stored = {}  # name -> where its content is: for hard links
    with archives.readable(path), tarfile.open(path, "r:*", **archives.NAMES) as archive:
        for info in archive:
            offset, size = info.offset_data, info.size
            if info.islnk():
                offset, size = stored.get("/".join(_parts(info.linkname)), (0, -1))
            read = None
            if info.issparse():
                read = functools.partial(_read_sparse, archive, info)
            elif info.isreg() or (info.islnk() and size >= 0):
                stored["/".join(_parts(info.name))] = offset, size
                read = functools.partial(_read_piece, archive.fileobj, offset, size)
            yield Member(info.name, info.isdir(), max(size, 0), read)
            archive.members = []  # or it would remember every member


def _read_sparse(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    return archive.extractfile(info).read()


def _read_piece(file, offset: int, size: int) -> bytes:
    file.seek(offset)
    content = file.read(size)
    if len(content) < size:
        raise EOFError("unexpected end of data")
    return content


def _walk_zip(path: Path):
    """Yield the members of a zip; backslashes are slashes where all names are written so."""
    with archives.readable(path), zipfile.ZipFile(path) as archive:
        backslashes = not any("/" in info.filename for info in archive.infolist())
        for info in archive.infolist():
            name = _name_in_zip(info)
            name = name.replace("\\", "/") if backslashes else name
            kind = stat.S_IFMT(info.external_attr >> 16)
            is_folder = name.endswith("/")
            is_file = not is_folder and kind in (0, stat.S_IFREG)
            read = functools.partial(archive.read, info) if is_file else None
            yield Member(name, is_folder, info.file_size, read)


def _name_in_zip(info: zipfile.ZipInfo) -> str:
    """Return a member's name; Unix's zip writes bytes, and does not always say that they are UTF-8.

    Python reads the names that nothing is said of as those of DOS.
    """
    is_said = info.flag_bits & UTF8 or info.filename != info.orig_filename
    if is_said or info.create_system != UNIX:
        return info.filename
    return info.filename.encode("cp437").decode("utf-8", "surrogateescape")


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]
