"""Input by the hundred, made by Hypothesis: never a hang, a wrong result, or a stack trace.

Every reader of what a user or a disk may give either returns something valid or raises ConfigError
(DataError is one) of one line. `python -m tests.fuzz` tries fifty times as many and counts.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as some
from PIL import Image

from simclr.config import ConfigError, build, to_dict
from simclr.data import images, label_list, packed
from simclr.data.sources import cifar10, folder, imagenet_files
from simclr.models import weights
from simclr.models.resnet import build_encoder
from simclr.registry import STAGES
from simclr.settings.training import Encoder, FineTune
from simclr.store import results
from tests import jpegs, test_cifar10
from tests.fuzz import PROFILES, TREES, WRONG, damaged, numbers, refuses
from tests.test_images import chunk, with_chunk
from tests.training import prepare_data
from workflow import catalog, pretrained
from workflow.planning.scale import Scale, load_scale
from workflow.publishing import published

if settings.get_current_profile_name() not in PROFILES:  # before the tests: they keep what is set
    settings.load_profile("short")


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
@given(values=TREES)
def test_settings(stage, values):
    cls = STAGES[stage].settings
    if not refuses(build, cls, values):
        made = build(cls, values)
        assert build(cls, json.loads(json.dumps(to_dict(made), allow_nan=False))) == made


GRIDS = [m.Grid for m in map(catalog.module, catalog.names()) if hasattr(m, "Grid")]


@pytest.mark.parametrize("cls", [*(s.settings for s in STAGES.values()), Scale, *GRIDS])
def test_every_number_has_a_range(cls):
    """Below, above, not finite, of another type: one line that names the field."""
    others = {"title": "a", "seeds": [0], "base": {}, "experiments": {}} if cls is Scale else {}
    for path, is_list in numbers(cls):
        for wrong in WRONG:
            if (path[-1], wrong) == ("weights_seed", -1):
                continue  # it stands for `seed`
            value = [wrong] if is_list else wrong
            for name in reversed(path):
                value = {name: value}
            with pytest.raises(ConfigError) as caught:
                build(cls, {**others, **value})
            said = str(caught.value)
            assert said.startswith(".".join(path)) and "\n" not in said, f"{path}: {wrong!r}"


@given(text=some.text(max_size=60) | TREES.map(yaml.safe_dump) | some.binary(max_size=40))
def test_scales(tmp_path_factory, text):
    where = tmp_path_factory.mktemp("scales")
    content = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    (where / "mine.yaml").write_bytes(content)
    assert refuses(load_scale, "mine", where)  # none of these is a whole scale


@pytest.mark.parametrize("parents", [{"a": "a"}, {"a": "b", "b": "a"}])
def test_scales_that_extend_themselves(tmp_path, parents):
    for name, parent in parents.items():
        (tmp_path / f"{name}.yaml").write_text(f"extends: {parent}\n")
    with pytest.raises(ConfigError, match="extends itself"):
        load_scale("a", tmp_path)


LAUGHS = ", ".join(
    ["&a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    + [f"&a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10)]
)


@pytest.mark.parametrize("place", ["title", "seeds", "base", "experiments", "extends"])
@pytest.mark.parametrize("value", [f"[{LAUGHS}]", "&a [*a]", "&a {b: *a}"])
def test_aliases_of_aliases(tmp_path, place, value):
    """Ten billion values in 700 bytes, or endless ones: refused at once, not checked or shown."""
    (tmp_path / "mine.yaml").write_text(f"{place}: {value}\n")
    with pytest.raises(ConfigError, match="more than 10,000 values"):
        load_scale("mine", tmp_path)


# -- bytes of files, damaged ----------------------------------------------------------------------


def encoded(kind: str, mode: str = "RGB") -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 15, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "kind, mode", [("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "CMYK"), ("GIF", "P"), ("TIFF", "L")]
)
@given(data=some.data())
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_images(kind, mode, data):
    content = data.draw(damaged(encoded(kind, mode)))
    if not refuses(images.decode, content, 8, "one"):
        made = images.decode(content, 8, "one")
        assert made.shape == (3, 8, 8) and made.dtype == np.uint8


@some.composite
def odd_images(draw) -> tuple[bytes, int]:
    """(an image file whose meaning is odd, the value of white that is said; 0: none)."""
    deepest = draw(some.sampled_from([255, 4095, 32767, 32768, 65535]))
    dtypes = [np.uint8, np.uint16, np.int32] if deepest > 255 else [np.uint8]
    dtype = draw(some.sampled_from(dtypes))
    kind = "TIFF" if dtype == np.int32 else draw(some.sampled_from(["PNG", "TIFF"]))
    values = np.linspace(0, min(deepest, np.iinfo(dtype).max), 99).reshape(9, 11).astype(dtype)
    pictures = [Image.fromarray(values)] * draw(some.integers(1, 3))
    if kind == "TIFF" and draw(some.booleans()):
        pictures.insert(0, Image.fromarray(values[:3, :4]))  # a thumbnail
    more = {"exif": Image.Exif()}
    more["exif"][0x0112] = draw(some.integers(0, 9))
    if kind == "TIFF" or dtype == np.uint8:
        more |= {"save_all": True, "append_images": pictures[1:]}
    buffer = io.BytesIO()
    pictures[0].save(buffer, kind, **more)
    content = buffer.getvalue()
    if kind == "PNG" and draw(some.booleans()):
        name = draw(some.sampled_from([b"eXIf", b"zTXt", b"iTXt", b"iCCP", b"acTL", b"tIME"]))
        content = with_chunk(content, chunk(name, draw(some.binary(max_size=60))))
    return content, draw(some.sampled_from([0, 0, deepest]))


@given(odd=odd_images())
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_odd_images(odd):
    """Used with the whole range of brightness, right or as a mirror image, or refused."""
    content, white = odd
    reading = images.Reading(white_level=white)
    if not refuses(images.decode, content, 9, "one", reading):
        made = images.decode(content, 9, "one", reading)
        assert made.min() < 40 and made.max() > 120, (made.min(), made.max())


BYTES = [
    b"train",
    b"test",
    b"unlabelled",
    b"a",
    b"caf\xe9",
    b".x",
    b"Thumbs.db",
    b"Icon\r",
    b"n\nl",
]


@given(data=some.data())
def test_folders(tmp_path_factory, data):
    """Files, folders, links and pipes of any names: `fingerprint` and `features` say the same."""
    top = os.fsencode(tmp_path_factory.mktemp("folders"))
    for split in (b"train", b"test"):
        os.makedirs(os.path.join(top, split, b"a"))
        open(os.path.join(top, split, b"a", b"0.png"), "wb").close()
    for _ in range(data.draw(some.integers(0, 4))):
        parts = data.draw(some.lists(some.sampled_from(BYTES), min_size=1, max_size=4))
        path = os.path.join(top, *parts)
        how = data.draw(some.sampled_from(["file", "folder", "link", "pipe"]))
        with contextlib.suppress(OSError):  # it is there, or below a file or a link to nowhere
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if how == "file":
                open(path, "xb").close()
            elif how == "folder":
                os.mkdir(path)
            elif how == "pipe":
                os.mkfifo(path)
            else:
                target = data.draw(some.sampled_from([b"nowhere", b".", b"0.png", top]))
                os.symlink(target, path)
    where = Path(os.fsdecode(top))
    if not refuses(folder.listing, where):
        classes, found = folder.listing(where)
        listed = {name for split in folder.SPLITS for name in found[split]}
        if not refuses(pretrained.image_files, where):
            others = pretrained.sort_files(where)[1]  # empty files without the name of an image
            every = {pretrained.name_of(p, where) for p in pretrained.image_files(where) + others}
            assert listed <= every and not any("Thumbs.db" in name for name in every)
        assert len(folder.fingerprint(where)) == 64 and "a" in classes


NAMES = some.lists(
    some.sampled_from(
        ["train", "test", "a", "b", "..", ".", "", "1.png", "\\", "/", "x/y", "ü", "\udce9", "._x"]
    ),
    min_size=1,
    max_size=5,
).map("/".join)


LINKS = some.sampled_from([tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE, tarfile.REGTYPE])


@pytest.mark.parametrize("kind", ["tar", "zip"])
@given(names=some.lists(NAMES, max_size=8), data=some.data())
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives(tmp_path_factory, kind, names, data):
    """Any names: listed alike, or refused; nothing is written anywhere."""
    buffer = io.BytesIO()
    names = [*filter(None, names), *(f"{split}/a/0.png" for split in folder.SPLITS)]
    if kind == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name in names:
                info = tarfile.TarInfo(name)
                if data.draw(some.booleans()):
                    info.size = 3
                else:
                    info.type, info.linkname = data.draw(LINKS), names[-1]
                archive.addfile(info, io.BytesIO(b"abc"))
    else:
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name.replace("\udce9", "\u00e9"), "abc")
    where = tmp_path_factory.mktemp("archives")
    path = where / f"one.{kind}"
    content = buffer.getvalue()
    path.write_bytes(data.draw(some.just(content) | damaged(content)))
    if not refuses(folder.listing, path):
        classes, found = folder.listing(path)
        assert classes and all(found[split] for split in folder.SPLITS)
        parts = [name.split("/") for split in folder.SPLITS for name in found[split]]
        assert all(len(p) == 3 and ".." not in p and p[0] in folder.SPLITS for p in parts)
    assert list(where.iterdir()) == [path]


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """(the bytes of a saved encoder, where to put damaged ones)."""
    where = tmp_path_factory.mktemp("network")
    (where / "data.json").write_text("{}")
    shape = Encoder(depth=8, base_channels=4, stem="cifar")
    made = build_encoder(shape, torch.Generator().manual_seed(0))
    weights.save_network(where / "good", made, shape, where)
    return (where / "good").read_bytes(), where


@given(data=some.data())
def test_saved_networks(network, data):
    good, where = network
    (where / "bad").write_bytes(data.draw(damaged(good[:1200])).ljust(1, b" ") + good[1200:])
    refuses(weights.load_network, where / "bad", None, Encoder, build_encoder)


@given(about=TREES)
def test_saved_networks_about_anything(network, about):
    _, where = network
    weights.write(where / "odd", {"conv1.weight": torch.zeros(2)}, about)
    assert refuses(weights.load_network, where / "odd", None, Encoder, build_encoder)


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    return prepare_data(tmp_path_factory.mktemp("data") / "data")


@pytest.mark.parametrize("name", ["data.json", "train_images.npy", "test_labels.npy"])
@given(data=some.data())
def test_prepared_sets(data_set, name, data):
    good = (data_set / name).read_bytes()
    try:
        (data_set / name).write_bytes(data.draw(damaged(good[:300])) + good[300:])
        if not refuses(packed.load, data_set):
            found = packed.load(data_set)
            assert len(found.train_images) == len(found.train_labels)
            assert found.train_labels.max() < len(found.classes)
    finally:
        (data_set / name).write_bytes(good)


LINE = {"key": "0" * 12, "name": "x", "metrics": {"linear_h": 50.0}, "outputs": {}, "stage": "x"}


@given(data=some.data())
def test_published_metrics(tmp_path_factory, data):
    where = tmp_path_factory.mktemp("published")
    content = data.draw(damaged((json.dumps(LINE) + "\n").encode()))
    (where / "mine.jsonl").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "PUBLISHED", where)
        if not refuses(published.read_published, "mine"):
            for line in published.read_published("mine").values():
                assert isinstance(line["metrics"], dict)


SEALED = {"key": "0" * 12, "outputs": {"metrics.json": "0" * 64}, "stage": "x", "settings": {}}


@given(data=some.data())
def test_provenance(tmp_path_factory, data):
    """Whatever is changed, the seal shows it."""
    where = tmp_path_factory.mktemp("results") / SEALED["key"]
    where.mkdir()
    good = results.provenance_text(SEALED).encode()
    content = data.draw(damaged(good))
    (where / results.PROVENANCE).write_bytes(content)
    assert refuses(results.read_provenance, where) == (content != good)


# -- lists of labels, and the sets that are got elsewhere -----------------------------------------


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A folder for lists, and a packed set with the names that may be on them."""
    where = tmp_path_factory.mktemp("lists")
    names = [f"n{k:08d}_{k}.JPEG" for k in range(20)]
    (where / packed.NAMES).write_text("\n".join(names) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMCLR_DATA_DIR", str(where))
        yield where, names


@given(data=some.data())
def test_label_lists(listed, data):
    where, names = listed
    content = data.draw(damaged("\n".join(names[:8]).encode()) | some.binary(max_size=200))
    (where / "list.txt").write_bytes(content)
    digest = data.draw(some.sampled_from([hashlib.sha256(content).hexdigest(), "0" * 64]))
    settings = build(FineTune, {"subset": "list.txt", "subset_sha256": digest})
    if not refuses(label_list.listed_rows, settings, where):
        chosen = [names[row] for row in label_list.listed_rows(settings, where)]
        assert sorted(content.decode().split()) == sorted(chosen) and digest != "0" * 64


@given(data=some.data(), within=some.booleans())
def test_cifar10_archives(tmp_path_factory, data, within):
    path = tmp_path_factory.mktemp("cifar10") / cifar10.FILE
    good = test_cifar10.archive(records=2)
    if within:  # the archive in the compressed file
        content = gzip.compress(data.draw(damaged(gzip.decompress(good))), 1)
    else:
        content = data.draw(damaged(good))
    path.write_bytes(content)
    if not refuses(cifar10.read, path):
        for pixels, labels in cifar10.read(path).values():
            assert len(pixels) == len(labels) > 0 and labels.max() < len(cifar10.CLASSES)


@pytest.fixture(scope="module")
def tars(tmp_path_factory):
    """The three archives of ImageNet, with a few small images."""
    where = tmp_path_factory.mktemp("tars")
    jpegs.write_folder(where / "set", 3, 2, 1, 24)
    return jpegs.write_tars(where / "set", where / "tars")


@pytest.mark.parametrize("name", imagenet_files.TARS)
@given(data=some.data())
def test_imagenet_archives(tars, name, data):
    """Listed with every name in its class, or refused."""
    file = tars / name
    good = file.read_bytes()
    try:
        if name.endswith(".gz") and data.draw(some.booleans()):  # what is compressed in it
            file.write_bytes(gzip.compress(data.draw(damaged(gzip.decompress(good))), 1))
        else:
            file.write_bytes(data.draw(damaged(good)))
        if not refuses(imagenet_files.listing, tars):
            classes, found = imagenet_files.listing(tars)
            for label, piece in (one for split in found.values() for one in split):
                assert piece.name.split("/")[0] == classes[label]
    finally:
        file.write_bytes(good)
