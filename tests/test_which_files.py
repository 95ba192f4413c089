"""Which files count is the same for prepare of both sources, fingerprint and features."""

import hashlib
import os
import subprocess
import sys
import tarfile
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest

from simclr.config import build
from simclr.data import images, label_list, packed, which_files
from simclr.data.sources import class_names, folder, imagenet
from simclr.settings.training import FineTune
from tests.test_bad_data import refused
from tests.test_prepare import picture, png, prepared
from workflow import cli, pretrained

LATIN1 = b"caf\xe9".decode("utf-8", "surrogateescape")
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
SOURCES = {"folder": ("test", folder), "imagenet": ("val", imagenet)}


@pytest.fixture
def raw(tmp_path, monkeypatch) -> Path:
    (tmp_path / "raw").mkdir()
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path / "raw"))
    return tmp_path / "raw"


@pytest.fixture(params=SOURCES)
def source(request):
    """(its name, what it calls the test images, its module)."""
    return request.param, *SOURCES[request.param]


def write_tree(top: Path, splits=("train", "test"), classes=("a", "b"), images_each=2) -> Path:
    for number, (split, label, k) in enumerate(
        (s, c, k) for s in splits for c in classes for k in range(images_each)
    ):
        (top / split / label).mkdir(parents=True, exist_ok=True)
        picture((9, 9), number).save(top / split / label / f"{k}.png")
    return top


def pack(raw: Path, out: Path, name: str, **settings):
    """Prepare raw/set by a source, with its right fingerprint."""
    sha256 = SOURCES[name][1].fingerprint(raw / "set")
    return prepared(out, source=name, file="set", sha256=sha256, image_size=8, **settings)


LITTER = (".hidden", "._0.png", "Thumbs.db", "THUMBS.DB", "desktop.ini", "Icon\r", "__MACOSX")


def test_litter_is_ignored_by_all(raw, source, tmp_path):
    name, test, module = source
    top = write_tree(raw / "set", ("train", test))
    before = module.fingerprint(top)
    listed = pretrained.image_files(top)
    for place in (top, top / "train", top / "train" / "a", top / test / "b"):
        for file in LITTER:
            (place / file).write_bytes(b"x")
    assert module.fingerprint(top) == before and pretrained.image_files(top) == listed
    assert len(pack(raw, tmp_path / "out", name).train_images) == 4
    assert all(map(which_files.is_litter, LITTER)) and not which_files.is_litter("icon.png")


def test_links_are_followed_by_all(raw, source, tmp_path):
    _, test, module = source
    top = write_tree(raw / "set", ("train", test))
    before = module.fingerprint(top), len(pretrained.image_files(top))
    (top / "train" / "a").rename(tmp_path / "elsewhere")
    (top / "train" / "a").symlink_to(tmp_path / "elsewhere")
    (top / test / "b" / "0.png").rename(tmp_path / "moved.png")
    (top / test / "b" / "0.png").symlink_to(tmp_path / "moved.png")
    assert (module.fingerprint(top), len(pretrained.image_files(top))) == before


