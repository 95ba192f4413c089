"""Files: where the project is, atomic writes, hashes, metrics and curves."""

import hashlib
import json
import math
import os
import shutil
import tempfile
from pathlib import Path

from simclr.config import ConfigError

ROOT = Path(__file__).resolve().parent.parent


def write_curves(path: Path, curves: list[dict]) -> None:
    """Write the curves as CSV, a line an epoch, six digits."""
    lines = [",".join(curves[0])]
    lines += [",".join(f"{value:.6g}" for value in row.values()) for row in curves]
    path.write_text("\n".join(lines) + "\n")


def write_metrics(path: Path, values: dict) -> None:
    """Write metrics as JSON. Raises ConfigError for one that is not a finite number."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise ConfigError(f"{name} is {value}: the training diverged; lower the learning rate.")
    path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomic(path: Path, text: str) -> bool:
    """Write `text` to `path` by a rename, only where it differs. Returns whether it was written."""
    if path.is_file() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def copy_atomic(source: Path, target: Path) -> bool:
    """Copy a file by a rename, only where the content differs. Returns whether it was copied."""
    if target.is_file() and sha256(target) == sha256(source):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(source, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return True
