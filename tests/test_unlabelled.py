"""Images without labels: packed from unlabelled/, pre-trained on instead of train or beside it."""

import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from simclr.config import ConfigError, DataError, build
from simclr.data import image_store, packed
from simclr.data.label_share import class_balanced_share
from simclr.data.sources import folder, imagenet, imagenet_files, packing
from simclr.settings.data import Prepare
from simclr.settings.measuring import Evaluate
from simclr.settings.training import Pretrain
from simclr.stages import evaluate, prepare, pretrain
from tests import jpegs, training
from tests.test_planning import changed
from tests.test_prepare import digest, picture, prepared, write_tree
from workflow.planning import cost

LABELLED, WITHOUT = 40, 30  # images


@pytest.fixture
def raw(tmp_path, monkeypatch) -> Path:
    """Raw data: the folder `tree`, with images without labels at depths 0 to 3."""
    tree = write_tree(tmp_path / "raw" / "tree", train=LABELLED // 2, test=10)
    write_unlabelled(tree)
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path / "raw"))
    return tmp_path / "raw"


def write_unlabelled(tree: Path) -> None:
    for number in range(WITHOUT):
        place = tree / "unlabelled" / "/".join("abc"[: number % 4])
        place.mkdir(parents=True, exist_ok=True)
        picture((20, 14), 1000 + number).save(place / f"{number}.png")


def packed_as(out: Path, file: str = "tree", **more) -> packed.PackedSet:
    sha256 = folder.fingerprint(out.parent / "raw" / file)
    settings = {"source": "folder", "file": file, "sha256": sha256, "image_size": 8, **more}
    return prepared(out, **settings)


def test_a_folder_a_tar_and_a_zip_of_it_are_the_same_set(raw, tmp_path):
    with tarfile.open(raw / "tree.tar.gz", "w:gz") as archive:
        archive.add(raw / "tree", "top")
    with zipfile.ZipFile(raw / "tree.zip", "w") as archive:
        for path in sorted((raw / "tree").rglob("*"), reverse=True):
            archive.write(path, path.relative_to(raw / "tree"))
    sets, names = [], sorted(p.name for p in (raw / "tree" / "unlabelled").rglob("*.png"))
    assert len(names) == WITHOUT
    for file in ("tree", "tree.tar.gz", "tree.zip"):
        out = tmp_path / f"packed {file}"
        data = packed_as(out, file, unlabelled=True)
        assert data.unlabelled_images.shape == (WITHOUT, 3, 8, 8)
        assert len({image.tobytes() for image in data.unlabelled_images}) == WITHOUT
        assert json.loads((out / "data.json").read_text())["unlabelled_images"] == WITHOUT
        assert f"{WITHOUT} more images have no label." in (out / "data_card.md").read_text()
        sets.append({k: v for k, v in digest(out).items() if not k.startswith("data")})
    assert sets.count(sets[0]) == 3
    packed_as(tmp_path / "without")  # they change nothing of a set that does not ask for them
    there = digest(tmp_path / "without")
    assert "unlabelled_images.npy" not in there
    sheet_and_arrays = {k for k in there if not k.startswith("data")}
    assert {k: there[k] for k in sheet_and_arrays} == {k: sets[0][k] for k in sheet_and_arrays}


def test_the_fingerprint_of_a_folder_is_of_all_its_images(raw):
    before = folder.fingerprint(raw / "tree")
    (raw / "tree/unlabelled/a/b/c/3.png").write_bytes(b"other")
    changed_file = folder.fingerprint(raw / "tree")
    shutil.rmtree(raw / "tree" / "unlabelled")
    assert len({before, changed_file, folder.fingerprint(raw / "tree")}) == 3


def test_some_of_them_are_chosen_by_the_seed(raw, tmp_path):
    same = {"unlabelled": True, "unlabelled_images": 7}
    every = packed_as(tmp_path / "all", unlabelled=True).unlabelled_images
    rows = {image.tobytes(): k for k, image in enumerate(every)}
    chosen = []
    for name, seed in (("one", 0), ("again", 0), ("two", 1)):
        data = packed_as(tmp_path / name, **same, seed=seed)
        chosen.append([rows[image.tobytes()] for image in data.unlabelled_images])
    assert chosen[0] == chosen[1] != chosen[2]
    assert all(len(one) == 7 and one == sorted(set(one)) for one in chosen)
    with pytest.raises(DataError, match="unlabelled_images: 31, but there are 30; lower it"):
        packed_as(tmp_path / "more", unlabelled=True, unlabelled_images=31)


