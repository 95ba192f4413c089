"""Results side by side, by stage and name, whatever their keys."""

import json

import pytest

from simclr.config import ConfigError
from workflow.cli import main
from workflow.publishing.compare import compare, side_of_file


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


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "bad.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match=r"bad\.jsonl:1: not a published result"):
        side_of_file(tmp_path / "bad.jsonl")
