"""Source `cifar10`: downloaded once, with a verified checksum, from where torchvision gets it.

This is the binary edition: the one that torchvision loads is made of pickles, which can run code.
The archive is kept in data/raw. Nothing is unpacked on disk.
"""

import contextlib
import fcntl
import hashlib
import http.client
import os
import tarfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from simclr import files
from simclr.config import DataError, one_line
from simclr.data import images
from simclr.data.location import raw_folder
from simclr.data.raw_dataset import RawDataset, chosen_rows

URL = "https://www.cs.toronto.edu/~kriz"  # or the environment variable SIMCLR_CIFAR10_URL
FILE = "cifar-10-binary.tar.gz"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # as its home page gives it
CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
COUNTS = {"train": 50_000, "test": 10_000}
BATCHES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE  # bytes: the label, then red, green, blue planes
TIMEOUT = 60  # seconds without a byte


def check(settings) -> None:
    """Refuse subsets larger than the set. Raises DataError."""
    for split, count in COUNTS.items():
        if getattr(settings, f"{split}_images") > count:
            raise DataError(f"{split}_images: CIFAR-10 has {count}; lower it, or 0 for all.")


def open_source(settings, report) -> RawDataset:
    """Open CIFAR-10 and select a subset; settings: settings.Prepare. Downloads it if need be."""
    path = download(report, MD5)
    stamps = files.stamps(path)
    splits = read(download(report, MD5))  # the checksum again, of what the stamps are of
    if files.stamps(path) != stamps:
        raise DataError(f"{path}: was changed while it was read; run again.")
    labels, pixels = {}, {}
    all_labels = {split: there for split, (_, there) in splits.items()}
    for split, (origin, rows) in chosen_rows(all_labels, CLASSES, settings).items():
        labels[split], pixels[split] = all_labels[origin][rows], splits[origin][0][rows]

    def fill(arrays, report):
        for split in labels:
            for i, image in enumerate(pixels[split]):
                picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
                arrays[f"{split}_images"][i] = images.square(picture, settings.image_size)

    return RawDataset(CLASSES, labels, fill)


def read(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read the archive: split -> (images uint8 [N, 3, 32, 32], labels int64 [N])."""
    content = {}  # file name -> bytes
    try:
        with tarfile.open(path, "r:gz") as archive:
            for info in archive:
                if info.isreg():
                    content[info.name.rsplit("/", 1)[-1]] = archive.extractfile(info).read()
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path}: damaged ({one_line(error)}); remove it.") from None
    splits = {}
    for split, names in BATCHES.items():
        joined = b"".join(content.get(name, b"") for name in names)
        missing = [name for name in names if name not in content]
        if missing or not joined or len(joined) % RECORD:
            raise DataError(f"{path}: not CIFAR-10, {missing or split} is incomplete; remove it.")
        records = np.frombuffer(joined, np.uint8).reshape(-1, RECORD)
        if records[:, 0].max() >= len(CLASSES):
            raise DataError(f"{path}: not CIFAR-10, a label exceeds 9; remove it.")
        pixels = records[:, 1:].reshape(-1, 3, SIDE, SIDE)
        splits[split] = pixels, records[:, 0].astype(np.int64)
    return splits


def download(report, md5: str) -> Path:
    """Return the path of the archive in data/raw; download it if it is not there.

    The next attempt continues a broken download. The file gets its name once its checksum is `md5`.
    Raises DataError if the server, the connection or the checksum fails.
    """
    path = raw_folder() / FILE
    if path.exists():
        if _md5(path) != md5:
            raise DataError(f"{path}: MD5 is {_md5(path)}, not {md5}; remove it to download again.")
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    url = f"{os.environ.get('SIMCLR_CIFAR10_URL') or URL}/{FILE}"
    part = path.with_name(FILE + ".part")  # never removed: others may wait for its lock
    with open(part, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():  # another process downloaded it while this one waited
            return download(report, md5)
        if _md5(part) != md5:
            _fetch(url, file, report)
        digest = _md5(part)
        if digest != md5:
            file.truncate(0)
            raise DataError(
                f"{url}: MD5 is {digest}, not {md5}; try again, or put {FILE} at {path}."
            )
        os.replace(part, path)
    return path


def _fetch(url: str, file, report) -> None:
    """Append to `file` the rest of the content of `url`."""
    size = os.fstat(file.fileno()).st_size
    with contextlib.ExitStack() as stack:
        with _reachable(url):
            response = stack.enter_context(_open(url, size))
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:  # all of it, from the start
            file.truncate(0)
            size = 0
        total = size + int(response.headers.get("Content-Length") or 0)
        while True:
            with _reachable(url):
                block = response.read(1 << 18)
            if not block:
                break
            file.write(block)  # a full disk is no fault of the server: not caught here
            size += len(block)
            report(min(1.0, size / total) if total else 0.0, f"{FILE}: {size >> 20} MiB")
    file.flush()
    if size < total:
        raise DataError(f"{url}: connection lost at {size:,} of {total:,} bytes; run again.")


def _open(url: str, start: int):
    """Ask for the content of `url` from byte `start`, which the server may ignore."""
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if start and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(url, 0)
        raise


@contextlib.contextmanager
def _reachable(url: str):
    """Turn errors of the server and the connection into a DataError."""
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: not a URL
        reason = one_line(error)
        raise DataError(
            f"{url}: cannot be downloaded ({reason}); run again when it can be reached, set "
            f"SIMCLR_CIFAR10_URL to another server, or put {FILE} into {raw_folder()}."
        ) from None


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
