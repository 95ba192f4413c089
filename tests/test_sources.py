"""The sources of data sources: it says what the modules do, and costs no library to read."""

import ast
import importlib
from pathlib import Path

import numpy as np
import pytest

from simclr import files, sources
from simclr.config import ConfigError, DataError, build, printable
from simclr.data.raw_dataset import chosen_rows
from simclr.data.sources import cifar10, imagenet
from simclr.settings.data import Prepare
from simclr.stages import prepare
from simclr.store import keys


def test_every_source_is_a_module_with_two_functions():
    for name, source in sources.SOURCES.items():
        assert source.name == name
        module = importlib.import_module(f"simclr.data.sources.{name}")
        assert module is prepare.source_module(name)
        assert callable(module.check) and callable(module.open_source)
    for module in (cifar10, imagenet):
        source = sources.SOURCES[module.__name__.rsplit(".", 1)[-1]]
        assert {"train": source.train_images, "test": source.test_images} == module.COUNTS
    assert sources.SOURCES["cifar10"].classes == len(cifar10.CLASSES)
    assert sources.SOURCES["imagenet"].classes == len(imagenet.WNIDS.read_text().split())


def test_the_catalog_needs_no_library():
    tree = ast.parse(Path(sources.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [node.module for node in imports] == ["dataclasses"]


def test_a_source_is_in_no_key_but_that_of_its_own_sets():
    """The planner names the module of a source beside the stage's own."""
    stage = keys.closure(("simclr.stages.prepare",))
    assert not {name for name in stage if name.startswith("simclr.data.sources")}
    drawn = keys.closure(("simclr.data.sources.patterns",))
    assert not drawn & {"simclr.data.images", "simclr.data.sources.imagenet"}
    for stage in ("evaluate", "probe", "transfer", "maps", "neighbours"):
        reached = keys.closure((f"simclr.stages.{stage}",))
        assert not reached & {"simclr.data.archives", "simclr.data.label_list"}


def test_settings_follow_the_catalog():
    for name, source in sources.SOURCES.items():
        given = {"source": name, "file": "x", "train_images": 1000, "test_images": 1000}
        build(Prepare, given)
        needs = {
            "file": (source.needs_file, {**given, "file": ""}),
            "train_images": (source.needs_counts, {**given, "train_images": 0}),
            "fit": (not source.can_stretch, {**given, "fit": "stretch"}),
        }
        for setting, (is_refused, values) in needs.items():
            if is_refused:
                with pytest.raises(ConfigError, match=f"^{setting}.*'{name}'"):
                    build(Prepare, values)
            else:
                build(Prepare, values)


def test_names_of_any_bytes_make_messages_of_one_line():
    name = b"a\nb\xff\x1b[0m".decode("utf-8", "surrogateescape")
    assert printable(name) == r"a\nb\udcff\x1b[0m"
    assert str(DataError(f"{name}: bad")) == rf"{printable(name)}: bad"
    assert printable("Käfer 虫 '\"\\") == "Käfer 虫 '\"\\"


def test_files_are_written_once_and_read_back(tmp_path):
    path = tmp_path / "new" / "table.csv"
    rows = [("é", 'a "b", c'), ("two\nlines", "")]
    assert files.write_csv(path, ("x", "y"), rows) and not files.write_csv(path, ("x", "y"), rows)
    assert files.read_csv(path) == [dict(zip("xy", row, strict=True)) for row in rows]
    assert path.read_bytes().startswith("x,y\né,".encode())
    assert files.write_json(tmp_path / "a.json", {"b": 1, "a": [2]})
    assert files.read_json(tmp_path / "a.json") == {"a": [2], "b": 1}
    assert files.copy_atomic(path, tmp_path / "copy") and not files.copy_atomic(
        path, tmp_path / "copy"
    )
    assert files.write_atomic(tmp_path / "copy", b"\xff")
    assert (tmp_path / "copy").read_bytes() == b"\xff"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "copy", "new"]
    with pytest.raises(ConfigError, match="loss is nan: the training diverged"):
        files.write_metrics(tmp_path / "metrics.json", {"loss": float("nan")})


def test_held_out_images_are_training_images_that_are_not_trained_on():
    labels = {"train": np.arange(90) % 10, "test": np.arange(30) % 10}
    values = {"source": "folder", "file": "x", "held_out": 20, "train_images": 50}
    seen = set()
    for seed in (0, 1):
        chosen = chosen_rows(labels, tuple("abcdefghij"), build(Prepare, {**values, "seed": seed}))
        assert {origin for origin, _ in chosen.values()} == {"train"}
        train, test = (set(chosen[split][1].tolist()) for split in ("train", "test"))
        assert len(train) == 50 and len(test) == 20 and not train & test
        assert all(sum(row % 10 == label for row in test) == 2 for label in range(10))
        seen.add(frozenset(test))
    assert len(seen) == 2
    rest = chosen_rows(labels, tuple("abcdefghij"), build(Prepare, {**values, "train_images": 0}))
    assert sorted([*rest["train"][1], *rest["test"][1]]) == list(range(90))
    for wrong in ({"test_images": 20}, {"source": "patterns", "test_images": 20}):
        with pytest.raises(ConfigError, match=r"^held_out"):
            build(Prepare, {**values, **wrong})
    with pytest.raises(DataError, match=r"^held_out: 200 need 20 of class 'a', which has 9;"):
        chosen_rows(labels, tuple("abcdefghij"), build(Prepare, {**values, "held_out": 200}))
