"""Source `imagenet`: ImageNet (ILSVRC 2012) as folders or as its three tar files.

    FILE/train/n01440764/NAME.JPEG and FILE/val/n01440764/NAME.JPEG, or
    FILE/ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar, ILSVRC2012_devkit_t12.tar.gz

Nothing is extracted: an image is a piece of a file, so that all cores can decode at once, and a
packing that was stopped goes on where it was. Without the setting `sha256` the set must be ImageNet
itself: its 1,000 classes, its numbers of images and, of tar files, their MD5. With it, it may be
any set of this layout with this content, which is how the tests and other people's sets are packed.
"""

import hashlib
import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from simclr.config import DataError, one_line
from simclr.data import images, location
from simclr.data.sources.imagenet_files import (
    FOLDERS,
    LAYOUT,
    TARS,
    Piece,
    has_tars,
    listing,
    visible,
)
from simclr.files import ROOT

WNIDS = ROOT / "data" / "imagenet" / "wnids.txt"
COUNTS = {"train": 1_281_167, "test": 50_000}
CHUNK = 32  # images that a thread decodes before it reports
SAVE_SECONDS = 20  # between marks of what is packed; a crash repeats no more than this
NAMED = 5  # bad images that an error names


def check(settings) -> None:
    """Refuse what can be seen without reading images. Raises DataError."""
    path = location.locate(settings.file)
    if has_tars(path):
        missing = [name for name in TARS if not (path / name).is_file()]
    else:
        missing = [name for name in FOLDERS.values() if not (path / name).is_dir()]
    if missing:
        raise DataError(f"{path}: '{missing[0]}' is missing; {LAYOUT}.")
    if not settings.sha256:
        for split in COUNTS:
            if getattr(settings, f"{split}_images") > COUNTS[split]:
                raise DataError(f"{split}_images: ImageNet has {COUNTS[split]:,}; lower it.")
        if not has_tars(path):
            for part in FOLDERS.values():
                _check_classes(path / part, {p.name for p in visible(path / part)})


def source(settings, report) -> images.Source:
    """Open the set that `settings` (settings.Prepare) name. Raises DataError."""
    check(settings)
    path = location.locate(settings.file)
    report(0.0, "listing the images")
    classes, pieces = listing(path)
    if not settings.sha256:
        _check_whole(path, classes, pieces, report)
    labels, chosen = {}, {}
    for split, found in pieces.items():
        every = np.array([label for label, _ in found], np.int64)
        count = getattr(settings, f"{split}_images")
        rows = images.balanced(every, classes, count, settings.seed, split)
        labels[split], chosen[split] = every[rows], [found[row][1] for row in rows]

    def fill(arrays, report):
        pack(arrays, chosen, settings, report)
        found = content_sha256(arrays, chosen)
        if settings.sha256 and not settings.train_images and not settings.test_images:
            _check_content(path, found, settings.sha256)
        return {"content_sha256": found}

    names = {s: [piece.name.split("/")[1] for piece in chosen[s]] for s in chosen}
    return images.Source(classes, labels, fill, names)


