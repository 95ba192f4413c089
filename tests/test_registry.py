"""Stages are declared once: their lists, dvc.yaml and what is published follow."""

import importlib

import yaml

from simclr import registry
from simclr.registry import STAGES
from simclr.store import keys
from tests.project import ROOT
from workflow.publishing.published import read_published
from workflow.stages import DVC_STAGES, FIGURES, covered_by
from workflow.stages import STAGES as ALL_STAGES


def test_every_stage_has_its_module_and_a_settings_class():
    for stage in ALL_STAGES.values():
        assert callable(importlib.import_module(stage.module).run), stage.name
        assert stage.kind in DVC_STAGES.values(), stage.name
        assert not stage.trains or "device" in stage.settings.__dataclass_fields__, stage.name


def test_dvc_records_every_stage_in_the_dvc_stage_of_its_kind():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(stages) == {"plan", *DVC_STAGES}
    folder = "results/${scale}/"
    for name in DVC_STAGES:
        outs = [next(iter(out)) for out in stages[name]["outs"]]
        recorded = [out.removeprefix(folder) for out in outs if out.startswith(folder)]
        assert sorted(recorded) == sorted(covered_by(name)), f"dvc.yaml, stage {name}"
        deps = stages[name]["deps"]
        assert f"{folder}plan/{name}.txt" in deps
    measured = {f"{folder}{stage}" for stage in covered_by("evaluate")}
    assert measured < set(stages["figures"]["deps"])


def test_what_is_published_is_declared():
    """Files beside the metrics; and what the present code published has every declared metric."""
    lines = [*read_published("tiny").values(), *read_published("small").values()]
    published = {}
    for line in lines:
        stage = STAGES[line["stage"]]
        assert set(line.get("files", ())) <= set(stage.shared_csv), line["name"]
        if line["code"] == keys.fingerprint((stage.module,)):
            published.setdefault(stage.name, set()).update(line["metrics"])
    for name, metrics in published.items():
        declared = {metric.name for metric in STAGES[name].metrics}
        assert declared <= metrics, f"{name}: {declared - metrics}"


def test_columns_begin_with_the_evaluation_and_headlines_end_with_it():
    assert registry.metrics()[0].heading == "linear evaluation on h (%)"
    assert registry.headlines()[-2:] == ["supervised_top1", "linear_h"]
    assert len({metric.name for metric in registry.metrics()}) == len(registry.metrics())


def test_a_result_depends_on_its_own_source_or_experiment_only():
    """Modules beyond the stage's own: those that its settings name."""
    prepare = STAGES["prepare"]
    patterns = prepare.modules(prepare.settings(source="patterns"))
    assert patterns == ("simclr.stages.prepare", "simclr.data.sources.patterns")
    drawn = FIGURES.modules(FIGURES.settings(experiment="fig8", rows=[], context={}, paper=""))
    assert drawn == ("workflow.figures.stage", "workflow.experiments.fig8")
