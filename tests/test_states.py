"""Trainings that did not learn: recognised from chance, and marked wherever they are shown."""

import math

import pandas as pd
import pytest
from matplotlib.text import Text

from simclr import files
from simclr.config import build
from simclr.settings.training import Pretrain, Supervise
from tests import synthetic
from workflow import catalog, paper
from workflow.figures import contrasts, plotting, stage, states
from workflow.pages import ledger, runs, scale_page
from workflow.planning.planner import build_plan
from workflow.stages import Figures

N = 64
BOTH, OTHER, NO_VALUE = ({"batch": N, "candidates": k} for k in (2 * N - 1, N, 0))
LN_N, LN_K = math.log(N), math.log(2 * N - 1)
ACCURACY = 100 / N  # of chance
LOST = (20 * ACCURACY, 3.0), (5 * ACCURACY, 3.5)  # accuracy and entropy, first and last epoch


def curve(loss: float, first: tuple, last: tuple, **more) -> list[dict]:
    """Two epochs, each an accuracy and an entropy; `loss` is that of the second."""
    names = ("contrastive_accuracy", "contrastive_entropy")
    epochs = (dict(zip(names, values, strict=True)) for values in (first, last))
    return [
        {"loss": value, **epoch, **more} for value, epoch in zip((9.0, loss), epochs, strict=True)
    ]


def published(batch: int, loss: float, first: float, last: float, entropy: float) -> list[dict]:
    """The first and last epoch of a run that was published, as texts; other epochs do not count."""
    rows = curve(loss, (first, 0.0), (last, entropy))
    return [{name: str(value) for name, value in row.items()} for row in rows]


@pytest.mark.parametrize(
    ("chance", "rows", "wanted"),
    [
        (BOTH, curve(LN_K - 0.01, *LOST), "learned"),  # accuracy fell, below chance all the same
        (BOTH, curve(LN_K, *LOST), "plateau"),
        (BOTH, curve(LN_K + 1, *LOST[::-1]), "learned"),  # slow, or without l2 norm: accuracy rose
        (BOTH, curve(LN_K + 1, LOST[0], LOST[0]), "learned"),  # a single epoch
        (OTHER, curve(LN_N, *LOST), "plateau"),  # N candidates
        (OTHER, curve((LN_N + LN_K) / 2, *LOST), "plateau"),
        (BOTH, curve((LN_N + LN_K) / 2, *LOST), "learned"),
        (NO_VALUE, curve(0.1, *LOST), "plateau"),  # NT-Logistic, margin: accuracy decides
        (NO_VALUE, curve(99.0, *LOST[::-1]), "learned"),
        (BOTH, curve(LN_K + 1, *LOST, online_loss=1.1), "learned"),  # of the online classifier
        (BOTH, curve(LN_K - 1e-6, (10.0, 3.0), (ACCURACY, LN_N)), "collapsed"),  # z is constant
        (NO_VALUE, curve(0.0, (ACCURACY, LN_N), (1.9 * ACCURACY, LN_N)), "collapsed"),
        (BOTH, curve(2.0, (ACCURACY, 3.0), (1.9 * ACCURACY, 3.0)), "plateau"),  # luck
        (BOTH, curve(4.3, (8.0, 4.1), (30.0, 0.999 * LN_N)), "learned"),  # temperature 1
        ({}, curve(LN_K, *LOST), ""),  # supervised
        (BOTH, [], ""),
        (BOTH, [{"epoch": 1, "loss": 1.0, "train_top1": 20.0}], ""),  # fine-tuning's own curve
    ],
)
def test_the_rule_follows_from_chance(chance, rows, wanted):
    assert states.state(rows, chance) == wanted


@pytest.mark.parametrize(
    ("batch", "numbers", "wanted"),
    [  # loss of the last epoch, accuracy of the first and the last, entropy: published runs
        (64, (5.68997, 10.016, 2.32372, 4.04688), "plateau"),  # small, table5.l2-0.05.s0: 12.1 %
        (64, (4.61628, 10.7171, 35.6571, 0.934705), "learned"),  # s1: 37.8 %
        (64, (5.4974, 12.8205, 7.71234, 3.6125), "plateau"),  # s2: 24.5 %
        (256, (6.24038, 5.48931, 0.390625, 5.54517), "collapsed"),  # figb8.t0.05-b256: 10.0 %
        (256, (6.65523, 4.48191, 3.10444, 4.98377), "plateau"),
        (128, (5.54126, 1.66667, 0.677083, 4.85203), "collapsed"),  # tiny, head without batch norm
        (64, (11.3463, 4.98992, 2.62097, 3.40458), "plateau"),  # tiny, figb8.t0.05-b64
        (128, (8.52465, 2.96875, 1.61458, 4.39712), "plateau"),  # tiny, table5.l2-0.05.s0
        (128, (5.84085, 2.13542, 3.07292, 3.79615), "learned"),  # tiny, six epochs: slow
        (128, (5.61424, 2.13542, 3.17708, 3.97346), "learned"),  # additive brightness: slow
    ],
)
def test_the_rule_on_runs_that_were_published(batch, numbers, wanted):
    chance = {"batch": batch, "candidates": 2 * batch - 1}
    assert states.state(published(batch, *numbers), chance) == wanted


