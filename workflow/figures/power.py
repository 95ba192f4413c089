"""How many seeds would decide a contrast that these seeds leave open."""

import math

import numpy as np
import scipy.stats

LEVEL = 0.05  # two-sided, as the intervals of 95 %
POWER = 0.8  # probability that a repetition with so many seeds decides
MOST = 1000  # seeds; a contrast that needs more is not worth them


def seeds_to_decide(p: float, n: int) -> float:
    """Return the seeds with which a t-test decides in four of five repetitions.

    p: of the t-test of the contrast (contrasts.p_value), so of zero or of a margin alike; n: its
    seeds. Takes the effect and the deviation over seeds to be as these seeds show them. inf where
    more than MOST are needed; nan where there is no p.
    """
    if math.isnan(p):
        return math.nan
    if p == 0:  # no deviation at all
        return 2
    effect = scipy.stats.t.isf(p / 2, n - 1) / math.sqrt(n)  # in deviations over seeds
    seeds = np.arange(2, MOST + 1)
    critical = scipy.stats.t.isf(LEVEL / 2, seeds - 1)
    power = scipy.stats.nct.sf(critical, seeds - 1, effect * np.sqrt(seeds))
    enough = seeds[power >= POWER]
    return int(enough[0]) if len(enough) else math.inf