@pytest.mark.parametrize(
    "make, said",
    [
        (os.mkfifo, "a pipe or device"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe or device"),
        (lambda path: path.symlink_to("nowhere"), "cannot be read (No such file"),
        (lambda path: path.symlink_to(path.name), "cannot be read (Too many levels"),
        (lambda path: path.symlink_to(".."), None),  # a loop of folders
    ],
)
def test_what_cannot_be_read_is_refused_unread(raw, source, make, said):
    _, test, module = source
    top = write_tree(raw / "set", ("train", test))
    make(top / "train" / "a" / "odd.png")
    refused(lambda: module.fingerprint(top), "odd.png", *([said] if said else []))
    refused(lambda: pretrained.image_files(top), "odd.png", said or "a link back to a folder")


def test_a_pipe_is_no_archive_and_no_list(raw):
    os.mkfifo(raw / "pipe")
    refused(lambda: folder.fingerprint(raw / "pipe"), "no such file")
    settings = build(FineTune, {"subset": "pipe", "subset_sha256": "0" * 64})
    refused(lambda: label_list.read_list(settings), "no file")


def test_a_command_and_its_source_agree_on_the_layout(raw, tmp_path, capsys):
    """train/, val/ and test/ in one folder: `folder` reads train and test."""
    top = write_tree(raw / "set", ("train", "val", "test"))

    def printed(*words) -> str:
        assert cli.main(["fingerprint", str(top), *words]) == 0
        return capsys.readouterr().out.strip()

    assert printed() == printed("--source", "folder") == folder.fingerprint(top)
    assert printed("--source", "imagenet") == imagenet.fingerprint(top) != printed()
    for name in SOURCES:
        pack(raw, tmp_path / name, name)
    settings = {"source": "imagenet", "file": "set", "sha256": printed(), "image_size": 8}
    said = f"simclr fingerprint --source imagenet {top}"
    refused(lambda: prepared(tmp_path / "other", **settings), said)
    (top / "test").rename(raw / "moved")
    assert printed() == imagenet.fingerprint(top)


def test_names_of_any_bytes_are_packed(raw, source, tmp_path):
    """Of classes and images: alike in a folder and in an archive, and in any locale."""
    name, test, module = source
    top = write_tree(raw / "set", ("train", test), ("a", LATIN1))
    (top / "train" / "a" / "0.png").rename(top / "train" / "a" / f"{LATIN1}.png")
    data = pack(raw, tmp_path / "out", name)
    assert data.classes == ("a", LATIN1) and len(data.train_images) == 4
    code = f"import sys; from pathlib import Path; from simclr.data.sources import {name}\n"
    code += f"print({name}.fingerprint(Path(sys.argv[1])))"
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for locale in ("C", "C.UTF-8", "en_US.ISO-8859-1"):
        environment = {**os.environ, "LC_ALL": locale, **plain}
        command = [sys.executable, "-c", code, top]
        said = subprocess.check_output(command, env=environment, text=True).strip()
        assert said == module.fingerprint(top), locale
    if name == "folder":
        with tarfile.open(raw / "set.tar", "w", format=tarfile.GNU_FORMAT) as archive:
            archive.add(top, "top")
        with zipfile.ZipFile(raw / "set.zip", "w") as archive:
            for file in top.rglob("*.png"):
                name = str(file.relative_to(top)).replace(LATIN1, "cafX")
                archive.writestr(name, file.read_bytes())
        content = (raw / "set.zip").read_bytes()  # written by Unix, and not said to be UTF-8
        (raw / "set.zip").write_bytes(content.replace(b"cafX", b"caf\xe9"))
        for kind in ("tar", "zip"):
            assert folder.listing(raw / f"set.{kind}") == folder.listing(top)


def test_a_line_break_in_a_name_is_refused_by_both_sources(raw, source):
    _, test, module = source
    top = write_tree(raw / "set", ("train", test))
    (top / "train" / "a" / "0.png").rename(top / "train" / "a" / "two\nlines\x1b[0m.png")
    refused(lambda: module.fingerprint(top), r"two\nlines\x1b[0m.png", "rename it")


def test_names_on_a_list_may_hold_spaces_and_any_bytes(raw, tmp_path):
    names = [f"{LATIN1} 1.png", "b.png"]
    packed.write_names(tmp_path / packed.NAMES, names)
    content = f"{names[0]}\r\n".encode("utf-8", "surrogateescape")
    (raw / "list.txt").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    settings = build(FineTune, {"subset": "list.txt", "subset_sha256": digest})
    assert label_list.listed_rows(settings, tmp_path).tolist() == [0]


@pytest.mark.parametrize(
    "here, there, said",
    [
        (COMPOSED, DECOMPOSED, r"which has 'cafe\u0301' for 'caf\xe9': write both alike"),
        ("Cat", "cat ", "which has 'cat ' for 'Cat': write both alike"),
        ("cat", "dog", "class 'cat' is in train but not in"),
    ],
)
def test_a_class_that_is_spelled_otherwise_is_told(raw, source, here, there, said):
    _, test, module = source
    write_tree(raw / "set", ("train",), ("a", here))
    write_tree(raw / "set", (test,), ("a", there))
    refused(lambda: module.fingerprint(raw / "set"), said)


def test_classes_that_look_the_same_are_refused_and_cases_told(raw, source, tmp_path, capsys):
    name, test, _ = source
    write_tree(raw / "set", ("train", test), ("Cat", "cat", "dog"))
    pack(raw, tmp_path / "out", name)
    assert "classes 'Cat' and 'cat' differ only by case" in capsys.readouterr().err
    for twin in ("dog ", "do\u200bg"):
        looks = {split: {label: ["0.png"] for label in ("dog", twin)} for split in ("train", test)}
        refused(lambda looks=looks: class_names.check(raw, looks, ""), "look the same", ascii(twin))


def test_an_empty_class_is_refused_by_both_sources(raw, source):
    _, test, module = source
    for classes in (("a",), ()):  # beside a good class, and with nothing else
        top = write_tree(raw / f"set{len(classes)}", ("train", test), classes)
        for split in ("train", test):
            (top / split / "empty").mkdir(parents=True)
        refused(lambda top=top: module.fingerprint(top), "train/empty holds no image")


def test_all_bad_images_are_named(raw, tmp_path):
    top = write_tree(raw / "set", images_each=9)
    files = sorted(top.rglob("*.png"))[::2]
    for file in files:
        file.write_bytes(file.read_bytes()[:50])
    names = [str(file.relative_to(top)) for file in files[: images.MAX_NAMED]]
    said = f"{len(files)} of 36 images cannot be used", "and 8 more", *names
    refused(lambda: pack(raw, tmp_path / "out", "folder"), *said)


def test_an_image_that_is_changed_while_it_is_read_is_refused(raw, tmp_path, monkeypatch):
    """After the fingerprint, before it is decoded."""
    top = write_tree(raw / "set")
    listing, calls = folder.listing, []

    def changed(path):
        calls.append(path)
        if len(calls) == 3:  # after that for the right fingerprint, and that of the stage
            picture((9, 9), 99).save(top / "train" / "b" / "1.png")
        return listing(path)

    monkeypatch.setattr(folder, "listing", changed)
    refused(lambda: pack(raw, tmp_path / "out", "folder"), "train/b/1.png was changed")


# -- archives -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
def test_hard_links_in_a_tar_are_read(raw, tmp_path, kind):
    top = write_tree(raw / "set")
    os.link(top / "train" / "a" / "0.png", top / "train" / "a" / "9.png")
    os.link(top / "train" / "b" / "1.png", top / "test" / "b" / "9.png")
    with tarfile.open(raw / f"set.{kind}", f"w:{kind[4:]}") as archive:
        archive.add(top, "./top")
        assert sum(info.islnk() for info in archive.getmembers()) == 2
    settings = {"source": "folder", "image_size": 8}
    tar = {"file": f"set.{kind}", "sha256": folder.fingerprint(raw / f"set.{kind}")}
    one, two = pack(raw, tmp_path / "a", "folder"), prepared(tmp_path / "b", **settings, **tar)
    np.testing.assert_array_equal(one.train_images, two.train_images)
    np.testing.assert_array_equal(one.test_images, two.test_images)


def test_a_remedy_for_a_link_that_cannot_be_read(raw):
    top = write_tree(raw / "set")
    (top / "train" / "a" / "9.png").symlink_to("0.png")
    with tarfile.open(raw / "set.tar", "w") as archive:
        archive.add(top, "top")
    said = ("'top/train/a/9.png' is a link", "unpack it yourself", "tar --dereference")
    with pytest.raises(Exception) as error:
        folder.listing(raw / "set.tar")
    assert all(text in str(error.value) for text in said) and "damaged" not in str(error.value)


def zip_of(path: Path, names, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            info = zipfile.ZipInfo("x")
            info.filename = name
            archive.writestr(info, content)


def test_a_zip_with_backslashes_is_read_or_explained(raw, tmp_path):
    names = [f"{split}\\{label}\\{label}.png" for split in ("train", "test") for label in "ab"]
    zip_of(raw / "set.zip", [*names, "train\\c\\", "train\\c\\..\\0.png"], png(picture((9, 9), 0)))
    refused(lambda: folder.listing(raw / "set.zip"), "unsafe name")  # as with slashes
    zip_of(raw / "set.zip", names, png(picture((9, 9), 0)))
    assert folder.listing(raw / "set.zip")[0] == ("a", "b")
    sha256 = folder.fingerprint(raw / "set.zip")
    made = prepared(tmp_path / "out", source="folder", file="set.zip", sha256=sha256, image_size=8)
    assert len(made.train_images) == 2
    write_tree(raw / "unpacked")  # on a system where a backslash is a character like others
    (raw / "unpacked" / names[0]).touch()
    refused(lambda: folder.listing(raw / "unpacked"), "programs of Windows write backslashes")
    zip_of(raw / "set.zip", [*names, "readme/"], b"")
    refused(lambda: folder.listing(raw / "set.zip"), "programs of Windows write backslashes")


def test_each_fault_of_an_archive_has_its_own_remedy(raw):
    zip_of(raw / "set.zip", [f"{s}/a/0.png" for s in ("train", "test")], b"abc")
    content = bytearray((raw / "set.zip").read_bytes())
    for start in (content.find(b"PK\1\2"), 0):
        content[start + (8 if start else 6)] |= 1  # says that the first member is encrypted
    (raw / "set.zip").write_bytes(content)
    wanted = {"train/a/0.png"}
    refused(
        lambda: list(folder.members(raw / "set.zip", wanted)), "encrypted", "unpack it yourself"
    )
    with pytest.MonkeyPatch.context() as patch:

        def denied(*arguments, **options):
            raise PermissionError(13, "Permission denied")

        patch.setattr(tarfile, "open", denied)
        (raw / "set.tar").touch()
        refused(lambda: folder.listing(raw / "set.tar"), "Permission denied", "fix that")
