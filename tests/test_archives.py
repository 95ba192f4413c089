"""A tar that was damaged or cut is refused before anything is computed from what is left of it."""

import bz2
import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from simclr.config import DataError, build
from simclr.data.sources import folder, imagenet_files
from simclr.needs import Counts
from simclr.settings.data import Prepare
from tests import jpegs
from tests.test_bad_data import refused
from tests.test_needs import plan_of, write_folder
from workflow.planning import archives, checks

FOLDERS = ("train/a", "train/b", "test/a", "test/b")
NAMES = [f"{folder}/{number}.png" for number in range(3) for folder in FOLDERS]
PACK = {"tar": bytes, "tar.gz": gzip.compress, "tar.bz2": bz2.compress, "tar.xz": lzma.compress}


def tar_bytes(names, form=tarfile.GNU_FORMAT) -> bytes:
    """A tar of files of these names, some hundred bytes each."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            content = name.encode() * 50
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


WHOLE = tar_bytes(NAMES)
HEADER = WHOLE.index(NAMES[6].encode())  # where the seventh member begins
DAMAGED = WHOLE[:HEADER] + b"x" + WHOLE[HEADER + 1 :]
CONTENT = len(WHOLE.rstrip(b"\0"))
NO_END = WHOLE[: CONTENT - CONTENT % -512]


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize(
    "content, said",
    [
        (DAMAGED, f"damaged or cut after '{NAMES[5]}' ({HEADER:,} bytes in); get it again"),
        (WHOLE[:HEADER], f"damaged or cut after '{NAMES[5]}'"),  # between two members
        (WHOLE[: HEADER + 100], f"damaged or cut after '{NAMES[5]}'"),  # within a header
        (WHOLE[: HEADER + 600], "get it again"),  # within a file
        (NO_END, f"damaged or cut after '{NAMES[-1]}'"),
        (tar_bytes(NAMES[:6]) + tar_bytes(NAMES[6:]), "more follows after its end"),
        (tar_bytes(NAMES[:6]) + WHOLE[HEADER:], "more follows after its end"),
    ],
    ids=["header", "boundary", "cut header", "cut file", "no end", "two", "two, cut"],
)
def test_a_tar_that_is_not_whole(tmp_path, kind, content, said):
    path = tmp_path / f"a.{kind}"
    path.write_bytes(PACK[kind](content))
    refused(lambda: archives.check_whole_source(path), str(path), said)


@pytest.mark.parametrize("kind", ["tar.gz", "tar.bz2", "tar.xz"])
def test_a_packed_tar_is_read_to_its_end(tmp_path, kind):
    """There its checksum is; all members come before."""
    path, packed = tmp_path / f"a.{kind}", PACK[kind](WHOLE)
    flipped = bytearray(packed)
    flipped[-6 if kind == "tar.gz" else -3] ^= 1
    for content in (packed[:-2], packed[:-6], flipped):
        path.write_bytes(content)
        refused(lambda: archives.check_whole_source(path), str(path), "get it again")


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_whole_ones_are_accepted(tmp_path, kind, form):
    names = [*NAMES, "train/a/" + "ä" * 40 + ".png", "train/" + "b" * 70 + "/" + "c" * 70]
    content = tar_bytes(names, form)
    path = tmp_path / f"a.{kind}"
    for more in (b"", b"\0" * 10240, b"\0" * 3):  # tapes are filled up
        path.write_bytes(PACK[kind](content + more))
        archives.check_whole_source(path)
    for other in (tmp_path, tmp_path / "nowhere"):  # a folder of images; `fingerprint` says it
        archives.check_whole_source(other)


def test_what_tar_writes_is_accepted(tmp_path):
    """Links, sparse files, folders, names of any bytes."""
    tree = tmp_path / "tree"
    for name in NAMES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name, encoding="utf-8")
    (tree / "train/a/hard.png").hardlink_to(tree / NAMES[0])
    (tree / "train/a/soft.png").symlink_to("0.png")
    with open(tree / "train/a/holes.png", "wb") as file:
        for place in range(0, 1 << 20, 1 << 15):  # more holes than one header has room for
            file.seek(place)
            file.write(b"x")
        file.truncate(1 << 21)
    for form in ("gnu", "posix"):
        for more in ([], ["--gzip"]):
            path = tmp_path / "a.tar"
            command = ["tar", "--sparse", f"--format={form}", *more, "-cf", path, "-C", tree, "."]
            subprocess.run(command, check=True)
            archives.check_whole_source(path)


def test_a_damaged_zip_is_refused_by_its_directory(tmp_path):
    """So it needs no other check: whatever is flipped or cut, no member goes missing silently."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in NAMES:
            archive.writestr(name, name)
    whole, path = buffer.getvalue(), tmp_path / "a.zip"
    path.write_bytes(whole)
    archives.check_whole_source(path)
    expected = folder.listing(path)
    start = whole.index(b"PK\1\2")  # of the directory
    second = whole.index(b"PK\1\2", start + 1)
    for content in (
        whole[:start] + b"x" + whole[start + 1 :],
        whole[:second] + b"x" + whole[second + 1 :],
        whole[:-1],
        whole[: start - 10],
        whole[:second],
    ):
        path.write_bytes(content)
        refused(lambda: folder.listing(path), str(path), "get it again")
    path.write_bytes(whole[:30] + b"x" + whole[31:])  # a member's own header, not the directory
    try:
        assert folder.listing(path) == expected
        refused(lambda: list(folder.members(path, {NAMES[0]})), str(path))
    except DataError as error:
        assert str(path) in str(error)


