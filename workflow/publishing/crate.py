"""A scale's published state as an RO-Crate, written and read: a folder, or a zip, to be deposited.

A crate is the checkout, without what belongs to other scales, and two files more: `settings.jsonl`,
the settings of every planned result by its key, and `ro-crate-metadata.json` (crate_metadata.py).
The same state gives the same bytes: names are keys, and dates are Git's.
"""

import contextlib
import datetime
import json
import os
import secrets
import shutil
import zipfile
import zlib
from pathlib import Path

from simclr.config import ConfigError, one_line
from simclr.files import check_destination, json_text, replacing
from workflow.planning.plan import Plan
from workflow.publishing.checkout import read_checkout
from workflow.publishing.crate_metadata import METADATA, NAME, SETTINGS, metadata
from workflow.publishing.published import (
    published_file,
    read_published,
    read_records,
)

OTHER_ARCHIVES = (".tar", ".tgz", ".gz", ".tbz2", ".bz2", ".txz", ".xz", ".zst", ".7z", ".rar")


def write_crate(plan: Plan, destination: Path | None = None) -> str:
    """Write the crate of a scale, return a text for the user.

    destination: a folder, or a file `*.zip`; default: crate-SCALE. A crate of this project that is
    there is replaced. Raises ConfigError for anything else that is there, for an archive of another
    kind, and where something that belongs to a crate is not.
    """
    destination = destination or Path(f"crate-{plan.name}")
    if destination.suffix.lower() in OTHER_ARCHIVES:
        raise ConfigError(f"{destination}: a crate is a folder or a zip; name it NAME or NAME.zip.")
    zipped = destination.suffix.lower() == ".zip"
    is_kind = destination.is_file() if zipped else destination.is_dir()
    if destination.exists() and not (is_kind and _is_ours(destination)):
        raise ConfigError(
            f"{destination}: is no crate of this project; remove it, or name another place."
        )
    check_destination(destination if zipped else destination.with_name(f".{destination.name}"))
    checkout = read_checkout(plan.name)
    contents = {name: Path(name).read_bytes() for name in checkout.files}
    lines = list(read_published(plan.name).values())
    records = [json.dumps(one.record(), sort_keys=True) for one in plan.instances.values()]
    contents[SETTINGS] = "".join(f"{record}\n" for record in records).encode()
    contents[METADATA] = json_text(metadata(plan, lines, checkout, contents)).encode()
    if zipped:
        _write_zip(destination, contents, datetime.datetime.fromisoformat(checkout.date))
    else:
        _write_folder(destination, contents)
    text = f"{destination}: {len(lines)} results, {len(contents)} files, of {checkout.version}."
    if checkout.changed:
        text += f" Not committed: {len(checkout.changed)} files, e.g. {checkout.changed[0]}."
    return text


def _write_folder(folder: Path, contents: dict[str, bytes]) -> None:
    """Write {name: content} beside `folder`, then put it in its place."""
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    former = temporary.with_name(f"{temporary.name}.former")
    try:
        for name, content in contents.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_bytes(content)
        if folder.exists():
            os.rename(folder, former)
        os.rename(temporary, folder)
        shutil.rmtree(former, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_zip(file: Path, contents: dict[str, bytes], date: datetime.datetime) -> None:
    """Write {name: content} as a zip in which all has the same date."""
    folders = {f"{folder}/" for name in contents for folder in Path(name).parents[:-1]}
    with replacing(file) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in (*sorted(folders), *contents):  # the metadata name folders: so the zip has them
            info = zipfile.ZipInfo(name, date.timetuple()[:6])
            info.external_attr = (0o755 if name in folders else 0o644) << 16  # for all to read
            archive.writestr(info, contents.get(name, b""), zipfile.ZIP_DEFLATED)


def is_crate(path: Path) -> bool:
    """Tell whether a folder or zip is an RO-Crate, whoever wrote it. Raises ConfigError."""
    with _readable(path):
        return _inside(path, METADATA).is_file()


def read_crate(crate: Path, scale: str) -> dict[str, dict]:
    """Return {key: published line} of a crate, a folder or a zip. Raises ConfigError."""
    with _readable(crate):
        path = _inside(crate, published_file(scale).as_posix())
        if not path.is_file():
            raise ConfigError(f"{path}: missing; name the scale that the crate is of.")
        return read_records(path)


@contextlib.contextmanager
def _readable(crate: Path):
    """Say in one line what is wrong with a zip: it is damaged, or has a password."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise ConfigError(f"{crate}: {one_line(error)}; copy the crate again.") from None


def _inside(crate: Path, name: str) -> Path | zipfile.Path:
    return zipfile.Path(crate, name) if zipfile.is_zipfile(crate) else crate / name


def _is_ours(path: Path) -> bool:
    """Tell whether `write_crate` wrote this folder or zip."""
    try:
        graph = json.loads(_inside(path, METADATA).read_bytes())["@graph"]
        return any(one["@id"] == "./" and one["name"].startswith(NAME) for one in graph)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        return False
