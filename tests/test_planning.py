"""docs/planning.md is what its command writes; large scales are complete, and fit their GPUs."""

import collections
import itertools
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from benchmarks.overhead import GRIDS
from simclr.config import ConfigError, build
from simclr.settings.measuring import Examples
from simclr.settings.training import Encoder, Pretrain
from tests.project import MINI, ROOT
from workflow import catalog
from workflow.docs import cost_page, durations
from workflow.experiments import fig1
from workflow.figures.stage import reported
from workflow.planning import cost, estimates, networks
from workflow.planning.placement import gpus_of
from workflow.planning.plan import work_of
from workflow.planning.planner import build_plan
from workflow.planning.scale import SCALES
from workflow.planning.summary import summary

LARGE = ("cifar10", "imagenet")


@pytest.fixture(scope="module")
def plans(planned):
    return {scale: planned(scale) for scale in LARGE}


def test_the_page_is_what_the_command_writes(planned, monkeypatch):
    monkeypatch.setattr(cost_page, "build_plan", planned)
    assert cost_page.PAGE.read_text() == cost_page.page(), "run `python -m workflow.docs.cost_page`"


@pytest.mark.parametrize("scale", ("tiny", "small"))
def test_an_encoder_is_measured_on_the_images_that_it_was_trained_on(scale, planned):
    plan, names = planned(scale), collections.Counter()
    for instance in plan.instances.values():
        names[instance.stage.name, instance.name] += 1
        encoder = instance.inputs.get("encoder")
        if instance.stage.name == "evaluate":
            assert instance.inputs["data"] is encoder.inputs["data"], instance.name
    assert not [name for name, count in names.items() if count > 1]


@pytest.mark.slow
def test_other_rates_change_the_page(tmp_path, monkeypatch):
    """The page follows the scales: rates twice as fast halve what is no step."""
    before = cost_page.PAGE.read_text()  # which the test above compares
    shutil.copytree(SCALES, tmp_path / "scales")
    path = tmp_path / "scales" / "imagenet.yaml"
    text = path.read_text()
    assert "gelements_per_second: 170.0" in text
    path.write_text(text.replace("gelements_per_second: 170.0", "gelements_per_second: 340.0"))
    monkeypatch.setattr(cost_page, "build_plan", lambda name: build_plan(name, tmp_path / "scales"))
    differing = set(before.splitlines()) ^ set(cost_page.page().splitlines())
    assert any(line.startswith("| `imagenet`") for line in differing)
    assert not any(line.startswith("| `cifar10`") for line in differing)


def test_a_check_prints_a_ratio_for_each_stage():
    lines = durations.check_table("tiny").splitlines()
    found = {line.split("|")[1].strip(): line.split("|")[5] for line in lines[2:]}
    assert {"pretrain", "evaluate", "all"} <= set(found)
    assert float(found["all"]) > 0


@pytest.mark.parametrize("scale", LARGE)
def test_every_claim_is_tested_or_a_comment_says_why_not(scale, plans):
    text = (SCALES / f"{scale}.yaml").read_text()
    absent = re.findall(r"^ *# (\w+) .*:", text, re.MULTILINE)
    tested = {
        claim
        for name in (*plans[scale].scale.experiments, *absent)
        if name in catalog.names()
        for claim in catalog.module(name).CLAIMS
    }
    assert tested >= {claim for name in catalog.names() for claim in catalog.module(name).CLAIMS}


@pytest.mark.parametrize("scale", LARGE)
def test_a_plan_says_hours_of_gpus_for_each_experiment_and_what_they_rest_on(scale, plans):
    plan = plans[scale]
    text = summary(plan)
    basis = {"cifar10": "Rates measured: ", "imagenet": "Rates assumed, not measured: "}[scale]
    assert basis in text and "H200" in text
    found = dict(re.findall(r"^  (\w+) +\d+ results  ([\d,.]+) GPU-hours$", text, re.MULTILINE))
    assert set(found) == {"data", *plan.scale.experiments}
    (whole,) = re.findall(r"to compute: ([\d,.]+) GPU-hours, about .* on \d+ GPU", text)
    parts = [float(one.replace(",", "")) for one in found.values()]
    assert sum(parts) == pytest.approx(float(whole.replace(",", "")), abs=0.06 * len(parts))
    by_hand = sum(
        one.seconds / 3600 * gpus_of(plan.scale, one.stage, one.settings) for one in plan.missing()
    )
    assert float(whole.replace(",", "")) == pytest.approx(by_hand, abs=0.1)


