"""Finished results on disk: where they are, what they contain, whether they are still intact.

    results/<scale>/<stage>/<key>/   outputs and provenance.json, which lists the SHA-256 of each

A folder appears by one rename when it is complete, so a folder that is there is finished. The path
holds only the key, no name, so settings can be renamed and regrouped without recomputing anything.
The lists in results/<scale>/plan/ say which name has which key.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

from simclr.config import ConfigError
from simclr.files import json_text, read_text, sha256

PROVENANCE = "provenance.json"
KEY = re.compile(r"[0-9a-f]{12}")
UNUSED = "unused"  # <workplace>/unused/<stage>/<key>: of other plans
WORK = ".work"  # results/<scale>/<stage>/.work, where the folder of the stage is on another disk
REMEDY = "`simclr verify --repair` computes it again"


class ResultError(ConfigError):
    """A stored result is missing or not what its provenance says. The message names the file."""


def folder(results: Path, stage: str, key: str) -> Path:
    """Return where the result `key` of `stage` belongs; `results` is results/<scale>."""
    return results / stage / key


def workplace(store: Path, stage: str) -> Path:
    """Return where results of `stage` are made and put aside: on their own disk, to be renamed.

    That is `store`, results/<scale>, unless the folder of the stage is a link to another disk.
    """
    place = store / stage
    elsewhere = place.is_dir() and place.stat().st_dev != store.stat().st_dev
    return place / WORK if elsewhere else store


def unused(store: Path, stage: str, key: str) -> Path:
    """Return where the result is kept while no plan names it."""
    return workplace(store, stage) / UNUSED / stage / key


def is_finished(path: Path) -> bool:
    """Tell whether the result folder `path` is complete (not whether it is intact: see verify)."""
    return (path / PROVENANCE).is_file()


def provenance_text(provenance: dict) -> str:
    """Return the content of a provenance.json: JSON with a seal, the SHA-256 of all else in it.

    The seal detects damage and careless edits, not deliberate forgery: that needs DVC's hashes,
    the published metrics or a recomputation.
    """
    rest = {name: value for name, value in provenance.items() if name != "seal"}
    seal = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    return json_text({**rest, "seal": seal})


def read_provenance(path: Path, remedy: str = REMEDY) -> dict:
    """Return the provenance of the result folder `path`. Raises ResultError."""
    try:
        text = read_text(path / PROVENANCE)
        provenance = json.loads(text)
        if provenance["key"] != path.name or not isinstance(provenance["outputs"], dict):
            raise ValueError("it belongs to another result")
        if provenance_text(provenance) != text:
            raise ValueError("its text is not the one that its seal was made of")
        return provenance
    except FileNotFoundError:
        raise ResultError(f"{path}: no such result; run the stage that makes it.") from None
    except OSError as error:  # no rights, or a folder or a file where the other belongs
        raise ResultError(f"{path / PROVENANCE}: {error.strerror}; {remedy}.") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ResultError(f"{path / PROVENANCE}: damaged ({error}); {remedy}.") from None


def verify(path: Path, names=None, remedy: str = REMEDY) -> dict:
    """Check every output of the result folder `path`, or those of `names`, against its SHA-256.

    Returns the provenance. Raises ResultError, which names the first file that differs, and says
    what to do: `remedy`.
    """
    provenance = read_provenance(path, remedy)
    for name, recorded in sorted(provenance["outputs"].items()):
        file = path / name
        if not file.is_file():
            raise ResultError(f"{file}: missing from a finished result; {remedy}.")
        if (names is None or name in names) and _sha256(file, remedy) != recorded:
            raise ResultError(f"{file}: content differs from its recorded SHA-256; {remedy}.")
    extra = {p.name for p in path.iterdir()} - {PROVENANCE, *provenance["outputs"]}
    if extra:
        raise ResultError(f"{path / min(extra)}: does not belong to this result; {remedy}.")
    return provenance


def _sha256(file: Path, remedy: str) -> str:
    try:
        return sha256(file)
    except OSError as error:  # no rights, or a disk that fails
        raise ResultError(f"{file}: {error.strerror}; {remedy}.") from None


def check_place(final: Path) -> None:
    """Raise OSError where a result could not be put to `final`: before it is computed."""
    final.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(final.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(final.parent))


def commit(folder: Path, final: Path) -> None:
    """Move a complete folder to `final`, replacing an unfinished one."""
    final.parent.mkdir(parents=True, exist_ok=True)
    if final.exists() and not is_finished(final):
        remove(final)
    os.rename(folder, final)


def remove(path: Path) -> None:
    """Delete a result, or a file or link that stands in its place."""
    path.unlink() if path.is_symlink() or path.is_file() else shutil.rmtree(path)
