"""Which files of a folder or an archive count: the same for every command that reads images.

Hidden files and the litter of operating systems do not. Links are followed. Whatever else is
neither a file nor a folder is refused, because to read a pipe or a device may take for ever.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from simclr.config import DataError

HIDDEN = "."  # names that begin with it are hidden; `._x` is macOS's second half of a file
LITTER = (  # in any case; Windows, macOS, and Synology's disks leave them behind
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "icon\r",
    "__macosx",
    "@eadir",
)


class Entry(NamedTuple):
    """A file or folder that counts. name: UTF-8; bytes that are none are kept as surrogates."""

    name: str
    path: Path
    is_folder: bool
    size: int


def is_litter(name: str) -> bool:
    """Tell whether a file or folder of this name is ignored, with all that is in it."""
    return name.startswith(HIDDEN) or name.lower() in LITTER


def visible(folder: Path) -> list[Entry]:
    """Return the entries of a folder that count, sorted by name.

    Raises DataError for a broken link, a pipe or a device.
    """
    entries = []
    for found in os.scandir(folder):
        name = os.fsencode(found.name).decode("utf-8", "surrogateescape")  # in any locale
        if is_litter(name):
            continue
        try:
            status = found.stat()
        except OSError as error:  # a link to nothing, or to itself
            raise DataError(
                f"{found.path}: cannot be read ({error.strerror}); mend it or remove it."
            ) from None
        is_folder = stat.S_ISDIR(status.st_mode)
        if not is_folder and not stat.S_ISREG(status.st_mode):
            raise DataError(f"{found.path}: a pipe or device, no image; remove it.")
        entries.append(Entry(name, Path(found.path), is_folder, status.st_size))
    return sorted(entries)


def content_sha256(digests: dict[str, str]) -> str:
    """Return the SHA-256 of the lines `<SHA-256 of a file>  <its name>`, sorted by name."""
    text = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def check_content(path: Path, digest: str, settings) -> None:
    """Raise DataError unless `digest` is the one that `settings` (settings.Prepare) expect."""
    if digest != settings.sha256:
        raise DataError(
            f"{path}: the content's SHA-256 is {digest}, but the setting sha256 is "
            f"{settings.sha256}; the data are damaged or others: get them again, or set sha256 to "
            f"what `simclr fingerprint --source {settings.source} {path}` prints."
        )


def walk(folder: Path, above: tuple = ()) -> Iterator[Entry]:
    """Yield the files below a folder at any depth, sorted; each name is the path from there.

    Raises DataError as `visible` does, and for a link that leads back to a folder above it.
    """
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        raise DataError(f"{folder}: a link back to a folder above it; remove it.")
    for entry in visible(folder):
        if entry.is_folder:
            for file in walk(entry.path, (*above, here)):
                yield file._replace(name=f"{entry.name}/{file.name}")
        else:
            yield entry