def test_cheap_experiments_come_before_the_dominating_ones(plans):
    for plan in plans.values():
        hours = estimates.hours(plan)
        names = list(plan.scale.experiments)
        largest = max(names, key=lambda name: hours[name][1])
        assert names.index(largest) > len(names) / 2
        first = sum(hours[name][1] for name in names[: len(names) // 4])
        assert first < 0.1 * sum(each for _, each in hours.values())


def test_imagenet_is_planned_as_in_the_paper(plans):
    """Paper: 2.3 and A (views, LARS 4.8 at 4096), 6 (widths), B.5 (fine-tuning), B.6 (linear)."""
    plan = plans["imagenet"]
    (data,) = [one for one in plan.of("prepare") if one.is_scale_data]
    assert data.settings.source == "imagenet" and data.settings.view_size == 224
    trained = plan.of("pretrain")
    base = next(one.settings for one in trained if "table5" in one.experiments)
    assert base.batch_size == 4096 and base.epochs == 100 and base.encoder.depth == 50
    rule = base.optimizer
    assert rule.kind == "lars" and rule.base_lr * 4096 / 256 == pytest.approx(4.8)
    assert rule.weight_decay == 1e-6 and rule.warmup_epochs == 10
    for experiment in ("table6", "table7"):
        found = {
            (one.settings.encoder.width, one.settings.epochs)
            for one in trained
            if experiment in one.experiments
        }
        assert found == {(width, 1000) for width in (1, 2, 4)}, experiment
    assert {one.settings.epochs for one in trained if "fig9" in one.experiments} == {
        *range(100, 1001, 100)
    }
    evaluated = {replace(one.settings, seed=0, labels=1.0) for one in plan.of("evaluate")}
    assert len(evaluated) == 1
    settings = plan.of("evaluate")[0].settings
    assert settings.protocols == ("augmented",) and settings.epochs == 90
    assert settings.base_lr * settings.batch_size / 256 == pytest.approx(1.6)
    tuned = [
        one.settings
        for one in plan.of("finetune")
        if one.experiment == "table7" and "encoder" in one.inputs
    ]
    assert {(one.labels, one.epochs) for one in tuned} == {(0.01, 60), (0.1, 30), (1.0, 30)}
    assert all(one.optimizer.base_lr * one.batch_size / 256 == 0.8 for one in tuned)
    transferred = [one for one in plan.of("prepare") if not one.is_scale_data]
    assert [one.settings.fit for one in transferred] == ["crop"]


@pytest.mark.parametrize("scale", ["tiny", "small", *LARGE])
def test_figures_1_to_3_need_no_result_of_their_own(scale):
    """They share encoders with Table 6 and Figure 7, and images with Figure 4."""
    plan = build_plan(scale)
    own = [one for one in plan.instances.values() if {*one.experiments} & {"fig1", "fig2", "fig3"}]
    alone = [one for one in own if {*one.experiments} <= {"fig1", "fig2", "fig3"}]
    assert {one.stage.kind for one in alone} == {"figure"} and len(alone) == 3
    base = plan.scale.base
    shown = build(Examples, base["examples"]).views
    assert shown == build(Pretrain, base["pretrain"]).views


def test_figure_2_says_what_the_base_setting_is():
    """Depth 8, 8 channels: three groups of 8, 16 and 32."""
    row = build_plan("tiny").figure("fig2").settings.rows[0]
    assert (row["encoder"], row["dim_h"], row["dim_z"]) == ("ResNet-8", 32, 32)
    assert (row["operators"], row["loss"], row["temperature"]) == (
        "crop, flip, color",
        "nt_xent",
        0.25,
    )
    assert row["parameters"] == build_plan("tiny").figure("table6").settings.rows[0]["parameters"]


def test_the_sizes_of_figure_1_are_those_of_our_networks():
    """The paper's, in millions, beside ours of ResNet-50 at width 1, 2 and 4."""
    rows = fig1._theirs(reported(fig1.PAPER))
    for method, accuracies in (("SimCLR", [69.3, 74.2, 76.5]), ("supervised", [76.5, 77.8, 78.4])):
        found = rows[rows["method"] == method].sort_values("parameters")
        assert list(found["mean"]) == accuracies and list(found["name"]) == ["1x", "2x", "4x"]
        ours = [networks.parameters(Encoder(50, width)) / 1e6 for width in (1, 2, 4)]
        assert list(found["parameters"]) == pytest.approx(ours, rel=0.03)
    assert len(rows) == 3 + 3 + 10


def test_cifar10_has_the_grid_of_the_paper(plans):
    """Paper, B.9: ResNet-50, all batches, rates, temperatures and lengths with each other."""
    plan = plans["cifar10"]
    found = [one.settings for one in plan.of("pretrain") if "figb8" in one.experiments]
    expected = itertools.product(
        (256, 512, 1024, 2048, 4096), (0.5, 1.0, 1.5), (0.1, 0.5, 1.0), range(100, 1001, 100)
    )
    seen = collections.Counter(
        (one.batch_size, one.optimizer.base_lr, one.loss.temperature, one.epochs) for one in found
    )
    assert seen == dict.fromkeys(expected, len(plan.scale.seeds))
    varied = {"batch_size": 256, "epochs": 100, "loss": found[0].loss, "seed": 0}
    rest = {replace(one, **varied, optimizer=replace(one.optimizer, base_lr=1.0)) for one in found}
    assert len(rest) == 1
    assert found[0].encoder == Encoder(depth=50, width=1, base_channels=64, stem="cifar")
    assert found[0].views.color_strength == 0.5
    assert found[0].views.operators == ("crop", "flip", "color")
    rule = found[0].optimizer
    assert (rule.kind, rule.lr_scaling) == ("lars", "linear")
    assert (rule.weight_decay, rule.warmup_epochs) == (1e-6, 10)
    over_lengths = {one.settings.epochs for one in plan.of("pretrain") if "fig9" in one.experiments}
    assert over_lengths == {*range(100, 1001, 100)}


def test_the_rate_that_a_gpu_needs_is_that_of_the_estimates(plans):
    """Images a second and the seconds of a training differ by what is done once, and by steps."""
    plan = plans["imagenet"]
    for stage in ("pretrain", "evaluate"):
        one = next(one for one in plan.of(stage) if "table5" in one.experiments)
        work = work_of(one, plan.scale)
        rate = cost.images_a_second(one.settings, work, 2 if stage == "pretrain" else 1 / 3)
        seconds = [
            one.stage.seconds(replace(one.settings, epochs=epochs), work) for epochs in (50, 150)
        ]
        steps = 1_281_167 // 4096
        each = plan.scale.step_milliseconds / 1000 if stage == "pretrain" else cost.LINEAR_STEP
        images = 4096 * steps if stage == "pretrain" else 1_281_167
        assert (seconds[1] - seconds[0]) / 100 - steps * each == pytest.approx(images / rate)


def changed(tmp_path, old: str, new: str, scale: str = "imagenet"):
    shutil.copytree(SCALES, tmp_path / "scales")
    path = tmp_path / "scales" / f"{scale}.yaml"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    return build_plan(scale, tmp_path / "scales")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gpus: 32\n", "gpus: 1\n", "GB on each of 1 GPU of 141 GB: set `gpus` to [2-9] or more"),
        ("gpus: 32\n", "gpus: 2\n", "batch_size 4096 needs about .*, or `recompute: true`"),
        ("gpu_gigabytes: 141", "gpu_gigabytes: 3", "a smaller batch or encoder"),
        ("gpus: 32\n", "gpus: 8192\n", "less than an image for each of gpus 8192; lower `gpus`"),
    ],
)
def test_too_few_gpus_for_the_batch_are_refused(tmp_path, old, new, message):
    with pytest.raises(ConfigError, match=message) as caught:
        changed(tmp_path, old, new)
    assert "\n" not in str(caught.value) and "scale imagenet: table5." in str(caught.value)


