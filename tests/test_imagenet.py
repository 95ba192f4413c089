"""Source `imagenet`: the whole path on generated images of its layout, and what it refuses."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from simclr.config import ConfigError, DataError, build
from simclr.data import archives, card, images, label_list, packed
from simclr.data.sources import imagenet, imagenet_files
from simclr.settings.data import Prepare
from simclr.settings.training import FineTune
from simclr.stages import finetune, prepare, pretrain
from tests import jpegs, training
from tests.test_bad_data import refused

CLASSES, TRAIN, VAL = 10, 6, 2
STORED = {"source": "imagenet", "file": "set", "image_size": 32, "fit": "stretch", "view_size": 28}


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A folder with the set `set`, which no test changes."""
    raw = tmp_path_factory.mktemp("imagenet")
    jpegs.write_folder(raw / "set", CLASSES, TRAIN, VAL)
    return raw


@pytest.fixture
def raw(written, tmp_path, monkeypatch) -> Path:
    """The same, to change."""
    shutil.copytree(written, tmp_path / "raw")
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path / "raw"))
    return tmp_path / "raw"


def settings_of(raw: Path, **more) -> Prepare:
    return build(Prepare, {**STORED, "sha256": imagenet.fingerprint(raw / "set"), **more})


def pack(out: Path, settings: Prepare, checkpoint: Path | None = None) -> packed.PackedSet:
    out.mkdir()
    checkpoint = checkpoint or out.parent / "packing.safetensors"
    checkpoint.parent.mkdir(exist_ok=True)
    prepare.run(settings, {}, out, checkpoint, training.silent)
    return packed.load(out)


