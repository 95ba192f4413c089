"""Files: the project's root, atomic writes, CSV and JSON, hashes. All text is UTF-8."""

import contextlib
import csv
import hashlib
import io
import json
import math
import os
import secrets
import tempfile
from pathlib import Path

from simclr import code
from simclr.config import ConfigError

ROOT = code.ROOT


def write_atomic(path: Path, content: str | bytes) -> bool:
    """Write a file through a temporary file and a rename, so that nobody sees half of it.

    A file that has this content already is left alone. Returns whether it was written.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(data)  # readable for whom the umask says
    return True


@contextlib.contextmanager
def replacing(path: Path, sync: bool = False):
    """Yield where to write a file that replaces `path` once it is whole; an error leaves `path`.

    sync: bring it to the disk first, so that not even a loss of power leaves half of it.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield temporary
        if sync:
            with open(temporary, "r+b") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_destination(file: Path) -> None:
    """Refuse a file that cannot be written, before the work and not after it. Raises ConfigError.

    Nothing is made: where its folder is missing, it may be misspelt.
    """
    if file.is_dir():
        raise ConfigError(f"{file}: a folder; name a file in it.")
    try:
        tempfile.TemporaryFile(dir=file.parent).close()
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot be written ({error.strerror}); name a place where it can."
        ) from None


def copy_atomic(source: Path, target: Path) -> bool:
    """Copy a file as `write_atomic` writes one. Returns whether the content differed."""
    return write_atomic(target, source.read_bytes())


def read_text(path: Path) -> str:
    """Return the text of a file. Raises OSError or UnicodeDecodeError."""
    return path.read_text(encoding="utf-8")


def csv_text(header, rows) -> str:
    """Return a CSV table as text: the header, then one line for each row of cells."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def write_csv(path: Path, header, rows) -> bool:
    """Write a CSV table. Returns whether the file changed."""
    return write_atomic(path, csv_text(header, rows))


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, each as {column: text}."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def json_text(value) -> str:
    """Return a value as JSON with sorted keys, for people to read."""
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def write_json(path: Path, value) -> bool:
    """Write the `json_text` of a value. Returns whether the file changed."""
    return write_atomic(path, json_text(value))


def read_json(path: Path):
    """Return the value in a JSON file. Raises OSError or ValueError."""
    return json.loads(read_text(path))


def write_metrics(path: Path, values: dict[str, float]) -> None:
    """Write metrics as JSON. Raises ConfigError for a value that is not finite."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise ConfigError(f"{name} is {value}: the training diverged; lower the learning rate.")
    write_json(path, values)


def write_curves(path: Path, curves: list[dict[str, float]]) -> None:
    """Write training curves as CSV: one line for each epoch, six significant digits."""
    rows = [[f"{value:.6g}" for value in epoch.values()] for epoch in curves]
    write_csv(path, list(curves[0]), rows)


def stamps(path: Path) -> dict[str, tuple]:
    """Return {path: (number, size, date)} of a file, or of all files below a folder.

    Whatever writes or replaces a file changes its stamp, unless it sets the date back.
    """
    below = path.rglob("*") if path.is_dir() else [path]
    found = {str(file): file.stat() for file in below if file.is_file()}
    return {name: (one.st_ino, one.st_size, one.st_mtime_ns) for name, one in found.items()}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content as 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