def test_what_is_said_to_have_room_is_accepted(tmp_path):
    """The number that the error names is enough for that batch; the next error is another's."""
    with pytest.raises(ConfigError) as caught:
        changed(tmp_path / "one", "gpus: 32\n", "gpus: 1\n")
    (enough,) = re.findall(r"set `gpus` to (\d+)", str(caught.value))
    with pytest.raises(ConfigError) as other:
        changed(tmp_path / "other", "gpus: 32\n", f"gpus: {enough}\n")
    assert str(caught.value).split(":")[1] != str(other.value).split(":")[1]


def test_cores_never_run_out_of_the_memory_of_gpus(tmp_path):
    (tmp_path / "mini.yaml").write_text(f"{MINI}gpu_gigabytes: 0.000001\n")
    assert build_plan("mini", tmp_path).instances


def test_more_gpus_take_less_time_down_to_the_longest_chain(plans):
    for plan in plans.values():
        found = [estimates.fleet(plan, count) for count in (8, 128, 100_000)]
        assert found[0].seconds > found[1].seconds > found[2].seconds
        assert found[2].seconds == found[2].chain
    assert estimates.fleet(plans["imagenet"], 1).homeless


def test_an_experiment_may_have_a_base_of_its_own(tmp_path):
    own = "{dims: [8], base: {pretrain: {epochs: 3}, evaluate: {epochs: 7}}}"
    (tmp_path / "mini.yaml").write_text(MINI.replace("{dims: [8]}", own))
    plan = build_plan("mini", tmp_path)
    for experiment, lengths in (("fig8", (3, 7)), ("table5", (1, 2))):
        for stage, epochs in zip(("pretrain", "evaluate"), lengths, strict=True):
            found = [one for one in plan.of(stage) if experiment in one.experiments]
            assert {one.settings.epochs for one in found} == {epochs}
    for wrong, message in (
        ("{evalute: {epochs: 7}}", "fig8.base.evalute: unknown stage. Did you mean 'evaluate'"),
        ("7", "fig8.base: expected a mapping, got 7"),
        ("{evaluate: 7}", "fig8.base.evaluate: expected a mapping, got 7"),
        ("{evaluate: {epoch: 7}}", "evaluate.epoch: unknown setting"),
    ):
        bad = MINI.replace("{dims: [8]}", f"{{dims: [8], base: {wrong}}}")
        (tmp_path / "mini.yaml").write_text(bad)
        with pytest.raises(ConfigError, match=re.escape(message)):
            build_plan("mini", tmp_path)