def test_chance_is_that_of_the_loss_and_the_batch():
    def of(**loss):
        return states.chance(build(Pretrain, {"batch_size": N, "norm_groups": 2, "loss": loss}))

    assert of() == of(normalize=False) == BOTH
    assert of(negatives="other_view") == OTHER
    assert of(kind="margin", negatives="other_view") == NO_VALUE
    assert states.chance(build(Supervise, {})) == {}


def marked(experiment: str, settings: list[str]) -> tuple:
    """Rows of an experiment at `tiny`, its context, and curves: of `settings` seed 0 is lost."""
    rows = synthetic.rows("tiny", experiment)
    parts = []
    for row in rows:
        lost = row["setting"] in settings and row["seed"] == 0
        part = pd.DataFrame(curve(LN_K, *(LOST if lost else LOST[::-1])))
        place = {"setting": row["setting"], "seed": row["seed"]}
        parts.append(part.assign(epoch=[1, 2], **place))
    chances = {row["setting"]: BOTH for row in rows}
    context = {**synthetic.context("tiny"), "chances": chances}
    return rows, context, {stage.CURVES: pd.concat(parts)}


def daggers(figure) -> list[str]:
    """The texts of a figure, its headline not among them, that have a dagger."""
    return [text.get_text() for text in figure.findobj(Text) if states.DAGGER in text.get_text()]


@pytest.mark.parametrize(
    ("experiment", "setting", "count"),
    [
        ("table5", "l2-0.05", 3),  # a point in each of three panels
        ("fig5", "crop+color", 2),  # a cell, and the average of its row
        ("table4", "margin-0.4-lr6", 1),  # a bar, of the best of several settings
        ("variants", "no-flip", 1),  # a difference
        ("figb8", "t0.05-b64-e24", 1),  # a mean over learning rates
        ("table6", "w1", 2),
    ],
)
def test_what_rests_on_a_lost_run_is_marked_in_the_figure(experiment, setting, count):
    module = catalog.module(experiment)
    found = []
    for settings in ([], [setting]):
        rows, context, curves = marked(experiment, settings)
        known = states.by_run(curves[stage.CURVES], context["chances"])
        state = [known[row["setting"], row["seed"]] for row in rows]
        table = pd.DataFrame(rows).assign(state=state)
        with plotting.style():
            found.append(daggers(module.draw(table, stage.reported(module.PAPER))))
    assert found[0] == [] and len(found[1]) == count


def test_the_files_of_a_figure_say_which_runs_are_lost(tmp_path):
    rows, context, curves = marked("table5", ["l2-0.05", "l2-1"])
    stage.draw("table5", rows, context, tmp_path, curves)
    caption = files.read_text(tmp_path / "table5.caption.md")
    text = "† 2 of 12 runs did not leave the plateau; means include them: l2-0.05 (1 of 3), l2-1 ("
    assert text in caption
    lost = {
        (row["setting"], row["seed"])
        for row in files.read_csv(tmp_path / "table5.csv")
        if row["state"] != "learned"
    }
    assert lost == {("l2-0.05", "0"), ("l2-1", "0")}
    for row in files.read_csv(tmp_path / "table5.summary.csv"):
        assert row["not_learned"] == ("1" if row["setting"] in ("l2-0.05", "l2-1") else "0")
    claims = files.read_csv(tmp_path / "table5.claims.csv")
    assert [row["not_learned"] for row in claims] == ["2 of 9", "2 of 12", "2 of 12"]
    assert all(ledger.effect(row).endswith(" †") for row in claims)
    # The verdicts are those over all seeds.
    (tmp_path / "all").mkdir()
    stage.draw("table5", rows, context, tmp_path / "all", marked("table5", [])[2])
    others = files.read_csv(tmp_path / "all" / "table5.claims.csv")
    assert [{**row, "not_learned": ""} for row in claims] == others
    assert states.DAGGER not in files.read_text(tmp_path / "all" / "table5.caption.md")
    # The page.
    scale_page.write_index(tmp_path, "tiny", "made up", synthetic.WHOLE)
    page = files.read_text(tmp_path / "index.html")
    assert page.count("2 of 9 runs did not learn †") == 2  # at the figure, and in the ledger
    assert "<td>3 († 1)</td>" in page


