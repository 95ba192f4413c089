"""Published metrics: all of a scale, or those that are computed here and the rest as before."""

import datetime
import json

import pytest

from simclr.config import ConfigError
from simclr.store.provenance import write_provenance
from tests.project import MINI
from workflow.planning.planner import build_plan
from workflow.publishing.export_metrics import export_metrics
from workflow.publishing.import_metrics import import_metrics
from workflow.publishing.published import measured, published_file, read_lines


def published(stage: str, name: str, key: str, metrics: dict) -> dict:
    made = {"hardware": "AMD", "versions": {}, "code": "c", "outputs": {}}
    return {"stage": stage, "name": name, "key": key, "metrics": metrics, **made}


def test_a_partial_export_keeps_what_is_not_computed_here(tmp_path, monkeypatch):
    (tmp_path / "mini.yaml").write_text(MINI, encoding="utf-8")
    plan = build_plan("mini", tmp_path)
    monkeypatch.chdir(tmp_path)
    computed, other, *_ = measured(plan)
    folder = computed.path(plan.store)
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text('{"linear_h": 2.0}', encoding="utf-8")
    write_provenance(computed, folder, datetime.datetime.now(datetime.UTC), 1.0)
    path = published_file("mini")
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        for number, instance in enumerate((computed, other)):
            line = published(instance.stage.name, instance.name, f"old{number}", {"x": 1.0})
            file.write(json.dumps(line) + "\n")
    with pytest.raises(ConfigError, match=r"are not computed yet: .*--partial"):
        export_metrics(plan)
    said = export_metrics(plan, partial=True)
    assert f"1 are of other code or settings, e.g. {other.label}: kept until they" in said
    assert f"{len(measured(plan)) - 2} are not computed yet." in said and "not here" not in said
    lines = {line["name"]: (line["key"], line["metrics"]) for line in read_lines(path)}
    assert lines == {
        computed.name: (computed.key, {"linear_h": 2.0}),
        other.name: ("old1", {"x": 1.0}),
    }
    # As after a merge that keeps the lines of both sides: out of order, twice, of former keys.
    merged = [
        published(other.stage.name, other.name, other.key, {"x": 3.0}),
        *read_lines(path),
        published("evaluate", "fig8.gone.s0", "gone", {}),
        *read_lines(path),
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in merged), encoding="utf-8")
    said = export_metrics(plan, partial=True)
    assert "1 are not here: kept as published." in said and "other code" not in said
    assert "1 are not in the plan any more: left out." in said
    lines = [(line["name"], line["key"]) for line in read_lines(path)]
    assert lines == [(computed.name, computed.key), (other.name, other.key)]


def test_a_line_that_does_not_say_how_it_was_made_is_refused(tmp_path, monkeypatch):
    (tmp_path / "mini.yaml").write_text(MINI, encoding="utf-8")
    plan = build_plan("mini", tmp_path)
    monkeypatch.chdir(tmp_path)
    one = measured(plan)[0]
    line = published(one.stage.name, one.name, one.key, {"x": 1.0})
    published_file("mini").parent.mkdir(parents=True)
    for name in ("name", "stage", "hardware", "versions", "code", "outputs"):
        text = json.dumps({key: line[key] for key in line if key != name})
        published_file("mini").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=rf"{one.key} has no {name}; restore the line"):
            import_metrics(plan)
    published_file("mini").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mini\.jsonl: has no results; nothing to import"):
        import_metrics(plan)
    published_file("mini").unlink()
    with pytest.raises(ConfigError, match=r"mini\.jsonl: missing; nothing to import"):
        import_metrics(plan)
    published_file("mini").mkdir()
    with pytest.raises(ConfigError, match=r"mini\.jsonl: a folder"):
        import_metrics(plan)
    assert not plan.store.exists()
