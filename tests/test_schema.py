"""workflow/scales/schema.json: what an editor says of a scale's file is what planning says."""

import copy
import json

import jsonschema
import pytest
import yaml

from simclr.config import ConfigError, build
from simclr.registry import STAGES
from workflow import catalog
from workflow.docs import schema
from workflow.planning import planner
from workflow.planning.scale import SCALES

VALIDATOR = jsonschema.Draft7Validator(schema.schema())
TINY = yaml.safe_load((SCALES / "tiny.yaml").read_text())
# As a user may write them: numbers on both sides of the limits, words, lists.
VALUES = [-2, 0, 0.01, 0.5, 1, 3, 2000, 70000, 2**33, 1e10, True, "x", "crop", "cpu", [1], [0.5]]
VALUES += [[-2], ["crop"], ["features"], [True], {}, {"x": 1}, None]


def test_the_file_is_what_the_command_writes():
    text = json.loads(schema.FILE.read_text(encoding="utf-8"))
    assert text == json.loads(json.dumps(schema.schema())), "run `python -m workflow.docs.schema`"
    VALIDATOR.check_schema(text)


def test_every_scale_is_valid_and_names_the_schema():
    files = sorted(SCALES.glob("*.yaml"))
    assert len(files) > 5
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert text.startswith("# yaml-language-server: $schema=schema.json\n"), file
        assert not list(VALIDATOR.iter_errors(yaml.safe_load(text))), file


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("sedes", [1]),
        ("seeds", [1, 1]),
        ("device", "gpu"),
        ("base.pretrain.epoch", 3),
        ("base.pretrian", {}),
        ("base.pretrain.epochs", "24"),
        ("base.pretrain.loss.temperature", 0),
        ("base.pretrain.views.operators", ["crop", "colour"]),
        ("base.evaluate.momentum", 1.0),
        ("experiments.fig10", {}),
        ("experiments.fig4", {"dims": [1]}),
        ("experiments.fig8.dims", []),
        ("experiments.fig9.batches", [1]),
        ("experiments.fig8.base", {"pretrain": {"epochs": 0}}),
    ],
)
def test_a_mistake_is_seen_by_the_schema_and_by_the_plan(tmp_path, place, value):
    values = copy.deepcopy(TINY)
    *outer, last = place.split(".")
    inner = values
    for name in outer:
        inner = inner[name]
    inner[last] = value
    assert list(VALIDATOR.iter_errors(values))
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError):
        planner.build_plan("wrong", tmp_path)


def test_only_a_scale_that_extends_another_may_leave_out_what_has_no_default():
    assert not list(VALIDATOR.iter_errors({"extends": "tiny"}))
    assert list(VALIDATOR.iter_errors({"title": "one", "seeds": [0]}))


def test_each_setting_has_the_limits_of_the_code():
    """Of any value for one setting: the schema takes it where `build` does, relations aside."""
    classes = {
        stage.settings: VALIDATOR.schema["definitions"]["base"]["properties"][name]
        for name, stage in STAGES.items()
    }
    grids = VALIDATOR.schema["properties"]["experiments"]["properties"]
    for name in catalog.names():
        if hasattr(catalog.module(name), "Grid"):
            classes[catalog.module(name).Grid] = grids[name]
    counts = {True: 0, False: 0}
    for cls, shape in classes.items():
        validator = jsonschema.Draft7Validator(shape)
        plain = type(cls.__name__, (cls,), {"check": None})  # without relations
        for field in plain.__dataclass_fields__:
            for value in VALUES:
                is_valid = validator.is_valid({field: value})
                assert is_valid == is_taken(plain, {field: value}), (cls, field, value)
                counts[is_valid] += 1
    assert min(counts.values()) > 400


def is_taken(cls, values: dict) -> bool:
    try:
        build(cls, values)
    except ConfigError:
        return False
    return True