@pytest.mark.parametrize("file", ["tree", "tree.zip"])
def test_a_set_without_them_is_refused_before_an_image_is_decoded(raw, tmp_path, file):
    shutil.rmtree(raw / "tree" / "unlabelled")
    with zipfile.ZipFile(raw / "tree.zip", "w") as archive:
        for path in (raw / "tree").rglob("*.png"):
            archive.write(path, path.relative_to(raw / "tree"))
    with pytest.raises(DataError, match=r"no image in unlabelled/, but .*put images") as error:
        packed_as(tmp_path / "out", file, unlabelled=True)
    assert "\n" not in str(error.value) and not list((tmp_path / "out").iterdir())
    settings = build(Prepare, {"source": "folder", "file": "tree", "sha256": "0" * 64})
    prepare.check(settings)
    with pytest.raises(DataError, match="no image in unlabelled/"):  # by the plan, for a folder
        prepare.check(build(Prepare, {**vars(settings), "unlabelled": True}))


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (Prepare, {"unlabelled": True, "train_images": 9, "test_images": 9}, "source 'patterns'"),
        (Prepare, {"unlabelled_images": 5}, "set `unlabelled: true` as well"),
        (Pretrain, {"images": "both", "online": True}, "online: needs a label of every image"),
        (Pretrain, {"images": "labelled"}, "'labelled' is not a choice"),
    ],
)
def test_settings_that_do_not_fit_are_refused(cls, values, message):
    with pytest.raises(ConfigError, match=message):
        build(cls, values)


# Pre-training on them.


@pytest.fixture
def data(raw, tmp_path) -> Path:
    packed_as(tmp_path / "data", unlabelled=True)
    for split in ("train", "test", "unlabelled"):  # as of a set packed with `fit: stretch`
        count = len(np.load(tmp_path / "data" / f"{split}_images.npy"))
        aspects = np.linspace(0.6, 1.9 + count / 100, count, dtype=np.float32)
        np.save(tmp_path / "data" / f"{split}_aspects.npy", aspects)
    return tmp_path / "data"


@pytest.mark.parametrize("images", ["unlabelled", "both"])
def test_pretraining_equals_that_on_a_set_of_which_these_are_the_training_images(
    data, tmp_path, monkeypatch, images
):
    other = shutil.copytree(data, tmp_path / "other")
    splits = {"unlabelled": ["unlabelled"], "both": ["train", "unlabelled"]}[images]
    for kind in ("images", "aspects"):
        arrays = [np.load(data / f"{split}_{kind}.npy") for split in splits]
        np.save(other / f"train_{kind}.npy", np.concatenate(arrays))
    np.save(other / "train_labels.npy", np.arange(len(np.load(other / "train_images.npy"))) % 2)
    plain = training.pretrain_settings(epochs=2)
    wanted = training.contents(training.run(pretrain, plain, other, tmp_path / "wanted"))
    settings = training.pretrain_settings(epochs=2, images=images)
    for place, mib in (("device", "1000"), ("disk", "0")):
        monkeypatch.setenv(image_store.RESIDENT_MIB, mib)
        made = training.run(pretrain, settings, data, tmp_path / place)
        assert training.contents(made) == wanted
    assert training.contents(training.run(pretrain, plain, data, tmp_path / "train")) != wanted


def test_evaluation_is_on_train_and_test_as_before(data, tmp_path):
    settings = training.pretrain_settings(epochs=1, images="unlabelled")
    encoder = training.run(pretrain, settings, data, tmp_path / "encoder")
    few = build(Evaluate, {"epochs": 1, "batch_size": 20, "neighbours": 5})
    after = training.run(evaluate, few, data, tmp_path / "one", encoder=encoder)
    noise = np.random.default_rng(0).integers(0, 256, (WITHOUT, 3, 8, 8), dtype=np.uint8)
    np.save(data / "unlabelled_images.npy", noise)
    again = training.run(evaluate, few, data, tmp_path / "two", encoder=encoder)
    assert training.contents(after) == training.contents(again)


