"""Intervals against SciPy, verdicts that follow the numbers, and the paper judged by itself."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from simclr import registry
from tests import synthetic
from workflow import catalog
from workflow.experiments import fig5, fig6
from workflow.figures import contrasts, power, stage


def by_seed(*values):
    return pd.Series(dict(enumerate(values)), dtype=float)


def test_interval_is_that_of_a_t_test():
    values = [1.0, 2.5, 4.0, 2.0]
    expected = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    mean, low, high, n = contrasts.interval(values)
    assert (mean, n) == (2.375, 4)
    assert (low, high) == pytest.approx((expected.low, expected.high))


def test_p_is_that_of_a_t_test():
    values = [1.0, 2.5, 4.0, 2.0]
    assert contrasts.p_value(values) == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue)
    assert contrasts.p_value([*values, math.nan], 3.0) == pytest.approx(
        scipy.stats.ttest_1samp(values, 3.0).pvalue
    )
    assert math.isnan(contrasts.p_value([1.0])) and math.isnan(contrasts.p_value([]))
    assert (contrasts.p_value([2.0, 2.0]), contrasts.p_value([3.0, 3.0], 3.0)) == (0.0, 1.0)


def test_interval_leaves_out_what_is_missing():
    assert contrasts.interval([1.0, math.nan, 3.0]) == contrasts.interval([1.0, 3.0])
    mean, low, high, n = contrasts.interval([7.0])
    assert (mean, n) == (7.0, 1)
    assert math.isnan(low) and math.isnan(high)
    assert contrasts.interval([])[3] == 0


def test_interval_covers_the_truth_in_95_percent():
    draws = np.random.default_rng(0).normal(5.0, 2.0, (4000, 3))
    covered = [low <= 5.0 <= high for _, low, high, _ in map(contrasts.interval, draws)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.012)


@pytest.mark.parametrize(
    ("values", "direction", "verdict"),
    [
        ((3.0, 3.1, 2.9), 1, "reproduced"),
        ((3.0, 3.1, 2.9), -1, "contradicted"),
        ((-3.0, -3.1, -2.9), 1, "contradicted"),
        ((-3.0, -3.1, -2.9), -1, "reproduced"),
        ((3.0, -1.0, 1.0), 1, "inconclusive"),
        ((3.0, -1.0, 1.0), -1, "inconclusive"),
        ((3.0,), 1, "inconclusive"),  # one seed proves nothing
        ((0.0, 0.0, 0.0), 1, "inconclusive"),  # identical runs
        ((), 1, "not tested"),
    ],
)
def test_directional_verdicts(values, direction, verdict):
    claim = contrasts.directional("C01", "a minus b", by_seed(*values), direction)
    assert (claim.verdict, claim.n) == (verdict, len(values))


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((1.0, 1.2, 0.9), "reproduced"),
        ((5.0, 5.2, 4.9), "contradicted"),
        ((1.0, 5.0, 3.0), "inconclusive"),
        ((1.0,), "inconclusive"),
        ((), "not tested"),
    ],
)
def test_equivalence_verdicts(values, verdict):
    claim = contrasts.equivalence("C05", "range", by_seed(*values), margin=3.0)
    assert claim.verdict == verdict
    assert "3 pp" in claim.contrast  # the margin is stated


@pytest.mark.parametrize(("p", "n"), [(0.06, 3), (0.2, 3), (0.06, 5), (0.4, 6)])
def test_the_seeds_that_would_decide_do_so_in_four_of_five_repetitions(p, n):
    effect = scipy.stats.t.isf(p / 2, n - 1) / n**0.5  # in deviations over seeds
    needed = power.seeds_to_decide(p, n)
    draws = np.random.default_rng(0).normal(effect, 1.0, (4000, needed))
    decided = scipy.stats.ttest_1samp(draws, 0, axis=1)
    rate = np.mean((decided.pvalue < 0.05) & (decided.statistic > 0))
    fewer = scipy.stats.ttest_1samp(draws[:, :-1], 0, axis=1)
    assert rate > 0.8 - 0.02 and np.mean(fewer.pvalue < 0.05) < 0.8 + 0.02


def test_what_no_number_of_seeds_decides():
    assert power.seeds_to_decide(1.0, 3) == power.seeds_to_decide(0.95, 3) == math.inf
    assert math.isnan(power.seeds_to_decide(math.nan, 1))
    assert power.seeds_to_decide(0.0, 3) == 2
    claim = contrasts.directional("C01", "a minus b", by_seed(3.0, -1.0, 1.0))
    assert claim.needed == power.seeds_to_decide(claim.p, 3)


def test_a_choice_made_on_other_seeds_is_not_too_high():
    noise = np.random.default_rng(1).normal(0.0, 1.0, (500, 3, 20))
    naive = np.mean([run.mean(axis=0).max() for run in noise])
    fair = np.mean([contrasts.held_out_best(pd.DataFrame(run)).mean() for run in noise])
    assert naive > 0.8  # the largest of 20 means of nothing
    assert fair == pytest.approx(0.0, abs=0.05)
    single = pd.DataFrame([[1.0, 4.0, 2.0]])
    assert contrasts.held_out_best(single).tolist() == [4.0]


def test_held_out_best_by_another_metric():
    values = pd.DataFrame({"a": [1.0, 1.0], "b": [9.0, 9.0]})
    ranks = pd.DataFrame({"a": [5.0, 5.0], "b": [2.0, 2.0]})
    assert contrasts.held_out_best(values, ranks).tolist() == [1.0, 1.0]


def test_per_seed_selects_and_averages():
    rows = [(s, k, d, 10.0 * d + s) for s in (0, 1) for k in "ab" for d in (1, 2)]
    table = pd.DataFrame(rows, columns=["seed", "kind", "dim", "x"])
    assert contrasts.per_seed(table, "x", kind="a").tolist() == [15.0, 16.0]
    assert contrasts.per_seed(table, "x", kind=["a", "b"], dim=2).tolist() == [20.0, 21.0]
    assert contrasts.per_seed(table, "absent").empty
    assert contrasts.per_seed(table, "x", kind="c").empty


# The paper's own numbers, as if they were ours of three seeds: every claim must be reproduced.


def paper_table(experiment: str) -> pd.DataFrame:
    module = catalog.module(experiment)
    table = module.of_paper(stage.reported(module.PAPER)).reset_index(drop=True)
    metrics = [metric.name for metric in registry.metrics() if metric.name in table]
    seeds = []
    for seed in range(3):
        noise = 0.02 * np.random.default_rng(seed).standard_normal((len(table), len(metrics)))
        seeds.append(table.assign(seed=seed, setting=table.index, **(table[metrics] + noise)))
    return pd.concat(seeds)


PAPER_EFFECTS = {  # (experiment, contrast's beginning): effect as claims.csv states it, in points
    "table1": [3.6, -1.3, 4.9, 1.3, -0.3, -2.1, 1.4],
    "fig8": [3.85, 14.25, 10.4, None, None],
    "table5": [4.7, 4.1, -7.2],
    "fig9": [7.25, None, None],
    "fig7": [14.8, None, 12.5, 6.4],
    "table3": [1.9, 42.0, 39.9, 40.3],
    "table4": [6.0, 6.6, 6.3],
    "table7": [22.9, 9.2, 14.7, 2.0, -0.5],
    "figb2": [5.3, None],
    "tableb3": [0.7, 0.4, 1.1],
}


@pytest.mark.parametrize("experiment", sorted(PAPER_EFFECTS))
def test_the_papers_numbers_reproduce_the_papers_claims(experiment):
    module = catalog.module(experiment)
    claims = module.claims(paper_table(experiment))
    assert {claim.id for claim in claims} <= set(module.CLAIMS)
    tested = [claim for claim in claims if claim.verdict != "not tested"]
    assert len(tested) >= len(module.CLAIMS) - 1
    for claim in tested:
        assert claim.verdict == "reproduced", claim
    for claim, effect in zip(claims, PAPER_EFFECTS[experiment], strict=True):
        if effect is not None:
            assert claim.effect == pytest.approx(effect, abs=0.3), claim


@pytest.mark.parametrize(
    ("experiment", "effects"),
    [
        ("figb8", {"C33": [95.1 - 94.0 - 3]}),
        ("table8", {"C40": [0.0, -6.5]}),
        ("variants", {"C11": [1.1], "C30": [0.7]}),
        ("fig6", {}),
    ],
)
def test_the_papers_own_effects_where_it_has_numbers(experiment, effects):
    module, found = catalog.module(experiment), {}
    for (claim, *_), effect in stage.paper_effects(module, stage.reported(module.PAPER)).items():
        if not math.isnan(effect):
            found.setdefault(claim, []).append(effect)
    assert found == {name: pytest.approx(values, abs=0.05) for name, values in effects.items()}


@pytest.mark.parametrize("experiment", sorted(PAPER_EFFECTS))
def test_turned_metrics_turn_the_verdicts(experiment):
    module = catalog.module(experiment)
    table = paper_table(experiment)
    names = ("linear_h", "supervised_top1", "contrastive_accuracy", "probe_", "finetune_")
    metrics = [c for c in table if c.startswith(names)]
    table[metrics] = 100.0 - table[metrics]
    turned = [claim for claim in module.claims(table) if claim.unit == "pp"]
    equal = [claim for claim in turned if "margin" in claim.contrast]
    assert all(claim.verdict in ("reproduced", "not tested") for claim in equal)
    for claim in turned:
        if claim not in equal and claim.verdict != "not tested":
            assert claim.verdict != "reproduced", claim


def fig5_table(turn: bool = False) -> pd.DataFrame:
    values = {(r.row, r.column): r.value for r in stage.reported(fig5.PAPER).itertuples()}
    rows = []
    for run in fig5.runs({}):
        first, second = run.labels["first"], run.labels["second"]
        value = values[f"1st={first.title()}", f"2nd={second.title()}"]
        for seed in range(3):
            noise = 0.1 * np.random.default_rng([len(rows), seed]).standard_normal()
            accuracy = (100 - value if turn else value) + noise
            rows.append(
                {
                    "setting": run.name,
                    "seed": seed,
                    **run.labels,
                    "linear_h": accuracy,
                    "contrastive_accuracy": 100 - value - noise,
                }
            )
    return pd.DataFrame(rows)


def test_figure_5_of_the_paper_reproduces_its_claims():
    claims = fig5.claims(fig5_table())
    assert [claim.verdict for claim in claims] == ["reproduced"] * 8
    effects = [claim.effect for claim in claims]
    expected = [23.2, 22.95, 37.25, 9.85, 7.5, 9.8, -1.0, 0.65]
    assert effects == pytest.approx(expected, abs=0.4)
    turned = fig5.claims(fig5_table(turn=True))
    assert {claim.verdict for claim in turned[1:7]} == {"contradicted"}
    assert turned[7].verdict == "reproduced"  # the order still hardly matters


def test_figure_5_without_crop_or_colour_says_not_tested():
    table = fig5_table()
    few = table[table["first"].isin(["sobel", "noise"]) & table["second"].isin(["sobel", "noise"])]
    verdicts = {claim.id: claim.verdict for claim in fig5.claims(few)}
    assert verdicts["C02"] == verdicts["C03"] == "not tested"


def test_figure_6_turns_with_its_metrics():
    rows = synthetic.rows("tiny", "fig6")
    assert fig6.claims(pd.DataFrame(rows))[0].verdict == "reproduced"
    plain, distorted = fig6.METRICS
    for row in rows:
        row[plain], row[distorted] = row[distorted], row[plain]
    assert fig6.claims(pd.DataFrame(rows))[0].verdict == "contradicted"