@pytest.fixture(scope="module")
def tars(tmp_path_factory) -> Path:
    """ImageNet's three files of a small set; no test changes them."""
    root = tmp_path_factory.mktemp("imagenet")
    jpegs.write_folder(root / "set", 3, 4, 2)
    jpegs.write_tars(root / "set", root / "tars")
    return root / "tars"


def flip(path: Path, place: int) -> None:
    """Flip a bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_the_tars_of_imagenet(tars, tmp_path):
    archives.check_whole_source(tars)
    train, val, devkit = imagenet_files.TARS
    with tarfile.open(tars / train) as outer:
        classes = outer.getmembers()
        with tarfile.open(fileobj=outer.extractfile(classes[1])) as one:
            inner = one.getmembers()
    with tarfile.open(tars / val) as outer:
        images = outer.getmembers()
    within = classes[1].offset_data + inner[1].offset
    for number, (file, place, said) in enumerate(
        (
            (train, classes[1].offset, f"{train}: damaged or cut after '{classes[0].name}'"),
            (train, within, f"{train}: {classes[1].name}: damaged or cut after '{inner[0].name}'"),
            (val, images[2].offset, f"{val}: damaged or cut after '{images[1].name}'"),
        )
    ):
        changed = shutil.copytree(tars, tmp_path / str(number))
        flip(changed / file, place)
        refused(lambda changed=changed: archives.check_whole_source(changed), said)
    changed = shutil.copytree(tars, tmp_path / "devkit")
    (changed / devkit).write_bytes((tars / devkit).read_bytes()[:-4])
    refused(lambda: archives.check_whole_source(changed), devkit, "get it again")


def test_it_is_checked_before_anything_is_computed_and_then_never(tars, tmp_path, monkeypatch):
    """Of ImageNet itself `prepare` checks the MD5, so a plan reads nothing of its 150 GB."""
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path))
    about = write_folder(tmp_path / "own", [20, 20], [4, 4])
    with tarfile.open(tmp_path / "own.tar", "w") as archive:
        for file in sorted((tmp_path / "own").rglob("*.png"), key=lambda file: (file.name, file)):
            archive.add(file, file.relative_to(tmp_path / "own"))
    with tarfile.open(tmp_path / "own.tar") as archive:
        flip(tmp_path / "own.tar", archive.getmember("train/class1/9.png").offset)
    folder.listing(tmp_path / "own.tar")  # fewer images, and nothing is said
    own = {**about, "file": "own.tar", "sha256": folder.fingerprint(tmp_path / "own.tar")}
    plan = plan_of(tmp_path, {"prepare": own}, {"fig4": {}})
    with pytest.raises(DataError, match=r"own\.tar: damaged or cut after 'train/class0/9\.png'"):
        checks.check_data(plan)
    (data,) = plan.of("prepare")
    others = [one for one in plan.instances.values() if one is not data]
    monkeypatch.setattr(type(plan), "missing", lambda _: others)
    monkeypatch.setattr(checks, "_count", lambda *_: Counts((20, 20), (4, 4)))
    checks.check_data(plan)
    shutil.copytree(tars, tmp_path / "tars")
    flip(tmp_path / "tars" / archives.OF_TARS, 0)
    stored = {"source": "imagenet", "file": "tars"}
    archives.check_planned(build(Prepare, stored))
    own = build(Prepare, {**stored, "sha256": "0" * 64})
    refused(lambda: archives.check_planned(own), "get it again")