def pack(arrays: dict, pieces: dict, settings, report) -> None:
    """Decode the pieces of each split into arrays[SPLIT_images], in threads.

    arrays[SPLIT_digests] uint8 [N, 32] has the SHA-256 of each image file that is packed, and zeros
    for the others: these are left to do. Pillow holds no lock while it decodes. Raises DataError,
    after all others are packed, that names the images which cannot be decoded.
    """
    todo = []
    for split, some in pieces.items():
        left = np.flatnonzero(~arrays[f"{split}_digests"].any(1))
        todo += [(some[row], split, row) for row in left.tolist()]
    todo.sort(key=lambda one: (one[0].file, one[0].offset))  # as they lie on the disk
    total = sum(map(len, pieces.values()))
    done, bad, marks, saved = total - len(todo), [], [], time.monotonic()

    def work(chunk):
        return [_pack_one(arrays, *one, settings) for one in chunk]

    def save():
        # First the images, then the marks that say they are there, also on the disk.
        for name, array in arrays.items():
            if not name.endswith("_digests"):
                array.flush()
        for split, row, digest in marks:
            arrays[f"{split}_digests"][row] = np.frombuffer(digest, np.uint8)
        marks.clear()
        for split in pieces:
            arrays[f"{split}_digests"].flush()

    workers = images.cores()
    chunks = iter(todo[k : k + CHUNK] for k in range(0, len(todo), CHUNK))
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(work, chunk) for chunk in itertools.islice(chunks, 2 * workers)]
        while running:
            for problem, mark in running.pop(0).result():
                bad += [problem] if problem else []
                marks += [mark] if mark else []
                done += 1
            running += [pool.submit(work, chunk) for chunk in itertools.islice(chunks, 1)]
            if time.monotonic() - saved > SAVE_SECONDS:
                save()
                saved = time.monotonic()
            report(done / total, f"{done:,} of {total:,} images")
    save()
    if bad:
        more = f", and {len(bad) - NAMED:,} more" if len(bad) > NAMED else ""
        raise DataError(
            f"{len(bad):,} of {total:,} images cannot be packed: {'; '.join(sorted(bad)[:NAMED])}"
            f"{more}; replace or remove them and run the same again: the others are packed."
        )


def _pack_one(arrays, piece: Piece, split: str, row: int, settings):
    """Decode one image into its place. Returns (what is wrong or None, its mark or None)."""
    try:
        content = piece.read()
        how = images.decode_whole if settings.fit == "stretch" else images.decode
        made = how(content, settings.image_size, piece.name)
    except (DataError, OSError) as error:
        return one_line(error).removesuffix("; remove it."), None
    if settings.fit == "stretch":
        made, arrays[f"{split}_aspects"][row] = made
    arrays[f"{split}_images"][row] = made
    return None, (split, row, hashlib.sha256(content).digest())


def content_sha256(arrays: dict, pieces: dict) -> str:
    """The SHA-256 of the lines `<SHA-256 of the file>  <split>/<CLASS>/<IMAGE>`, sorted by name."""
    lines = {}
    for split, some in pieces.items():
        for piece, digest in zip(some, arrays[f"{split}_digests"], strict=True):
            lines[f"{FOLDERS[split]}/{piece.name}"] = digest.tobytes().hex()
    return _of_lines(lines)


def fingerprint(path: Path) -> str:
    """The same of a set on the disk, which is read as a whole."""
    _, pieces = listing(path)
    return _of_lines(
        {
            f"{FOLDERS[split]}/{piece.name}": hashlib.sha256(piece.read()).hexdigest()
            for split, some in pieces.items()
            for _, piece in some
        }
    )


def _of_lines(lines: dict[str, str]) -> str:
    text = "".join(f"{lines[name]}  {name}\n" for name in sorted(lines))
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def _check_content(path: Path, found: str, wanted: str) -> None:
    if found != wanted:
        raise DataError(
            f"{path}: the content's SHA-256 is {found}, but the setting sha256 is {wanted}; the "
            "images are others: get them again, or change the setting."
        )


def _check_classes(place: Path, found: set[str]) -> None:
    known = set(WNIDS.read_text().split())
    for name in sorted(known - found):
        raise DataError(f"{place}: class '{name}' of ImageNet's 1,000 is missing; add it.")
    for name in sorted(found - known):
        raise DataError(f"{place}: '{name}' is no class of ImageNet; remove it, or set sha256.")


def _check_whole(path: Path, classes, pieces, report) -> None:
    """Refuse what is not all of ImageNet."""
    _check_classes(path, set(classes))
    for split, found in pieces.items():
        if len(found) != COUNTS[split]:
            raise DataError(
                f"{path}: {len(found):,} images in {FOLDERS[split]}, but ImageNet has "
                f"{COUNTS[split]:,}; get the missing ones, or set sha256 for a set of your own."
            )
    if has_tars(path):
        for name, md5 in TARS.items():
            report(0.0, f"MD5 of {name}")
            with open(path / name, "rb") as file:
                found = hashlib.file_digest(file, "md5").hexdigest()
            if found != md5:
                raise DataError(f"{path / name}: MD5 is {found}, not {md5}; get it again.")