def test_a_footnote_names_few_settings():
    table = pd.DataFrame({"setting": list("abcdefg"), "state": ["collapsed", *["plateau"] * 6]})
    assert states.footnote(table).endswith(", d (1 of 1) and 3 more settings.")
    assert "6 of 7 runs did not leave the plateau, 1 collapsed;" in states.footnote(table)
    assert states.footnote(table[["setting"]]) == ""


def test_a_contrast_rests_on_runs_in_means_and_in_choices():
    """A setting that did not learn, and so was not chosen, is a part of the choice."""
    rows = [(setting, seed) for setting in "abcd" for seed in (0, 1, 2)]
    table = pd.DataFrame(rows, columns=["setting", "seed"])
    level = table["setting"].map({"a": 40.0, "b": 30.0, "c": 10.0, "d": 20.0})
    table = table.assign(linear_h=level + table["seed"] ** 2 / 10)
    state = ["plateau" if row == ("c", 1) else "learned" for row in rows]

    def claims(table):
        values = contrasts.matrix(table, "linear_h")
        difference = values["a"] - values["b"]
        best = contrasts.held_out_best(values[["a", "c"]]) - values["b"]
        return [
            contrasts.directional("C1", "a minus b", difference),
            contrasts.directional("C1", "the best of a and c minus b", best),
        ]

    used = contrasts.uses_not_learned(claims, table.assign(state=state))
    assert used == {("C1", "the best of a and c minus b"): "1 of 9"}
    assert contrasts.uses_not_learned(claims, table.assign(state="learned")) == {}


def test_a_run_on_an_encoder_has_the_state_of_its_training(tmp_path):
    """Fine-tuning has a curve of its own; whether the encoder learned, its evaluation tells."""
    plan = build_plan("tiny")
    figure = plan.figure("table7")
    chances = figure.settings.context["chances"]
    roles = [role for role in figure.inputs if role.endswith(".encoder")]
    assert {role.rsplit(".", 2)[0] for role in roles} == set(chances)
    assert all(figure.inputs[role].stage.name == "evaluate" for role in roles)
    lost, learned = roles[:2]
    inputs = {}
    for role in (lost, learned):
        for name, lines in (
            (role, curve(9.0, *(LOST if role == lost else LOST[::-1]))),
            (role.removesuffix(".encoder"), [{"loss": 1.0, "train_top1": 20.0}] * 2),
        ):
            inputs[name] = tmp_path / name
            inputs[name].mkdir()
            lines = [{"epoch": epoch, **line} for epoch, line in enumerate(lines, 1)]
            files.write_curves(inputs[name] / "curves.csv", lines)
            files.write_metrics(inputs[name] / "metrics.json", {"finetune_top1": 50.0})
    (tmp_path / "out").mkdir()
    settings = build(Figures, {**vars(figure.settings), "paper": paper.sha256()})
    stage.run(settings, inputs, tmp_path / "out", tmp_path / "checkpoint", lambda done, text: None)
    found = {
        f"{row['setting']}.s{row['seed']}.encoder": row["state"]
        for row in files.read_csv(tmp_path / "out" / "table7.csv")
    }
    assert found == {lost: "plateau", learned: "learned"}


def test_the_page_of_runs_shows_the_state(tmp_path):
    plan = build_plan("tiny")
    text = "epoch,loss,contrastive_accuracy,contrastive_entropy,lr\n1,9,20,3,1\n2,9,{},3,1\n"
    lines = {}
    for name, accuracy in (("table5.l2-0.05.s0", 10), ("table5.l2-0.05.s1", 30)):
        (run,) = (one for one in plan.match(name) if one.stage.name == "evaluate")
        lines[run.key] = {
            **{"files": {"curves.csv": text.format(accuracy)}, "hardware": "", "versions": {}},
            **{"code": "", "seconds": 1.0},
        }
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "table5.svg").write_text("<svg>")
    runs.write_runs(plan, lines, tmp_path / "tiny")
    page = files.read_text(tmp_path / "tiny" / "runs.html")
    assert page.count("<td>plateau</td>") == page.count("<td>learned</td>") == 1