def test_every_image_is_packed_whole_with_its_shape(raw, tmp_path):
    data = pack(tmp_path / "out", settings_of(raw))
    assert data.classes == tuple(jpegs.class_names(CLASSES)) and data.view_size == 28
    assert data.train_images.shape == (CLASSES * TRAIN, 3, 32, 32)
    assert np.bincount(data.train_labels).tolist() == [TRAIN] * CLASSES
    assert data.train_labels[:CLASSES].tolist() == list(range(CLASSES))  # one of each in turn
    names = (tmp_path / "out" / packed.NAMES).read_text().splitlines()
    kinds = set()
    for row, (name, label) in enumerate(zip(names, data.train_labels, strict=True)):
        file = raw / "set" / "train" / data.classes[label] / name
        image = Image.open(file)
        kinds.add((image.format, image.mode, image.getexif().get(0x0112)))
        whole = images.to_rgb(ImageOps.exif_transpose(image))
        assert data.train_aspects[row] == np.float32(whole.width / whole.height)
        plain = np.asarray(whole.resize((32, 32), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
        # Large JPEG files are decoded at half the size.
        assert abs(data.train_images[row].astype(int) - plain).mean() < 4, name
    modes = {("JPEG", "RGB", None), ("JPEG", "CMYK", None), ("JPEG", "L", None)}
    assert kinds >= modes | {("PNG", "RGBA", None), ("JPEG", "RGB", jpegs.TURNED)}
    assert not list((tmp_path).glob("packing*"))  # nothing is left of what was packed so far


def test_tar_files_are_the_same_set(raw, tmp_path):
    settings = settings_of(raw)
    pack(tmp_path / "folders", settings)
    jpegs.write_tars(raw / "set", raw / "tars")
    assert imagenet.fingerprint(raw / "tars") == settings.sha256
    pack(tmp_path / "tars", settings_of(raw, file="tars"))
    assert training.contents(tmp_path / "tars") == training.contents(tmp_path / "folders")


PACKING = """
import json, sys
from pathlib import Path
from simclr.data.sources import packing
from simclr.settings.data import Prepare
from simclr.stages import prepare
from simclr.config import build

packing.SAVE_SECONDS, packing.CHUNK = 0.0, 4
out = Path(sys.argv[1])
out.mkdir()
def report(done, text):
    print(done, flush=True)
prepare.run(build(Prepare, json.loads(sys.argv[2])), {}, out, Path(sys.argv[3]), report)
"""


def test_a_killed_packing_goes_on_to_the_same_bytes(raw, tmp_path):
    settings = settings_of(raw)
    pack(tmp_path / "undisturbed", settings)
    checkpoint = tmp_path / "packing.safetensors"
    values = {**STORED, "sha256": settings.sha256}
    command = [sys.executable, "-c", PACKING, tmp_path / "killed", json.dumps(values), checkpoint]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if float(line) > 0.4:
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    marks = np.load(checkpoint.with_name("packing.train_digests.npy"), mmap_mode="r")
    done = int(marks.any(1).sum())
    assert 0 < done < len(marks)
    del marks
    # What is packed already is not decoded again: half of the files of the first are gone.
    decoded = []
    original = imagenet_files.Piece.read

    def read(piece):
        decoded.append(piece.name)
        return original(piece)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(imagenet_files.Piece, "read", read)
        pack(tmp_path / "resumed", settings, checkpoint)
    assert len(decoded) <= CLASSES * (TRAIN + VAL) - done
    assert training.contents(tmp_path / "resumed") == training.contents(tmp_path / "undisturbed")


def fail_after_packing(out, settings, checkpoint, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(card, "data_card", lambda about: {}["no card"])
        with pytest.raises(KeyError):
            pack(out, settings, checkpoint)


def test_what_fails_after_the_packing_loses_nothing(raw, tmp_path, monkeypatch):
    settings, checkpoint = settings_of(raw), tmp_path / "packing.safetensors"
    pack(tmp_path / "undisturbed", settings)
    fail_after_packing(tmp_path / "failed", settings, checkpoint, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(imagenet_files.Piece, "read", None)
        pack(tmp_path / "again", settings, checkpoint)
    assert training.contents(tmp_path / "again") == training.contents(tmp_path / "undisturbed")


@pytest.mark.parametrize("kind", ["images", "aspects"])
def test_a_packing_whose_images_are_gone_is_not_taken_for_done(raw, tmp_path, monkeypatch, kind):
    """As where it was stopped while it moved its arrays: their digests say that all is packed."""
    settings, checkpoint = settings_of(raw), tmp_path / "packing.safetensors"
    pack(tmp_path / "undisturbed", settings)
    fail_after_packing(tmp_path / "failed", settings, checkpoint, monkeypatch)
    checkpoint.with_name(f"packing.train_{kind}.npy").unlink()
    pack(tmp_path / "again", settings, checkpoint)
    assert training.contents(tmp_path / "again") == training.contents(tmp_path / "undisturbed")


def test_broken_images_are_named_and_the_others_kept(raw, tmp_path):
    settings = settings_of(raw)
    pack(tmp_path / "good", settings)
    files = sorted((raw / "set" / "train").glob("*/*"))
    kept = {file: file.read_bytes() for file in files[:3]}
    files[0].write_bytes(kept[files[0]][:200])
    files[1].write_bytes(b"")
    files[2].write_bytes(b"<html>not found</html>")
    checkpoint = tmp_path / "packing.safetensors"
    names = [f"{file.parent.name}/{file.name}" for file in kept]
    refused(lambda: pack(tmp_path / "bad", settings, checkpoint), "3 of 80", *names)
    for file, content in kept.items():
        file.write_bytes(content)
    pack(tmp_path / "mended", settings, checkpoint)
    assert training.contents(tmp_path / "mended") == training.contents(tmp_path / "good")


def test_other_images_are_not_taken_for_those_packed_before(raw, tmp_path):
    checkpoint = tmp_path / "packing.safetensors"
    first = sorted((raw / "set" / "train").glob("*/*"))[0]
    first.write_bytes(b"")
    with pytest.raises(DataError):
        pack(tmp_path / "bad", settings_of(raw), checkpoint)
    first.rename(first.with_name("other.JPEG"))
    first.with_name("other.JPEG").write_bytes(jpegs.encoded(999, 64.0))
    data = pack(tmp_path / "good", settings_of(raw), checkpoint)
    names = (tmp_path / "good" / packed.NAMES).read_text().splitlines()
    assert "other.JPEG" in names and data.train_images[names.index("other.JPEG")].any()
    assert imagenet.fingerprint(raw / "set") in (tmp_path / "good" / "data.json").read_text()


def test_changed_content_is_refused(raw, tmp_path):
    settings = settings_of(raw)
    file = sorted((raw / "set" / "val").glob("*/*"))[3]
    file.write_bytes(jpegs.encoded(12345, 64.0))
    refused(lambda: pack(tmp_path / "out", settings), "content's SHA-256", settings.sha256)


def test_what_is_not_imagenet_is_refused_before_it_is_read(raw, tmp_path):
    """Without sha256 the set must be ImageNet itself."""
    settings = build(Prepare, STORED)
    missing = jpegs.class_names(11)[10]
    refused(lambda: prepare.check(settings), f"class '{missing}' of ImageNet's 1,000 is missing")
    for name in jpegs.class_names(1000)[CLASSES:]:
        for split in ("train", "val"):
            same = raw / "set" / split / jpegs.class_names(1)[0]
            shutil.copytree(same, raw / "set" / split / name, copy_function=os.link)
    prepare.check(settings)
    refused(lambda: pack(tmp_path / "few", settings), "6,000 images in train", "1,281,167")
    (raw / "set" / "val" / "tench").mkdir()
    refused(lambda: prepare.check(settings), "'tench' is no class of ImageNet")


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda top: shutil.rmtree(top / "val"), "'val' is missing"),
        (lambda top: shutil.rmtree(top / "val" / "n01440764"), "in train but not in val"),
        (lambda top: shutil.rmtree(top / "train" / "n01440764"), "in val but not in train"),
        (lambda top: (top / "train" / "list.txt").write_text(""), "list.txt: out of place"),
        (lambda top: (top / "train" / "n01440764" / "more").mkdir(), "more: not an image file"),
    ],
)
def test_a_folder_of_another_layout_is_refused(raw, tmp_path, spoil, said):
    settings = settings_of(raw)
    spoil(raw / "set")
    refused(lambda: pack(tmp_path / "out", settings), said)


def test_names_of_any_bytes_are_packed_but_a_line_break_is_refused(raw, tmp_path):
    image = sorted((raw / "set" / "train").glob("*/*"))[0]
    name = b"not-utf8-\xff.JPEG".decode("utf-8", "surrogateescape")
    image = image.rename(image.with_name(name))
    pack(tmp_path / "out", settings_of(raw))
    assert name in packed.read_names(tmp_path / "out" / packed.NAMES)
    image.rename(image.with_name("two\nlines.JPEG"))
    refused(lambda: imagenet.fingerprint(raw / "set"), r"two\nlines.JPEG", "rename it")


def test_damaged_tar_files_are_refused(raw, tmp_path):
    settings = settings_of(raw)
    train, val, devkit = (raw / "tars" / name for name in imagenet_files.TARS)

    def again(*said):
        refused(lambda: pack(tmp_path / f"o{time.monotonic_ns()}", tars), *said)

    tars = build(Prepare, {**STORED, "sha256": settings.sha256, "file": "tars"})
    jpegs.write_tars(raw / "set", raw / "tars")
    content = devkit.read_bytes()
    devkit.write_bytes(content[: len(content) // 2])
    again(devkit.name)
    devkit.unlink()
    again(f"'{devkit.name}' is missing")
    devkit.write_bytes(content)
    content = train.read_bytes()
    train.write_bytes(content[: len(content) // 2])
    again(train.name)
    train.write_bytes(content)
    images_ = sorted((raw / "set" / "val").glob("*/*"))
    images_[0].unlink()
    shutil.rmtree(raw / "tars")
    jpegs.write_tars(raw / "set", raw / "tars")
    (raw / "whole").mkdir()
    # A list of labels that is longer than the archive of images.
    shutil.copytree(raw / "set", raw / "set2")
    sorted((raw / "set2" / "val").glob("*/*"))[0].unlink()
    jpegs.write_tars(raw / "set2", raw / "tars2")
    shutil.copy(raw / "tars2" / val.name, val)
    again(val.name, "18 images", "labels 19")


def test_a_huge_file_is_refused_unread(raw, tmp_path, monkeypatch):
    """An image, in a folder or in the tar files, or the labels, of more bytes than those have."""
    settings = settings_of(raw)
    jpegs.write_tars(raw / "set", raw / "tars")
    tars = build(Prepare, {**STORED, "sha256": settings.sha256, "file": "tars"})
    largest = max(
        (p for _, p in imagenet_files.listing(raw / "set")[1]["train"]), key=lambda p: p.size
    )
    monkeypatch.setattr(archives, "MAX_BYTES", largest.size - 1)
    for number, one in enumerate((settings, tars)):
        said = (f"{largest.name}: {largest.size:,} bytes, no image", "the others are packed")
        refused(lambda one=one, k=number: pack(tmp_path / f"out{k}", one), *said)
    refused(lambda: imagenet.fingerprint(raw / "set"), "no image; remove it")
    monkeypatch.setattr(archives, "MAX_BYTES", 10)
    refused(lambda: pack(tmp_path / "labels", tars), "meta.mat' is", "bytes")


def test_a_full_disk_is_seen_before_anything_is_packed(raw, tmp_path):
    """On a real small file system: there, nothing is left that looks like a packed set."""
    settings = settings_of(raw)
    script = f"""
        mount -t tmpfs -o size=200k none {tmp_path / "small"} || exit 9
        {sys.executable} -c "$PACKING" {tmp_path / "small"}/out "$VALUES" {tmp_path / "small"}/c
        echo status $?; ls {tmp_path / "small"}/out
    """
    (tmp_path / "small").mkdir()
    values = json.dumps({**STORED, "sha256": settings.sha256})
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        env={**os.environ, "PACKING": PACKING, "VALUES": values},
        capture_output=True,
        text=True,
    )
    if done.returncode == 9 or "unshare" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    assert "status 1" in done.stdout and "make room" in done.stderr.splitlines()[-1]
    assert "DataError" in done.stderr and "images.npy" not in done.stdout


def test_a_balanced_subset_is_packed_of_some_classes_images(raw, tmp_path):
    settings = settings_of(raw, train_images=20, test_images=10, fit="crop", view_size=0)
    data = pack(tmp_path / "out", settings)
    assert np.bincount(data.train_labels).tolist() == [2] * CLASSES
    assert data.train_aspects is None and data.view_size == 0


def test_a_list_of_names_chooses_the_images_of_finetuning(raw, tmp_path):
    pack(tmp_path / "data", settings_of(raw))
    names = (tmp_path / "data" / packed.NAMES).read_text().splitlines()
    chosen = names[::3]
    settings = listed(raw, chosen[::-1])
    rows = label_list.listed_rows(settings, tmp_path / "data")
    assert [names[row] for row in rows] == chosen
    out = training.run(finetune, settings, tmp_path / "data", tmp_path / "tuned")
    assert f'"images": {len(chosen)}' in (out / "metrics.json").read_text()


def listed(raw: Path, names: list[str]) -> FineTune:
    """Settings with a list of these names."""
    content = "".join(f"{name}\n" for name in names).encode()
    (raw / "list.txt").write_bytes(content)
    values = {
        "encoder": training.ENCODER,
        "views": {"operators": ["crop", "flip"]},
        "optimizer": {"kind": "sgd", "warmup_epochs": 0},
        "batch_size": 10,
        "epochs": 1,
        "subset": "list.txt",
        "subset_sha256": hashlib.sha256(content).hexdigest(),
    }
    return build(FineTune, values)


def test_a_wrong_list_is_refused(raw, tmp_path):
    pack(tmp_path / "data", settings_of(raw))
    names = (tmp_path / "data" / packed.NAMES).read_text().splitlines()
    data = tmp_path / "data"
    refused(
        lambda: label_list.listed_rows(listed(raw, ["n1_1.JPEG", names[0]]), data),
        "1 of 2",
        "n1_1.JPEG",
    )
    refused(
        lambda: label_list.read_list(listed(raw, [names[0]] * 2)),
        f"'{names[0]}' is listed twice",
    )
    refused(lambda: label_list.read_list(listed(raw, [])), "empty")
    settings = listed(raw, names[:20])
    (raw / "list.txt").write_text(names[0])
    refused(lambda: label_list.read_list(settings), "subset_sha256", "get the list again")
    (raw / "list.txt").write_bytes(b"\xff\xfe\x00")
    refused(lambda: label_list.read_list(settings), "list.txt: ")
    (raw / "list.txt").unlink()
    refused(lambda: label_list.read_list(settings), "list.txt")
    with pytest.raises(ConfigError, match="give both"):
        build(FineTune, {"subset": "list.txt"})
    shutil.rmtree(data)
    patterns = training.prepare_data(tmp_path / "patterns")
    refused(
        lambda: label_list.listed_rows(listed(raw, names), patterns), "have no names", "`labels`"
    )


def test_training_on_it_works(raw, tmp_path):
    """The path from files to an encoder: views of another side than what is stored."""
    pack(tmp_path / "data", settings_of(raw))
    settings = training.pretrain_settings(epochs=1)
    out = training.run(pretrain, settings, tmp_path / "data", tmp_path / "trained")
    assert (out / "encoder.safetensors").stat().st_size > 1000


@pytest.mark.slow
def test_thousands_of_images(tmp_path, monkeypatch):
    """Some thousands, with a few broken ones that are then replaced."""
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(images, "MAX_NAMED", 5)
    top = jpegs.write_folder(tmp_path / "set", classes=50, train=40, val=4, side=48.0)
    files = sorted((top / "train").glob("*/*"))
    broken = {file: file.read_bytes() for file in files[::300]}
    settings = settings_of(tmp_path)
    for file, content in broken.items():
        file.write_bytes(content[: len(content) // 3])
    checkpoint = tmp_path / "packing.safetensors"
    said = (f"{len(broken)} of 2,200 images cannot be used", "and 2 more", files[0].name)
    refused(lambda: pack(tmp_path / "bad", settings, checkpoint), *said)
    for file, content in broken.items():
        file.write_bytes(content)
    data = pack(tmp_path / "good", settings, checkpoint)
    assert len(data.train_images) == 2000 and (data.train_images.reshape(2000, -1).std(1) > 5).all()
