"""Every scale plans; the GPU's scale trains for a few steps here, on the CPU."""

import json

import pytest

from simclr.config import build, merge
from simclr.settings.data import Prepare
from simclr.settings.training import Pretrain
from simclr.stages import pretrain
from tests.project import MINI, ROOT
from workflow.planning import grouping, planner
from workflow.planning.scale import SCALES as SCALE_FILES
from workflow.planning.scale import load_scale
from workflow.planning.summary import summary

SCALES = sorted(path.stem for path in SCALE_FILES.glob("*.yaml"))


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_plans_and_says_what_it_costs(scale, planned):
    plan = planned(scale)
    assert [i.experiment for i in plan.of("figures")] == list(plan.scale.experiments)
    known = set()
    for instance in plan.instances.values():  # inputs stand before their users
        assert {needed.key for needed in instance.inputs.values()} <= known
        known.add(instance.key)
    text = summary(plan, cores=2)
    assert f"scale {scale}: {len(plan.instances)} results" in text
    # No training serves two names, and each is planned with seconds to spend.
    trained = plan.of("pretrain", "supervise")
    assert len({(i.stage.name, i.settings, i.inputs["data"].key) for i in trained}) == len(trained)
    assert all(i.seconds > 0 for i in trained)


def test_what_is_published_has_seeds_enough_for_an_interval():
    published = [path.stem for path in (ROOT / "data" / "published").glob("*.jsonl")]
    assert published
    for scale in published:
        assert len(load_scale(scale).seeds) >= 3, scale


def test_settings_that_resolve_to_the_same_share_one_run(planned):
    plan = planned("tiny")
    shared = [i for i in plan.of("pretrain") if len(i.experiments) > 1]
    every = [set(i.experiments) for i in shared]
    assert any({"table5", "fig8", "table1", "fig7", "fig9"} <= one for one in every)


def test_an_experiment_may_have_seeds_of_its_own(tmp_path):
    text = (SCALE_FILES / "tiny.yaml").read_text()
    assert "fig8: {dims: [32, 128]}" in text
    text = text.replace("fig8: {dims: [32, 128]}", "fig8: {dims: [32], seeds: [7, 2]}")
    (tmp_path / "one.yaml").write_text(text)
    plan = planner.build_plan("one", tmp_path)
    assert {row["seed"] for row in plan.figure("fig8").settings.rows} == {7, 2}
    assert plan.figure("fig8").settings.context["seeds"] == 2  # what the caption says
    assert {row["seed"] for row in plan.figure("fig5").settings.rows} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("scale", SCALES)
def test_processes_start_with_the_data_then_by_experiment_the_longest_first(scale, planned):
    plan = planned(scale)
    backwards = list(plan.instances.values())[::-1]  # the order must not come from the input
    groups = list(plan.groups(backwards).values())
    assert sorted(i.key for group in groups for i in group) == sorted(plan.instances)
    assert [i.stage.name for i in groups[0]] == ["prepare"]
    experiments = [group[0].experiments[0] for group in groups[1:]]
    for name in plan.scale.experiments:
        seconds = [sum(i.seconds for i in g) for g in groups[1:] if g[0].experiments[0] == name]
        assert seconds == sorted(seconds, reverse=True)
    assert experiments == sorted(experiments, key=list(plan.scale.experiments).index)


def test_short_settings_of_an_experiment_share_a_process(tmp_path, planned):
    (tmp_path / "mini.yaml").write_text(MINI)
    plan = planner.build_plan("mini", tmp_path)
    groups = plan.groups(plan.instances.values()).values()
    trained = [group for group in groups if group[0].stage.name == "pretrain"]
    assert [{i.experiments[0] for i in group} for group in trained] == [{"table5"}, {"fig8"}]
    for scale in SCALES:
        plan = planned(scale)
        for group in plan.groups(plan.instances.values()).values():
            settings = {(i.experiment, i.setting) for i in group}
            assert len(settings) == 1 or sum(i.seconds for i in group) <= grouping.SHORT


def test_figures_whose_numbers_are_there_are_drawn_by_few_processes(planned):
    plan = planned("tiny")
    figures = plan.of("figures")
    groups = plan.groups(figures)
    assert len(groups) < len(figures) / 4
    assert sorted(i.name for group in groups.values() for i in group) == sorted(
        i.name for i in figures
    )
    # In a first run each is drawn as soon as its own numbers are there.
    first = plan.groups(plan.instances.values())
    assert sum(name.startswith("figures_") for name in first) == len(figures)


@pytest.mark.slow
def test_a_setting_of_scale_cifar10_trains_on_any_device(tmp_path):
    """ResNet-18 with the CIFAR stem, bfloat16, as on the GPU; two steps of 5 images."""
    scale = load_scale("cifar10")
    assert scale.device == "cuda" and scale.base["prepare"]["source"] == "cifar10"
    short = {
        "device": "cpu",
        "precision": scale.precision,
        "batch_size": 5,
        "epochs": 1,
        "optimizer": {"warmup_epochs": 0},
    }
    settings = build(Pretrain, merge(scale.base["pretrain"], short))
    assert (settings.encoder.depth, settings.encoder.stem) == (18, "cifar")
    data, out = tmp_path / "data", tmp_path / "out"
    for folder in (data, out):
        folder.mkdir()
    from simclr.stages import prepare

    size = {"image_size": 32, "train_images": 10, "test_images": 10, "source": "patterns"}
    prepare.run(build(Prepare, size), {}, data, None, lambda *_: None)
    pretrain.run(settings, {"data": data}, out, tmp_path / "checkpoint", lambda *_: None)
    loss = json.loads((out / "training.json").read_text())["loss"]
    assert 0 < loss < 2 * 2.2  # ln(2 * 5 - 1) = 2.2 where nothing is learnt