def test_few_labelled_images_do_not_bound_the_batch(data, tmp_path):
    """With 30 images without labels and 10 with, a batch may have 20."""
    for kind in ("images", "labels", "aspects"):
        np.save(data / f"train_{kind}.npy", np.load(data / f"train_{kind}.npy")[:10])
    settings = training.pretrain_settings(epochs=1, images="unlabelled")
    training.run(pretrain, settings, data, tmp_path / "encoder")
    with pytest.raises(ConfigError, match="batch_size: 20, but there are only 10"):
        training.run(pretrain, training.pretrain_settings(epochs=1), data, tmp_path / "train")


def test_a_set_with_labels_only_is_refused(tmp_path):
    data = training.prepare_data(tmp_path / "data")
    settings = training.pretrain_settings(images="both")
    with pytest.raises(ConfigError, match="only images with labels; set `unlabelled: true`"):
        training.run(pretrain, settings, data, tmp_path / "out")


# Few labels in evaluation.


@pytest.mark.parametrize("protocol", ["features", "augmented"])
def test_evaluation_with_a_share_of_labels_equals_that_on_a_set_of_only_these(tmp_path, protocol):
    data = training.prepare_data(tmp_path / "data")
    settings = training.pretrain_settings(epochs=1)
    encoder = training.run(pretrain, settings, data, tmp_path / "encoder")
    values = {"protocols": [protocol], "epochs": 2, "batch_size": 10, "neighbours": 5, "seed": 3}
    shared = build(Evaluate, {**values, "labels": 0.5})
    few = training.run(evaluate, shared, data, tmp_path / "few", encoder=encoder)
    labels = np.load(data / "train_labels.npy")
    rows = class_balanced_share(torch.from_numpy(labels), 0.5, 3).numpy()
    assert 40 <= len(rows) <= 50
    for kind in ("images", "labels"):
        np.save(data / f"train_{kind}.npy", np.load(data / f"train_{kind}.npy")[rows])
    only = training.run(evaluate, build(Evaluate, values), data, tmp_path / "only", encoder=encoder)
    assert training.contents(few) == training.contents(only)


# The layout of ImageNet, whose packing resumes.


@pytest.fixture
def large(tmp_path, monkeypatch) -> Path:
    """A set in the layout of ImageNet, with images without labels."""
    jpegs.write_folder(tmp_path / "raw" / "set", 4, 3, 1)
    write_unlabelled(tmp_path / "raw" / "set")
    monkeypatch.setenv("SIMCLR_DATA_DIR", str(tmp_path / "raw"))
    return tmp_path / "raw" / "set"


def stored(large: Path, **more) -> Prepare:
    values = {"source": "imagenet", "file": "set", "image_size": 16, "fit": "stretch"}
    sha256 = imagenet.fingerprint(large)
    return build(Prepare, {**values, "sha256": sha256, "unlabelled": True, **more})


def pack(settings: Prepare, out: Path) -> dict[str, bytes]:
    out.mkdir()
    prepare.run(settings, {}, out, out.parent / "packing.safetensors", training.silent)
    return training.contents(out)


