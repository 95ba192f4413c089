"""Input by the hundred, made by Hypothesis: never a hang, a wrong result, or a stack trace.

Every reader of what a user or a disk may give either returns something valid or raises ConfigError
(DataError is one) of one line. `pytest --hypothesis-profile=long tests/test_fuzz.py` tries fifty
times as many.
"""

import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from PIL import Image

from simclr import folder, images, packed, weights
from simclr.config import ConfigError, build, to_dict
from simclr.encoder import build_encoder
from simclr.settings import STAGES, Encoder
from tests.training import prepare_data
from workflow import publish
from workflow.scale import load_scale

BASE = {"deadline": 20_000, "suppress_health_check": list(HealthCheck), "derandomize": True}
settings.register_profile("short", max_examples=40, **BASE)
settings.register_profile("long", max_examples=2000, **BASE)


@pytest.fixture(autouse=True, scope="module")
def profile(request):
    settings.load_profile(request.config.getoption("--hypothesis-profile") or "short")


def refuses(call, *given) -> bool:
    """True where the call raised a ConfigError; it must be one line. Others go through."""
    try:
        call(*given)
    except ConfigError as error:
        assert "\n" not in str(error)
        return True
    return False


# -- settings -------------------------------------------------------------------------------------

WORDS = sorted({name for cls, _ in STAGES.values() for name in cls.__dataclass_fields__})
SCALARS = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(),
    some.floats(),
    some.text(max_size=8),
    some.sampled_from(["crop", "lars", "nonlinear", "cifar", "nt_xent", 0.5, 1, 8, 18]),
)
TREES = some.recursive(
    SCALARS,
    lambda inner: (
        some.lists(inner, max_size=4)
        | some.dictionaries(some.sampled_from(WORDS) | some.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("stage", STAGES)
@given(values=TREES)
def test_settings(stage, values):
    cls, _ = STAGES[stage]
    if not refuses(build, cls, values):
        made = build(cls, values)
        assert build(cls, json.loads(json.dumps(to_dict(made), allow_nan=False))) == made


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


@some.composite
def damaged(draw, content: bytes):
    """The content with some bytes changed, cut, doubled, or put in."""
    for _ in range(draw(some.integers(1, 4))):
        place = draw(some.integers(0, max(0, len(content) - 1)))
        how = draw(some.sampled_from(["change", "cut", "drop", "insert"]))
        if how == "change":
            content = content[:place] + draw(some.binary(min_size=1, max_size=8)) + content[place:]
            content = content[: place + 1] + content[place + 2 :]
        elif how == "cut":
            content = content[:place]
        elif how == "drop":
            content = content[:place] + content[place + draw(some.integers(1, 64)) :]
        else:
            content = content[:place] + draw(some.binary(max_size=16)) + content[place:]
    return content


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


NAMES = some.lists(
    some.sampled_from(["train", "test", "a", "b", "..", ".", "", "1.png", "\\", "/", "x/y", "ü"]),
    min_size=1,
    max_size=5,
).map("/".join)


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
                info.size = 3
                archive.addfile(info, io.BytesIO(b"abc"))
    else:
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, "abc")
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
        patch.setattr(publish, "PUBLISHED", where)
        if not refuses(publish.read_published, "mine"):
            for line in publish.read_published("mine").values():
                assert isinstance(line["metrics"], dict)