def test_experiments_run_in_the_order_of_the_scale(tmp_path):
    swapped = MINI.replace("  fig8: {dims: [8]}\n", "").replace(
        "  table5", "  fig8: {dims: [8]}\n  table5"
    )
    (tmp_path / "mini.yaml").write_text(swapped)
    plan = build_plan("mini", tmp_path)
    assert [one.name for one in plan.of("figures")] == ["fig6", "fig8", "table5"]
    groups = [members[0] for members in plan.groups(plan.instances.values()).values()]
    order = [one.experiments[0] for one in groups if one.experiments]
    assert order == sorted(order, key=["fig6", "fig8", "table5"].index)


def test_short_runs_on_a_gpu_share_a_process_and_long_or_compiled_ones_do_not(tmp_path):
    def together(old: str = "", new: str = "") -> int:
        """Return the most trainings in a process."""
        text = f"device: cuda\n{MINI.replace(old, new)}"
        (tmp_path / "mini.yaml").write_text(text)
        plan = build_plan("mini", tmp_path)
        groups = plan.groups(plan.instances.values()).values()
        return max(sum(one.stage.name == "pretrain" for one in group) for group in groups)

    assert together() > 1
    assert together("  pretrain: &train\n", "  pretrain: &train\n    compile: true\n") == 1
    assert together("    epochs: 1\n", "    epochs: 100000\n") == 1
    assert together("seeds: [0, 1]\n", "seeds: [0, 1]\ngpus: 2\n") == 1


def test_ten_thousand_results_are_planned_in_seconds(tmp_path):
    text = MINI.replace("seeds: [0, 1]", f"seeds: {list(range(84))}")
    (tmp_path / "mini.yaml").write_text(f"{text.split('experiments:')[0]}experiments:\n{GRIDS}")
    start = time.process_time()
    plan = build_plan("mini", tmp_path)
    assert time.process_time() - start < 15  # it takes half a second on an idle machine
    assert len(plan.instances) > 10_000


@pytest.mark.slow
def test_the_overhead_is_measured(tmp_path):
    """The benchmark itself, at two hundred results; and the measurement that the page shows."""
    command = [sys.executable, "-m", "benchmarks.overhead", "--seeds", "1", "--repetitions", "1"]
    subprocess.run([*command, "--json", tmp_path / "found.json"], cwd=ROOT, check=True)
    found = json.loads((tmp_path / "found.json").read_text())
    shown = json.loads(cost_page.OVERHEAD.read_text())
    (case,), (shown_case,) = found["cases"].values(), shown["cases"].values()
    assert set(case["seconds"]) == set(shown_case["seconds"])
    assert case["results"] > 100 and shown_case["results"] > 10_000 and shown["n"] >= 3
    nothing = statistics.median(shown_case["seconds"]["`snakemake --cores all`, nothing missing"])
    assert nothing < 30
