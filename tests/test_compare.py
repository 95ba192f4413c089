"""Results side by side, by stage and name, whatever their keys."""

import json
import math
import os

import pytest

from simclr.config import ConfigError
from workflow.cli import main
from workflow.publishing.compare import compare, side_of_file
from workflow.publishing.published import read_records


def write(path, *lines):
    """A published file; lines: (stage, name, metrics). Keys differ from file to file."""
    text = ""
    for number, (stage, name, metrics) in enumerate(lines):
        line = {"stage": stage, "name": name, "metrics": metrics, "hardware": path.stem}
        text += json.dumps({**line, "key": f"{path.stem}{number}"}) + "\n"
    path.write_text(text)
    return side_of_file(path)


def test_equal_metrics_under_other_keys_are_identical(tmp_path):
    lines = [("evaluate", "a.s0", {"linear_h": 1.5, "knn_h": 2.0}), ("maps", "a.s0", {"x": 3.0})]
    text, identical = compare(
        write(tmp_path / "old.jsonl", *lines), write(tmp_path / "new.jsonl", *lines[::-1])
    )
    assert identical and text.startswith("3 of 3 metrics identical: ")


def test_what_differs_is_listed_with_the_largest_first(tmp_path):
    left = write(
        tmp_path / "left.jsonl",
        ("evaluate", "a.s0", {"linear_h": 1.5, "knn_h": 2.0}),
        ("evaluate", "b.s0", {"linear_h": 10.0}),
        ("probe", "only.s0", {"x": 1.0}),
    )
    right = write(
        tmp_path / "right.jsonl",
        ("evaluate", "a.s0", {"linear_h": 1.0, "knn_h": 2.0}),
        ("evaluate", "b.s0", {"linear_h": 12.0}),
    )
    text, identical = compare(left, right)
    lines = text.splitlines()
    assert not identical and lines[0].startswith("1 of 3 metrics identical: ")
    assert lines[1] == "2 differ, by 2 at most. The largest:"
    assert lines[2:4] == [
        "  evaluate b.s0 linear_h: 10.0 | 12.0",
        "  evaluate a.s0 linear_h: 1.5 | 1.0",
    ]
    assert lines[4] == "Processors round differently: left | right."
    assert lines[5].startswith("1 results are only in ") and lines[5].endswith("probe only.s0.")


def test_a_metric_of_one_side_differs(tmp_path):
    left = write(tmp_path / "left.jsonl", ("evaluate", "a.s0", {"linear_h": 1.5}))
    right = write(tmp_path / "right.jsonl", ("evaluate", "a.s0", {}))
    text, identical = compare(left, right)
    assert not identical and "linear_h: 1.5 | None" in text


def test_the_command_compares_files_and_says_by_its_status(tmp_path, capsys):
    paths = [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
    for number, path in enumerate(map(tmp_path.joinpath, ("a.jsonl", "b.jsonl"))):
        write(path, ("evaluate", "a.s0", {"linear_h": 1.0 + number}))
    assert main(["compare", paths[0], paths[0]]) == 0
    assert main(["compare", *paths]) == 1
    assert "linear_h: 1.0 | 2.0" in capsys.readouterr().out
    assert main(["compare", paths[0]]) == 2
    assert main(["compare", paths[0], str(tmp_path / "absent.jsonl")]) == 2


LINE = {"stage": "probe", "name": "a.s0", "metrics": {"x": 1.0}, "hardware": "h", "key": "k"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{}", "not a published result; restore it"),
        ("[" * 100_000, "not a published result"),
        ('"text"', "not a published result"),
        (LINE | {"metrics": [1.0]}, "not a published result"),
        (LINE | {"metrics": {"x": "1.0"}}, "not a published result"),
        (LINE | {"metrics": {"x": None}}, "not a published result"),
        (LINE | {"metrics": {"x": True}}, "not a published result"),
        (LINE | {"metrics": {"x": 10**400}}, "not a published result"),
        (LINE | {"metrics": {"x": -(10**400)}}, "not a published result"),
        (LINE | {"key": [1]}, "not a published result"),
        (LINE | {"stage": None}, "k has no stage; restore the line"),
        (LINE | {"stage": [1]}, "k has no stage"),
        (LINE | {"name": 3}, "k has no name"),
        ({name: LINE[name] for name in LINE if name != "hardware"}, "k has no hardware"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, said):
    path = tmp_path / "bad.jsonl"
    text = line if isinstance(line, str) else json.dumps(line)
    path.write_text(f"{json.dumps(LINE | {'key': 'other'})}\n{text}\n")
    for read in (side_of_file, read_records):
        with pytest.raises(ConfigError, match=r"bad\.jsonl:2: ") as caught:
            read(path)
        assert said in str(caught.value)


def test_a_metric_that_is_no_number_is_itself(tmp_path):
    """And differs from every number, as far as can be."""
    values = {"nan": math.nan, "inf": math.inf, "two": 2}
    left = write(tmp_path / "left.jsonl", ("probe", "a.s0", values))
    assert compare(left, left)[1]
    right = write(tmp_path / "right.jsonl", ("probe", "a.s0", {**values, "nan": 1.0}))
    for one, other in ((left, right), (right, left)):
        text, identical = compare(one, other)
        assert not identical and "2 of 3" in text and "1 differ, by inf at most" in text


def test_what_stands_in_the_place_of_a_file_is_said(tmp_path):
    (tmp_path / "a.jsonl").mkdir()
    os.mkfifo(tmp_path / "b.jsonl")
    for name in ("a.jsonl", "b.jsonl"):
        with pytest.raises(ConfigError, match=rf"{name}: a folder or device, no published file"):
            side_of_file(tmp_path / name)
