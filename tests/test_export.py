"""Published metrics: all of a scale, or those that are computed here and the rest as before."""

import datetime
import json

import pytest

from simclr.config import ConfigError
from simclr.store.provenance import write_provenance
from tests.project import MINI
from workflow.planning.planner import build_plan
from workflow.publishing.export_metrics import export_metrics
from workflow.publishing.published import measured, published_file, read_lines


def test_a_partial_export_keeps_what_is_not_computed_here(tmp_path, monkeypatch):
    (tmp_path / "mini.yaml").write_text(MINI)
    plan = build_plan("mini", tmp_path)
    monkeypatch.chdir(tmp_path)
    computed, other, *_ = measured(plan)
    folder = computed.path(plan.store)
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text('{"linear_h": 2.0}')
    write_provenance(computed, folder, datetime.datetime.now(datetime.UTC), 1.0)
    path = published_file("mini")
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        for number, instance in enumerate((computed, other)):
            names = {"stage": instance.stage.name, "name": instance.name}
            file.write(json.dumps({**names, "key": f"old{number}", "metrics": {"x": 1.0}}) + "\n")
    with pytest.raises(ConfigError, match=r"are not computed yet: .*--partial"):
        export_metrics(plan)
    assert "not computed here: kept as published" in export_metrics(plan, partial=True)
    lines = {line["name"]: (line["key"], line["metrics"]) for line in read_lines(path)}
    assert lines == {
        computed.name: (computed.key, {"linear_h": 2.0}),
        other.name: ("old1", {"x": 1.0}),
    }
