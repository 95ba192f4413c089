"""Stage `prepare`: the embedded patterns, folders and archives of images, CIFAR-10's download."""

import hashlib
import io
import json
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from simclr.config import DataError
from simclr.data import images, location, packed
from simclr.data.sources import folder, patterns
from simclr.settings.data import Prepare
from simclr.stages import prepare
from tests import jpegs

REAL = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "cifar10-jpeg75.tar.xz"


def quiet(done, text):
    pass


def prepared(out: Path, **settings) -> packed.PackedSet:
    """Run the stage into the new folder `out` and open the result."""
    out.mkdir()
    prepare.run(Prepare(**settings), {}, out, out / "no-checkpoint", quiet)
    return packed.load(out)


def picture(size, seed: int) -> Image.Image:
    """A smooth random RGB picture (width, height)."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize(size)


def write_tree(top: Path, classes=("bee", "ant"), train=5, test=3, size=(20, 14)) -> Path:
    """Write train/CLASS/NUMBER.png and test/CLASS/NUMBER.png, every image different."""
    seed = 0
    for split, count in (("train", train), ("test", test)):
        for label in classes:
            (top / split / label).mkdir(parents=True)
            for number in range(count):
                seed += 1
                picture(size, seed).save(top / split / label / f"{number}.png")
    return top


def digest(out: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir())}


@pytest.fixture
def raw(tmp_path, monkeypatch) -> Path:
    """An empty folder of raw data."""
    (tmp_path / "raw").mkdir()
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path / "raw"))
    return tmp_path / "raw"


# The embedded patterns.


def test_patterns_are_packed_with_card_and_sheet(tmp_path):
    data = prepared(tmp_path / "a", image_size=16, train_images=205, test_images=100, seed=3)
    assert data.train_images.shape == (205, 3, 16, 16) and data.train_images.dtype == np.uint8
    assert isinstance(data.train_images, np.memmap) and not data.train_images.flags.writeable
    assert np.bincount(data.train_labels).tolist() == [21] * 5 + [20] * 5
    assert np.bincount(data.test_labels).tolist() == [10] * 10
    assert data.classes == patterns.CLASSES["textures"] and len(set(data.classes)) == 10
    about = json.loads((tmp_path / "a" / "data.json").read_text())
    assert about["train_counts"] == [21] * 5 + [20] * 5 and about["source"] == "patterns"
    scaled = data.train_images.astype(np.float64) / 255
    np.testing.assert_allclose(about["channel_means"], scaled.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(about["channel_deviations"], scaled.std((0, 2, 3)), atol=1e-6)
    card = (tmp_path / "a" / "data_card.md").read_text()
    assert "205 training and 100 test images of 16 x 16" in card and "| stripes | 21 | 10 |" in card
    sheet = np.asarray(Image.open(tmp_path / "a" / "contact_sheet.png"))
    assert sheet.shape == (10 * 68 + 4, 12 * 68 + 4, 3)
    first = data.train_images[0].transpose(1, 2, 0).repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(sheet[4:68, 4:68], first)


def test_patterns_are_the_same_bytes_every_time(tmp_path):
    same = dict(image_size=16, train_images=60, test_images=40)
    prepared(tmp_path / "a", **same)
    prepared(tmp_path / "b", **same)
    prepared(tmp_path / "c", **same, seed=1)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert digest(tmp_path / "a")["train_images.npy"] != digest(tmp_path / "c")["train_images.npy"]


def test_seeds_and_splits_are_different_images():
    drawn = [
        patterns.generate(50, 16, seed, split)[0] for seed in (0, 1) for split in folder.SPLITS
    ]
    flat = np.concatenate(drawn).reshape(200, -1)
    assert len(np.unique(flat, axis=0)) == 200
    for a in range(4):
        for b in range(a):
            assert abs(drawn[a].astype(int) - drawn[b]).mean() > 30


def test_patterns_fill_any_size():
    for side in (8, 13, 64):
        drawn, _ = patterns.generate(20, side, 0, "train")
        assert drawn.shape == (20, 3, side, side)
        assert (drawn.reshape(20, -1).std(1) > 10).all()  # every image shows something


def probe(train, train_labels, test, test_labels) -> float:
    """Test accuracy in percent of a ridge regression from standardised features to the labels."""
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    train, test = ((np.c_[(x - mean) / deviation, np.ones(len(x))]) for x in (train, test))
    gram = train.T @ train + 10.0 * np.eye(train.shape[1])
    weights = np.linalg.solve(gram, train.T @ np.eye(10)[train_labels])
    return 100 * float(((test @ weights).argmax(1) == test_labels).mean())


def colours(drawn: np.ndarray) -> np.ndarray:
    """Colour histograms, 64 bins, and channel means: [N, 67]."""
    bins = (drawn[:, 0] // 64 * 16 + drawn[:, 1] // 64 * 4 + drawn[:, 2] // 64).reshape(
        len(drawn), -1
    )
    counts = np.stack([np.bincount(row, minlength=64) for row in bins])
    return np.c_[counts, drawn.mean((2, 3))].astype(np.float64)


def test_class_is_the_pattern_and_partly_the_colour():
    train, train_labels = patterns.generate(3000, 16, 0, "train")
    test, test_labels = patterns.generate(2000, 16, 0, "test")
    by_colour = probe(colours(train), train_labels, colours(test), test_labels)
    pixels = [x.reshape(len(x), -1).astype(np.float64) for x in (train, test)]
    by_pixels = probe(pixels[0], train_labels, pixels[1], test_labels)
    # What a small network can see: statistics of luminance differences at several distances.
    by_texture = probe(texture(train), train_labels, texture(test), test_labels)
    assert 45 < by_colour < 70 and by_pixels < 45, (by_colour, by_pixels)
    assert by_texture > by_colour + 20, by_texture


def texture(drawn: np.ndarray) -> np.ndarray:
    """Mean absolute differences of luminance at all offsets up to 5 pixels, normalised: [N, 60]."""
    gray = drawn.astype(np.float64).mean(1)
    features = []
    for down in range(6):
        for right in range(-5, 6):
            if down > 0 or right > 0:
                a = gray[:, down:, max(right, 0) : 16 + min(right, 0)]
                b = gray[:, : 16 - down, max(-right, 0) : 16 - max(right, 0)]
                features.append(abs(a - b).mean((1, 2)))
    features = np.stack(features, 1)
    return features / features.mean(1, keepdims=True)


def test_an_image_is_recognised_by_its_palette():
    """The shortcut of paper 3.1: colour alone tells which other half comes from the same image."""
    drawn, _ = patterns.generate(200, 16, 0, "train")
    means = [half.mean((2, 3)) for half in (drawn[..., :8], drawn[..., 8:])]
    left, right = (mean / mean.sum(1, keepdims=True) for mean in means)  # brightness aside
    distance = ((left[:, None] - right[None]) ** 2).sum(-1)
    assert (distance.argmin(1) == np.arange(200)).mean() > 0.3  # by chance 0.005


# Folders and archives.


def test_directory_tar_and_zip_of_one_tree_are_the_same_set(raw, tmp_path):
    write_tree(raw / "tree")
    with tarfile.open(raw / "tree.tar.xz", "w:xz") as archive:
        archive.add(raw / "tree", "some-name-1.0")  # below one top folder
    with tarfile.open(raw / "tree.tar", "w") as archive:  # the other way round, from within
        for path in sorted((raw / "tree").rglob("*"), reverse=True):
            archive.add(path, f"./{path.relative_to(raw / 'tree')}", recursive=False)
    with zipfile.ZipFile(raw / "tree.zip", "w") as archive:
        archive.writestr("README.md", "ignored")
        archive.writestr("__MACOSX/train/bee/._0.png", "ignored")
        for path in sorted((raw / "tree").rglob("*.png")):
            archive.write(path, path.relative_to(raw / "tree"))
    made = []
    for file in ("tree", "tree.tar.xz", "tree.tar", "tree.zip"):
        sha256 = folder.fingerprint(location.locate(file))
        out = tmp_path / f"out-{file}"
        data = prepared(out, source="folder", file=file, sha256=sha256, image_size=16)
        made.append(
            {k: v for k, v in digest(out).items() if k not in ("data.json", "data_card.md")}
        )
        assert data.classes == ("ant", "bee")
        assert data.train_labels.tolist() == [0, 1] * 5 and data.test_labels.tolist() == [0, 1] * 3
    assert len(made[0]) == 5 and made.count(made[0]) == 4


def test_the_content_of_a_directory_has_one_fingerprint(raw):
    write_tree(raw / "a")
    first = folder.fingerprint(raw / "a")
    for path in sorted((raw / "a").rglob("*.png"), reverse=True):  # another order, another place
        target = raw / "b" / "top" / path.relative_to(raw / "a")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (raw / "b" / "top" / "train" / "ant" / ".DS_Store").write_text("ignored")
    assert folder.fingerprint(raw / "b") == first
    (raw / "b/top/train/ant/0.png").rename(raw / "b/top/train/ant/00.png")
    renamed = folder.fingerprint(raw / "b")
    shutil.copyfile(raw / "a/train/ant/1.png", raw / "b/top/train/ant/00.png")
    assert len({first, renamed, folder.fingerprint(raw / "b")}) == 3


def test_order_does_not_depend_on_the_file_system(raw, monkeypatch):
    write_tree(raw / "a")
    before = folder.listing(raw / "a"), folder.fingerprint(raw / "a")
    scan, iterate = os.scandir, Path.iterdir
    monkeypatch.setattr(os, "scandir", lambda p: sorted(scan(p), key=lambda e: e.name)[::-1])
    monkeypatch.setattr(Path, "iterdir", lambda p: reversed(sorted(iterate(p))))
    assert (folder.listing(raw / "a"), folder.fingerprint(raw / "a")) == before


def test_subsets_are_balanced_and_chosen_by_the_seed(raw, tmp_path):
    write_tree(raw / "a", classes=("x", "y", "z"), train=9, test=4)
    sha256 = folder.fingerprint(raw / "a")
    same = dict(source="folder", file="a", sha256=sha256, image_size=8)
    every = prepared(tmp_path / "all", **same)
    sets = [
        prepared(tmp_path / f"{name}", **same, train_images=14, test_images=6, seed=seed)
        for name, seed in (("one", 0), ("again", 0), ("two", 1))
    ]
    rows = {image.tobytes(): label for image, label in zip(every[0], every[1], strict=True)}
    for data in sets:
        assert sorted(np.bincount(data.train_labels)) == [4, 5, 5]
        assert np.bincount(data.test_labels).tolist() == [2, 2, 2]
        found = [rows[image.tobytes()] for image in data.train_images]  # each with its own label
        assert found == data.train_labels.tolist()
        assert len({image.tobytes() for image in data.train_images}) == 14
    assert digest(tmp_path / "one") == digest(tmp_path / "again")
    assert sets[0].train_images.tobytes() != sets[2].train_images.tobytes()


def test_large_images_decoded_in_threads_keep_their_places(monkeypatch):
    monkeypatch.setattr(images, "SMALL", 0)
    monkeypatch.setattr(images, "CHUNK", 3)
    encoded = []
    for number in range(40):
        encoded.append(png(Image.new("RGB", (9 + number, 30), (number, 2 * number, 255 - number))))
    array, reports = np.zeros((40, 3, 8, 8), np.uint8), []
    triples = ((array[i], str(i), content) for i, content in enumerate(encoded))
    images.decode_all(triples, 40, 8, lambda done, text: reports.append(done))
    expected = np.array([(n, 2 * n, 255 - n) for n in range(40)])[:, :, None, None]
    assert (array == expected).all() and reports == sorted(reports) and reports[-1] == 1.0


def png(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", **options})
    return buffer.getvalue()


def test_any_mode_becomes_rgb():
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
    expected = np.stack([gray] * 3)
    deep = Image.fromarray((gray.astype(np.uint16) << 8) + 7)
    for image in (Image.fromarray(gray), Image.fromarray(expected.transpose(1, 2, 0)), deep):
        np.testing.assert_array_equal(images.decode(png(image), 8, "x"), expected)
    palette = Image.fromarray(gray).convert("P")
    np.testing.assert_array_equal(images.decode(png(palette), 8, "x"), expected)
    clear = Image.new("RGBA", (8, 8), (200, 0, 0, 0))
    clear.paste((200, 0, 0, 255), (0, 0, 4, 8))
    made = images.decode(png(clear), 8, "x")
    assert (made[:, :, :4] == np.array([200, 0, 0])[:, None, None]).all()
    assert (made[:, :, 4:] == 255).all()
    cmyk = images.decode(png(Image.new("CMYK", (8, 8)), format="JPEG"), 8, "x")
    assert cmyk.shape == (3, 8, 8) and (cmyk > 250).all()


def test_resize_takes_the_centred_square_without_aliasing():
    wide = np.zeros((64, 128, 3), np.uint8)
    wide[:, 32:96] = np.indices((64, 64)).sum(0)[..., None] % 2 * 255  # one-pixel checks
    made = images.decode(png(Image.fromarray(wide)), 16, "x")
    assert abs(made[:, 1:-1, 1:-1].astype(int) - 128).max() <= 3  # averaged, not picked
    assert images.decode(png(Image.new("RGB", (3, 5), "red")), 16, "x")[0].min() == 255  # enlarged


def test_exif_orientation_is_applied():
    image = Image.new("RGB", (8, 8), "black")
    image.paste((255, 255, 255), (0, 0, 8, 4))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # rotated by 180 degrees
    made = images.decode(png(image, format="JPEG", quality=95, exif=exif), 8, "x")
    assert made[:, :3].max() < 20 and made[:, 5:].min() > 235


def test_full_disk_is_an_error_before_the_images_are_read(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match="No space left on device; make room"):
        prepared(tmp_path / "a", image_size=16, train_images=60, test_images=40)
    assert not (tmp_path / "a" / "train_images.npy").exists()


@pytest.mark.slow  # lists the 60,000 images of an archive twice
@pytest.mark.skipif(not REAL.is_file(), reason="needs the real images of ../shared/data")
def test_real_photographs(tmp_path, monkeypatch):
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(REAL.parent))
    same = dict(source="folder", file=REAL.name, sha256=folder.fingerprint(REAL))
    data = prepared(tmp_path / "a", **same, image_size=16, train_images=300, test_images=100)
    assert data.classes[0] == "airplane" and len(data.classes) == 10
    assert np.bincount(data.train_labels).tolist() == [30] * 10
    assert np.bincount(data.test_labels).tolist() == [10] * 10
    about = json.loads((tmp_path / "a" / "data.json").read_text())
    # CIFAR-10's well-known channel means; 300 images estimate them to about 0.01.
    np.testing.assert_allclose(about["channel_means"], (0.4914, 0.4822, 0.4465), atol=0.04)
    # Reduced by two, a photograph is close to the means of its 2x2 blocks.
    with tarfile.open(REAL) as archive:
        for info in archive:
            if info.name.endswith("train/airplane/0000.jpg"):
                content = archive.extractfile(info).read()
                break
    small = images.decode(content, 16, "x")
    full = images.decode(content, 32, "x").astype(float).reshape(3, 16, 2, 16, 2).mean((2, 4))
    assert abs(small - full).mean() < 6


def test_an_image_file_of_any_kind_decodes_as_it_looks():
    """Alpha over white, CMYK and gray as RGB, and EXIF's turn."""
    for number in range(8):
        image, kind = jpegs.picture(number, 64.0)
        made, aspect = images.decode_whole(jpegs.encoded(number, 64.0), 16, "x")
        assert made.shape == (3, 16, 16)
        turned = (image.height, image.width) if kind == "turned" else image.size
        assert aspect == turned[0] / turned[1]
        if kind == "L":
            assert (made[0] == made[1]).all() and (made[1] == made[2]).all()
    file = io.BytesIO()
    Image.new("RGBA", (20, 10), (255, 0, 0, 0)).save(file, "PNG")
    assert (images.decode_whole(file.getvalue(), 16, "x")[0] == 255).all()
