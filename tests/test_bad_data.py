"""Data that cannot be used: each defect is one line that names the file, before any result."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from simclr.config import ConfigError, DataError, build
from simclr.data import archives, images, location, packed
from simclr.data.sources import folder
from simclr.settings.data import Prepare
from simclr.stages import prepare
from tests.test_prepare import picture, prepared, write_tree


@pytest.fixture
def raw(tmp_path, monkeypatch):
    (tmp_path / "raw").mkdir()
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path / "raw"))
    return tmp_path / "raw"


def refused(call, *texts) -> None:
    """`call` must raise a DataError of one line that holds all `texts`."""
    with pytest.raises(DataError) as error:
        call()
    message = str(error.value)
    assert "\n" not in message
    for text in texts:
        assert text in message, message


def unpreparable(tmp_path, file: str, *texts, **settings) -> None:
    """Preparing `file`, with the right SHA-256 where it has one, must fail with these texts."""
    path = location.locate(file)
    sha256 = folder.fingerprint(path) if path.is_file() else "0" * 64

    def call():
        if path.is_dir():
            settings["sha256"] = folder.fingerprint(path)
        out = tmp_path / f"out-{len(list(tmp_path.iterdir()))}"
        prepared(out, source="folder", file=file, **{"sha256": sha256, **settings})

    refused(call, *texts)


def tar_of(path, members) -> None:
    """Write a tar of (name, content) pairs; a TarInfo may stand for a name."""
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


@pytest.fixture
def content() -> bytes:
    buffer = io.BytesIO()
    picture((9, 9), 0).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def good(content):
    """Members of a valid tree."""
    return [(f"{split}/{label}/0.png", content) for split in ("train", "test") for label in "ab"]


def test_missing_data_says_where_to_put_them(raw):
    settings = Prepare(source="folder", file="nothing.tar", sha256="0" * 64)
    refused(lambda: prepare.check(settings), f"{raw / 'nothing.tar'}: no such data", "put")


def test_missing_or_malformed_checksum(raw):
    (raw / "a.tar").write_bytes(b"")
    refused(
        lambda: folder.check(Prepare(file="a.tar")), "sha256", f"simclr fingerprint {raw / 'a.tar'}"
    )
    refused(lambda: folder.fingerprint(raw / "b"), "no such file")
    refused(
        lambda: folder.check(Prepare(file="a.tar", sha256="A" * 64)), "64 lower-case hex digits"
    )


def test_check_does_not_read_the_data(raw, monkeypatch):
    (raw / "a.tar").write_bytes(b"rubbish")
    monkeypatch.setattr("builtins.open", None)
    prepare.check(Prepare(source="folder", file="a.tar", sha256="0" * 64))


def test_checksum_that_differs_states_what_was_found(raw, tmp_path, good):
    tar_of(raw / "a.tar", good)
    found = folder.fingerprint(raw / "a.tar")
    unpreparable(tmp_path, "a.tar", found, "0" * 64, sha256="0" * 64)


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.xz", "zip"])
def test_truncated_archive(raw, tmp_path, kind):
    """Refused even where its own SHA-256 was put into the setting."""
    write_tree(tmp_path / "tree", train=20)
    path = raw / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in (tmp_path / "tree").rglob("*.png"):
                archive.write(file, file.relative_to(tmp_path / "tree"))
    else:
        with tarfile.open(path, "w:" + kind[4:]) as archive:
            archive.add(tmp_path / "tree", "tree")
    whole = path.read_bytes()
    for part in (0.3, 0.9):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(DataError, match=str(path)) as error:
            folder.listing(path)
        assert "\n" not in str(error.value)
    path.write_bytes(whole[: len(whole) // 2])
    unpreparable(tmp_path, path.name, str(path), "get it again")


def test_damaged_member_of_a_zip(raw, tmp_path, good):
    with zipfile.ZipFile(raw / "a.zip", "w") as archive:
        for name, data in good:
            archive.writestr(name, data)
    whole = bytearray((raw / "a.zip").read_bytes())
    whole[60] ^= 1  # within the first image
    (raw / "a.zip").write_bytes(whole)
    unpreparable(tmp_path, "a.zip", "Bad CRC-32", "get it again")


def test_no_archive_at_all(raw, tmp_path):
    for file in ("a.tar", "a.zip", "a.bin"):
        (raw / file).write_bytes(b"hello" * 300)
        unpreparable(tmp_path, file, str(raw / file), "get it again")


@pytest.mark.parametrize("bad", [b"", b"not an image", "half"])
def test_image_that_cannot_be_decoded_is_named(raw, tmp_path, content, bad):
    write_tree(raw / "a")
    bad = content[: len(content) // 2] if bad == "half" else bad
    (raw / "a/train/bee/3.png").write_bytes(bad)
    unpreparable(tmp_path, "a", "train/bee/3.png: cannot be decoded")


def test_truncated_jpeg_is_named(raw, tmp_path):
    write_tree(raw / "a")
    buffer = io.BytesIO()
    picture((64, 64), 0).save(buffer, "JPEG")
    (raw / "a/test/ant/1.png").write_bytes(buffer.getvalue()[:-200])
    unpreparable(tmp_path, "a", "test/ant/1.png: cannot be decoded", "truncated")


def test_decompression_bomb_is_refused(raw, tmp_path, monkeypatch):
    write_tree(raw / "a")
    Image.new("1", (200, 100)).save(raw / "a/train/bee/3.png")
    monkeypatch.setattr(images, "MEGAPIXEL", 1999)
    said = ("train/bee/3.png", "200 x 100", "raise max_megapixels above 10")
    unpreparable(tmp_path, "a", *said, max_megapixels=10)
    prepared(tmp_path / "raised", source="folder", file="a", sha256=folder.fingerprint(raw / "a"))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000)  # Pillow's own limit comes first
    unpreparable(tmp_path, "a", "train/bee/3.png", "exceeds limit")


def test_huge_member_is_refused_unread(raw, tmp_path, good, monkeypatch):
    tar_of(raw / "a.tar", good)
    monkeypatch.setattr(archives, "MAX_BYTES", 10)
    unpreparable(tmp_path, "a.tar", "train/a/0.png", "no image")


def test_empty_class_folder_is_named(raw, tmp_path):
    write_tree(raw / "a")
    for split in ("train", "test"):
        (raw / "a" / split / "cat").mkdir()
    unpreparable(tmp_path, "a", "train/cat holds no image")
    picture((9, 9), 1).save(raw / "a/train/cat/0.png")
    (raw / "a/test/cat/.hidden").write_text("")
    with tarfile.open(raw / "a.tar.gz", "w:gz") as archive:
        archive.add(raw / "a", "a")
    refused(lambda: folder.fingerprint(raw / "a"), "test/cat holds no image")
    unpreparable(tmp_path, "a.tar.gz", "test/cat holds no image")


def test_class_of_one_split_only_is_named(raw):
    write_tree(raw / "a")
    (raw / "a/train/cat").mkdir()
    refused(lambda: folder.listing(raw / "a"), "class 'cat' is in train but not in test")
    (raw / "a/train/cat").rename(raw / "a/test/cat")
    refused(lambda: folder.listing(raw / "a"), "class 'cat' is in test but not in train")


def test_missing_split(raw, good):
    (raw / "a/train/cat").mkdir(parents=True)
    picture((9, 9), 1).save(raw / "a/train/cat/0.png")
    refused(lambda: folder.listing(raw / "a"), "no test/CLASS folder")
    tar_of(raw / "b.tar", [(name.replace("train", "training"), data) for name, data in good])
    refused(lambda: folder.listing(raw / "b.tar"), "no train/CLASS folder")
    (raw / "c").mkdir()
    refused(lambda: folder.listing(raw / "c"), "no train/CLASS folder")


@pytest.mark.parametrize("name", ["train/loose.png", "train/a/deeper/0.png", "test"])
def test_file_out_of_place(raw, good, content, name):
    tar_of(raw / "a.tar", [*good, (name, content)])
    refused(lambda: folder.listing(raw / "a.tar"), f"'{name}' is out of place")


@pytest.mark.parametrize(
    "name", ["../train/a/1.png", "train/a/../../1.png", "/train/a/1.png", "train\\a\\1.png"]
)
def test_unsafe_names(raw, good, content, name):
    tar_of(raw / "a.tar", [*good, (name, content)])
    refused(lambda: folder.listing(raw / "a.tar"), "unsafe name")
    with zipfile.ZipFile(raw / "a.zip", "w") as archive:
        for member, data in [*good, (name, content)]:
            archive.writestr(member, data)
    refused(lambda: folder.listing(raw / "a.zip"), "unsafe name")


def test_links_and_duplicates(raw, good, content):
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
        link = tarfile.TarInfo("train/a/1.png")
        link.type, link.linkname = kind, "/etc/passwd"
        tar_of(raw / "a.tar", [*good, (link, b"")])
        refused(lambda: folder.listing(raw / "a.tar"), "train/a/1.png", "link or device")
    with zipfile.ZipFile(raw / "a.zip", "w") as archive:
        link = zipfile.ZipInfo("train/a/1.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    refused(lambda: folder.listing(raw / "a.zip"), "train/a/1.png", "link")
    tar_of(raw / "b.tar", [*good, (f"./{good[0][0]}", content)])
    refused(lambda: folder.listing(raw / "b.tar"), "occurs twice")


def test_a_name_of_any_bytes_is_shown_on_one_line(raw, good):
    """As escapes: a line break, and bytes that are no UTF-8."""
    name = b"train/a/new\nline\xff/0.png".decode("utf-8", "surrogateescape")
    tar_of(raw / "a.tar", [*good, (name, b"")])
    refused(lambda: folder.listing(raw / "a.tar"), r"train/a/new\nline\udcff/0.png", "out of place")


def test_two_trees_in_one_archive(raw, good):
    members = [(f"{top}/{name}", data) for top in ("one", "two") for name, data in good]
    tar_of(raw / "a.tar", members)
    refused(lambda: folder.listing(raw / "a.tar"), "'one'", "'two'")


def test_subset_larger_than_a_class(raw, tmp_path):
    write_tree(raw / "a", train=5)
    unpreparable(tmp_path, "a", "train_images", "6 of class", "has 5", train_images=12)


def test_wrong_settings():
    with pytest.raises(ConfigError, match="file: needed"):
        build(Prepare, {"source": "folder"})
    refused(lambda: prepare.check(Prepare(train_images=9, test_images=10)), "train_images", "10")


# A prepared set that was altered.


@pytest.fixture
def ready(tmp_path):
    prepared(tmp_path / "ready", image_size=8, train_images=20, test_images=10)
    return tmp_path / "ready"


@pytest.mark.parametrize(
    "name, array, text",
    [
        ("train_images", np.zeros((20, 8, 8, 3), np.uint8), "expected uint8 [N, 3, S, S]"),
        ("train_images", np.zeros((20, 3, 8, 8), np.float32), "found float32"),
        ("test_images", np.zeros((10, 3, 9, 9), np.uint8), "different sizes"),
        ("train_labels", np.zeros(19, np.int64), "expected int64 [20]"),
        ("test_labels", np.zeros(10, np.int32), "found int32"),
        ("train_labels", np.full(20, 10), "labels 0..10 but 10 classes"),
        ("train_labels", np.full(20, -1), "labels -1..9"),
        ("test_labels", np.array([{"a": 1}] * 10, object), "test_labels.npy: not a readable"),
    ],
)
def test_packed_arrays_of_another_kind(ready, name, array, text):
    np.save(ready / f"{name}.npy", array)
    refused(lambda: packed.load(ready), text)


def test_packed_files_missing_or_truncated(ready):
    path = ready / "train_images.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    refused(lambda: packed.load(ready), str(path))
    path.unlink()
    refused(lambda: packed.load(ready), str(path))
    path.write_bytes(whole)
    (ready / "data.json").write_text("{}")
    refused(lambda: packed.load(ready), "data.json")
