"""Means, intervals over seeds, and verdicts on claims. Pure functions.

A claim is tested by a contrast that is computed within every seed (all settings of a seed share
its data order and initial weights where they can, so differences are paired), then averaged over
seeds with a Student t interval at 95 %. The verdict follows from that interval alone:

    reproduced     it excludes zero, on the paper's side
    contradicted   it excludes zero, on the other side
    inconclusive   it includes zero, or there is only one seed
    not tested     the scale has no such settings

A claim that something hardly matters has a margin instead: reproduced if the interval lies below
it, contradicted if above. One seed has no interval; it is shown as n=1.

Intervals and verdicts are per contrast. `p` is that of the t-test with the same interval (below
0.05 where it excludes zero, or the margin); workflow/pages/ledger.py corrects it for the number of
contrasts. A sign permutation test of so few seeds cannot decide: its least p for three is 0.25.
"""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.stats

from simclr import registry
from workflow.figures.power import LEVEL, seeds_to_decide
from workflow.figures.states import NOT_LEARNED, UNTRAINED

CONFIDENCE = 1 - LEVEL
BEST = 1000.0  # more than any metric
EMPTY = pd.Series(dtype=np.float64)  # a contrast that no seed has
VERDICTS = ("reproduced", "contradicted", "inconclusive", "not tested")


class Claim(NamedTuple):
    """The outcome of one contrast: `id` as in data/paper/claims.csv, the effect in `unit`."""

    id: str
    contrast: str  # in words, so that the sign can be read
    effect: float  # mean over seeds; nan where not tested
    low: float  # 95 % interval; nan with fewer than two seeds
    high: float
    n: int  # seeds
    p: float  # two-sided, of no effect (or of one as large as the margin); nan as low
    unit: str
    verdict: str
    needed: float = math.nan  # seeds that would decide it, if inconclusive (see power.py)
    side: int = 1  # the paper's: an effect above (1) or below (-1) ...
    against: float = 0.0  # ... this


def interval(values) -> tuple[float, float, float, int]:
    """Return (mean, low, high, n) of `values`, one per seed; nan values are left out.

    SciPy's `ttest_1samp(...).confidence_interval()` gives the same interval, but other last digits
    than those published.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    n = len(values)
    if n == 0:
        return math.nan, math.nan, math.nan, 0
    mean = float(values.mean())
    if n == 1:
        return mean, math.nan, math.nan, 1
    half = scipy.stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * values.std(ddof=1) / math.sqrt(n)
    return mean, float(mean - half), float(mean + half), n


def p_value(values, against: float = 0.0) -> float:
    """Return the two-sided p of Student's t-test that the mean of `values` is `against`.

    nan with fewer than two; for equal values 0, or 1 where they are `against` itself.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    if len(values) < 2:
        return math.nan
    if values.std() == 0:
        return float(values[0] == against)
    return float(scipy.stats.ttest_1samp(values, against).pvalue)


def summary(table: pd.DataFrame, by: list[str], metric: str) -> pd.DataFrame:
    """Return a row per combination of the columns `by`: those, mean, low, high, n of `metric`, and
    how many of its runs did not learn.

    In the order of first appearance in `table`.
    """
    groups = list(table.groupby(by, sort=False))
    rows = intervals({key: rows[metric] for key, rows in groups}, by)
    return rows.assign(**{NOT_LEARNED: [not_learned(rows) for _, rows in groups]})


def averaged(table: pd.DataFrame, by: list[str], metric: str) -> pd.DataFrame:
    """Return a row per combination of the columns `by`: those, the mean of `metric`, and how many
    of its runs did not learn. `summary` takes such rows as well as runs.
    """
    rows = table.assign(**{NOT_LEARNED: _not_learned(table)})
    return rows.groupby(by, as_index=False).agg({metric: "mean", NOT_LEARNED: "sum"})


def not_learned(table: pd.DataFrame) -> int:
    """Return how many of these runs did not learn (states.py)."""
    return int(_not_learned(table).sum())


def _not_learned(table: pd.DataFrame) -> pd.Series:
    if NOT_LEARNED in table:  # of rows that are averages already
        return table[NOT_LEARNED]
    states = table["state"] if "state" in table else pd.Series("", table.index)
    return states.isin(UNTRAINED).astype(int)