def test_an_interrupted_packing_of_them_goes_on(large, tmp_path, monkeypatch):
    settings = stored(large)
    wanted = pack(settings, tmp_path / "undisturbed")
    data = packed.load(tmp_path / "undisturbed")
    assert data.unlabelled_aspects == pytest.approx(np.full(WITHOUT, 20 / 14, np.float32))
    read, decoded = imagenet_files.Piece.read, []

    def reading(piece):
        if len(decoded) == 20:
            raise KeyboardInterrupt
        decoded.append(piece.name)
        return read(piece)

    monkeypatch.setattr(packing, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(packing, "CHUNK", 2)
    monkeypatch.setattr(packing.images, "cores", lambda: 1)
    monkeypatch.setattr(imagenet_files.Piece, "read", reading)
    with pytest.raises(KeyboardInterrupt):
        pack(settings, tmp_path / "stopped")
    left = 4 * (3 + 1) + WITHOUT  # images of three splits
    for split in ("train", "test", "unlabelled"):
        left -= np.load(tmp_path / f"packing.{split}_digests.npy").any(1).sum()
    assert 26 <= left < 46
    decoded.clear()

    def counted(piece):
        decoded.append(piece.name)
        return read(piece)

    monkeypatch.setattr(imagenet_files.Piece, "read", counted)
    assert pack(settings, tmp_path / "resumed") == wanted and len(decoded) == left


def test_their_content_is_checked_used_or_not(large, tmp_path):
    used, unused = stored(large), stored(large, unlabelled=False)
    without = pack(unused, tmp_path / "unused")
    assert "unlabelled_images.npy" not in without
    picture((20, 14), 7).save(large / "unlabelled" / "0.png")
    for number, settings in enumerate((used, unused)):
        with pytest.raises(DataError, match="the content's SHA-256 is"):
            pack(settings, tmp_path / str(number))


def test_the_layout_of_imagenet_needs_the_folder_and_a_fingerprint(large):
    with pytest.raises(DataError, match="sha256: needed with `unlabelled: true`"):
        prepare.check(stored(large, sha256=""))
    settings = stored(large)
    shutil.rmtree(large / "unlabelled")
    with pytest.raises(DataError, match="no image in unlabelled/"):
        prepare.check(settings)


# Plans.


def test_each_setting_changes_the_keys_of_what_depends_on_it(tmp_path):
    """A data set's: all but table8's, which has another; pretrain's: not other trainings', and
    not that of the online classifier, which needs labels."""
    text = "    test_images: 0  # all 10,000\n  pretrain:\n"
    asked = text.replace("  pretrain", "    unlabelled: true\n  pretrain")
    fewer = asked.replace("true\n", "true\n    unlabelled_images: 9\n")
    variants = (text, asked, fewer, f"{asked}    images: both\n")
    plain, every, some, both = (
        changed(tmp_path / str(number), text, new, "small") for number, new in enumerate(variants)
    )
    assert all("table8" in one.experiments for one in shared(every, some) + shared(plain, every))
    same = shared(every, both)
    assert {one.stage.name for one in same} >= {"prepare", "supervise", "examples"}
    assert {one.setting for one in same if one.stage.name == "pretrain"} == {"online"}
    text = "  evaluate: {"
    few = changed(tmp_path / "few", text, f"{text}labels: 0.5, ", "small")
    assert len([one for one in shared(plain, few) if one.stage.trains]) > 100


def shared(one, another) -> list:
    """The instances of both plans."""
    return [one.instances[key] for key in one.instances.keys() & another.instances.keys()]


def test_a_plan_refuses_images_that_prepare_does_not_read(tmp_path):
    text = "  pretrain:\n    views: &views\n"
    with pytest.raises(ConfigError, match=r"images: 'both', but .* `unlabelled: true`") as error:
        changed(tmp_path, text, text.replace("    views", "    images: both\n    views"), "small")
    assert "\n" not in str(error.value)


def test_the_cost_counts_them():
    data = build(Prepare, {"source": "folder", "file": "x", "train_images": 100})
    many = build(Prepare, {**vars(data), "unlabelled": True, "unlabelled_images": 900})
    counts = {
        images: cost.trained_on(build(Pretrain, {"images": images}), many)
        for images in ("train", "unlabelled", "both")
    }
    assert counts == {"train": 100, "unlabelled": 900, "both": 1000}
    unknown = build(Prepare, {**vars(many), "unlabelled_images": 0})
    assert cost.trained_on(build(Pretrain, {"images": "both"}), unknown) == 100 + cost.UNKNOWN


def test_the_experiment_trains_few_encoders_of_its_own(planned):
    """At tiny: pre-trainings and two of three supervised trainings are those of other figures."""
    plan = planned("tiny")
    own = [one.name for one in plan.instances.values() if one.experiments == ["unlabelled"]]
    assert not [one for one in plan.of("pretrain") if one.name in own]
    shares = {one.settings.labels for one in plan.of("evaluate") if "unlabelled" in one.experiments}
    assert shares == {1.0, 0.5, 0.1} and len(own) < 20
