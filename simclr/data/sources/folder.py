"""Source `folder`: any images, as train/CLASS/IMAGE and test/CLASS/IMAGE.

The tree is a directory, or a tar (.gz, .bz2, .xz) or zip of one, maybe below one top folder.
Archives are read in place: nothing is extracted, so no member can land anywhere. All names are
checked before the first image is decoded. Names that begin with a dot are ignored.
"""

import hashlib
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from simclr.config import DataError
from simclr.data import images
from simclr.data.archives import MAX_BYTES, readable
from simclr.data.location import locate

SPLITS = ("train", "test")
LAYOUT = "expected train/CLASS/IMAGE and test/CLASS/IMAGE"


def check(file: str, sha256: str) -> None:
    """Refuse, without reading the data, what `source` would refuse. Raises DataError."""
    path = locate(file)
    if not sha256:
        raise DataError(f"sha256: not set; put there what `simclr fingerprint {path}` prints.")
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise DataError(f"sha256: expected 64 lower-case hex digits, got '{sha256}'.")


def source(settings, report) -> images.Source:
    """Open the data set that `settings` (settings.Prepare) name. Raises DataError."""
    check(settings.file, settings.sha256)
    path = locate(settings.file)
    found = fingerprint(path)
    if found != settings.sha256:
        raise DataError(
            f"{path}: SHA-256 is {found}, but the setting sha256 is {settings.sha256}; the data "
            "are truncated or others: get them again, or change the setting."
        )
    classes, names = listing(path)
    labels, place = {}, {}  # place: name in the tree -> (split, index)
    for split in SPLITS:
        every = np.array([classes.index(name.split("/")[1]) for name in names[split]], np.int64)
        count = getattr(settings, f"{split}_images")
        chosen = images.balanced(every, classes, count, settings.seed, split)
        labels[split] = every[chosen]
        place.update({names[split][k]: (split, i) for i, k in enumerate(chosen)})

    def fill(arrays, report):
        encoded = (
            (arrays[f"{place[name][0]}_images"][place[name][1]], f"{path}: {name}", content)
            for name, content in _members(path, place)
            if content is not None
        )
        images.decode_all(encoded, len(place), settings.image_size, report)

    return images.Source(classes, labels, fill)


def fingerprint(path: Path) -> str:
    """Return the SHA-256 of a data set: of an archive's bytes, or of a directory's content.

    For a directory it is that of the lines `<SHA-256 of the file>  <name>`, sorted by name, of the
    images: the same wherever and however the files are stored.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder.")
    if not path.is_dir():
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    _, names = listing(path)
    every = {*names["train"], *names["test"]}
    lines = [
        f"{hashlib.sha256(content).hexdigest()}  {name}\n"
        for name, content in _members(path, every)
        if content is not None
    ]
    lines.sort(key=lambda line: line.split("  ", 1)[1])
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()


def listing(path: Path) -> tuple[tuple[str, ...], dict[str, list[str]]]:
    """Return the classes of a tree, sorted, and the names of the images of each split.

    Names read like train/CLASS/IMAGE. They come in rounds, an image of each class a round, so that
    the first few stand for all. Raises DataError for every defect that names can show.
    """
    members = {split: {} for split in SPLITS}  # split -> class -> images
    for name, _ in _members(path):
        split, label, *image = name.split("/")
        members[split].setdefault(label, []).extend(image)
    for split in SPLITS:
        if not members[split]:
            raise DataError(f"{path}: no {split}/CLASS folder; {LAYOUT}.")
    for split, other in (SPLITS, SPLITS[::-1]):
        for label in sorted(members[split]):
            if label not in members[other]:
                raise DataError(f"{path}: class '{label}' is in {split} but not in {other}.")
            if not members[split][label]:
                raise DataError(f"{path}: {split}/{label} holds no image; add some or remove it.")
    classes = tuple(sorted(members["train"]))
    names = {}
    for split in SPLITS:
        ranked = [
            (rank, label, image)
            for label in classes
            for rank, image in enumerate(sorted(members[split][label]))
        ]
        names[split] = [f"{split}/{label}/{image}" for _, label, image in sorted(ranked)]
    return classes, names


def _members(path: Path, wanted=()):
    """Yield (name, content) of the class folders and images of a tree, in the order of storage.

    name: SPLIT/CLASS or SPLIT/CLASS/IMAGE. content: bytes if the name is in `wanted`, else None;
    with `wanted` it ends when all are read. Raises DataError.
    """
    walk = _directory if path.is_dir() else _zip if path.suffix.lower() == ".zip" else _tar
    seen, above, left = set(), None, len(wanted)
    for stored, is_folder, size, read in walk(path):
        parts = [part for part in stored.split("/") if part not in ("", ".")]
        if stored.startswith("/") or "\\" in stored or ".." in parts:
            raise DataError(f"{path}: member '{stored}' has an unsafe name; remove it.")
        if any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        top = "" if parts[:1] and parts[0] in SPLITS else parts.pop(0) if parts else ""
        if not parts or parts[0] not in SPLITS:
            continue  # a README, a split of another name
        if above not in (None, top):
            raise DataError(f"{path}: holds a tree in '{above}' and one in '{top}'; {LAYOUT}.")
        above = top
        if (len(parts) == 3) == is_folder or len(parts) > 3:
            raise DataError(f"{path}: '{stored}' is out of place; {LAYOUT}.")
        if len(parts) < 2:
            continue
        name = "/".join(parts)
        if not is_folder and name in seen:
            raise DataError(f"{path}: '{stored}' occurs twice; remove one.")
        seen.add(name)
        if name in wanted:
            if size > MAX_BYTES:
                raise DataError(f"{path}: '{stored}' is {size:,} bytes, no image; remove it.")
            with readable(path):
                content = read()
            yield name, content
            left -= 1
            if left == 0:
                return
        else:
            yield name, None


# Each walk yields (name, is it a folder, size in bytes, function that reads its content). The
# content must be read before the next member is asked for.


def _directory(path: Path):
    for top in [path, *(p for p in path.iterdir() if p.is_dir() and p.name not in SPLITS)]:
        for split in SPLITS:
            if not (top / split).is_dir():
                continue
            for label in (top / split).iterdir():
                name = label.relative_to(path).as_posix()
                yield name, label.is_dir(), 0, None
                for file in label.iterdir() if label.is_dir() else ():
                    name = file.relative_to(path).as_posix()
                    yield name, file.is_dir(), file.stat().st_size, file.read_bytes


def _tar(path: Path):
    with readable(path), tarfile.open(path, "r:*") as archive:
        for info in archive:
            if not (info.isdir() or info.isreg()):
                raise DataError(f"{path}: member '{info.name}' is a link or device; remove it.")
            yield info.name, info.isdir(), info.size, lambda i=info: archive.extractfile(i).read()
            archive.members = []  # or it would remember every member


def _zip(path: Path):
    with readable(path), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if stat.S_ISLNK(info.external_attr >> 16):
                raise DataError(f"{path}: member '{info.filename}' is a link; remove it.")
            yield info.filename, info.is_dir(), info.file_size, lambda i=info: archive.read(i)