def derived(compute, table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the rows of intervals(compute(table), names), and on how many runs that did not learn
    each of them rests.

    compute: maps a table to {key: numbers}, one per seed.
    """

    def means(table):
        return {key: interval(numbers) for key, numbers in compute(table).items()}

    used = resting_on(means, table) if not_learned(table) else {}
    counts = [not_learned(table.loc[used.get(key, [])]) for key in means(table)]
    return intervals(compute(table), names).assign(**{NOT_LEARNED: counts})


def uses_not_learned(claims, table: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return {(id, contrast): "2 of 6"}: of the runs that it rests on, those that did not learn.

    claims: maps a table to a list of Claim. Contrasts that rest on no such run are left out.
    """
    if not not_learned(table):
        return {}
    used = resting_on(lambda table: {claim[:2]: claim for claim in claims(table)}, table)
    counts = {key: (not_learned(table.loc[runs]), len(runs)) for key, runs in used.items()}
    return {key: f"{count} of {total}" for key, (count, total) in counts.items() if count}


def resting_on(compute, table: pd.DataFrame) -> dict:
    """Return {key: runs on which the value rests}, as index of `table`.

    Were the metrics of their setting the best of all, the value would be another. So a setting that
    is in a mean is one of these, and one that was not the best of those to choose from.
    compute: maps a table to {key: value}.
    """
    metrics = [metric.name for metric in registry.metrics() if metric.name in table]
    numbers = table[metrics].astype(float)
    present = table[numbers.notna().any(axis=1)]
    whole = compute(table)
    runs = {key: [] for key in whole}
    for _, rows in present.groupby("setting", sort=False):
        changed = numbers.copy()
        changed.loc[rows.index] = changed.loc[rows.index] * 0 + BEST  # what is missing stays so
        values = compute(table.assign(**changed))
        for key, value in whole.items():
            if repr(values.get(key)) != repr(value):  # nan equals nan
                runs[key] += list(rows.index)
    return runs


def intervals(values: dict, names: list[str]) -> pd.DataFrame:
    """Return a row per item of `values`: its key in the columns `names`, mean, low, high, n.

    values: key, or tuple of as many keys as names -> numbers, one per seed.
    """
    rows = [
        (*(key if isinstance(key, tuple) else (key,)), *interval(numbers))
        for key, numbers in values.items()
    ]
    return pd.DataFrame(rows, columns=[*names, "mean", "low", "high", "n"])


def per_seed(table: pd.DataFrame, metric: str, **labels) -> pd.Series:
    """Return `metric` by seed, averaged over the rows whose labels have the given values.

    A label may be given a list of values. Empty where no row matches or the metric is absent.
    """
    if metric not in table:
        return EMPTY
    for name, value in labels.items():
        table = table[table[name].isin(value if isinstance(value, list) else [value])]
    return table.groupby("seed")[metric].mean().dropna()


def matrix(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return `metric` as seeds x settings."""
    if metric not in table:
        return pd.DataFrame()
    return table.pivot(index="seed", columns="setting", values=metric).dropna(axis="columns")


def held_out_best(values: pd.DataFrame, chosen_by: pd.DataFrame | None = None) -> pd.Series:
    """Return by seed the value of the setting that is best on average over the *other* seeds.

    values, chosen_by: seeds x settings. The maximum over many settings of a noisy mean is too
    high; a choice made on other seeds is not. (With one seed there is no other: its own maximum.)
    """
    ranks = values if chosen_by is None else chosen_by[values.columns]
    if values.empty:
        return EMPTY
    best = {}
    for seed in values.index:
        others = ranks.drop(index=seed) if len(ranks) > 1 else ranks
        best[seed] = values.loc[seed, others.mean().idxmax()]
    return pd.Series(best)


def directional(
    id: str, contrast: str, differences: pd.Series, direction: int = 1, unit: str = "pp"
) -> Claim:
    """Judge a claim that a contrast is positive (direction 1) or negative (-1).

    differences: the contrast by seed.
    """
    mean, low, high, n = interval(differences)
    positive, negative = low > 0, high < 0
    if direction > 0:
        verdict = _verdict(n, reproduced=positive, contradicted=negative)
    else:
        verdict = _verdict(n, reproduced=negative, contradicted=positive)
    p = p_value(differences)
    needed = _needed(verdict, p, n)
    return Claim(id, contrast, mean, low, high, n, p, unit, verdict, needed, direction)


def equivalence(id: str, contrast: str, sizes: pd.Series, margin: float, unit: str = "pp") -> Claim:
    """Judge a claim that an effect hardly matters: its size, by seed, is less than `margin`.

    sizes: not negative. They contain the noise between runs, so they are too large if anything.
    """
    mean, low, high, n = interval(sizes)
    verdict = _verdict(n, reproduced=high < margin, contradicted=low > margin)
    contrast, p = f"{contrast} (margin: {margin:g} {unit})", p_value(sizes, margin)
    needed = _needed(verdict, p, n)
    return Claim(id, contrast, mean, low, high, n, p, unit, verdict, needed, -1, margin)


def _verdict(n: int, reproduced: bool, contradicted: bool) -> str:
    if n == 0:
        return "not tested"
    if reproduced:
        return "reproduced"
    return "contradicted" if contradicted else "inconclusive"


def _needed(verdict: str, p: float, n: int) -> float:
    return seeds_to_decide(p, n) if verdict == "inconclusive" else math.nan
