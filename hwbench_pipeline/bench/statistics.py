"""Statistics of latency samples.

Belongs here: the formulas behind the latency columns, one place for measured and for re-computed numbers.
Does not belong here: taking samples (`sampling`) or deciding what a number is worth (`judging`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from hwbench_pipeline.schema.tables.results import LATENCY_COLUMNS, MINIMUM_SAMPLES_FOR_P99

FEWEST_FOR_INTERVAL = 6
"""With five samples even their whole range covers the median in 93.75 % of cases only: 1 − 2 · 0.5⁵."""
ONE_OF_OUTSIDE = 40
"""One of so many cases, 2.5 %, may lie outside a 95 % interval on each side."""


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Percentile of ascending values by linear interpolation between closest ranks (numpy's default).

    Raises ValueError for no values.
    """
    if not ordered:
        raise ValueError("a percentile needs at least one value")
    position = (len(ordered) - 1) * percent / 100
    below = math.floor(position)
    above = math.ceil(position)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def latency_statistics(samples_ms: Sequence[float]) -> dict[str, float | None]:
    """The latency columns of one result row from its raw samples in milliseconds.

    The standard deviation divides by n − 1 and is None for one sample; p99 is None below 100 samples,
    because there it would only repeat the maximum. No samples give None everywhere.
    """
    if not samples_ms:
        return dict.fromkeys(LATENCY_COLUMNS)
    ordered = sorted(samples_ms)
    count = len(ordered)
    # rounding may put the mean of equal samples just outside them
    mean = min(max(math.fsum(ordered) / count, ordered[0]), ordered[-1])
    variance = math.fsum((sample - mean) ** 2 for sample in ordered) / (count - 1) if count > 1 else None
    return {
        "latency_ms_mean": mean,
        "latency_ms_std": None if variance is None else math.sqrt(variance),
        "latency_ms_min": ordered[0],
        "latency_ms_p50": percentile(ordered, 50),
        "latency_ms_p90": percentile(ordered, 90),
        "latency_ms_p95": percentile(ordered, 95),
        "latency_ms_p99": percentile(ordered, 99) if count >= MINIMUM_SAMPLES_FOR_P99 else None,
        "latency_ms_max": ordered[-1],
    }


def median_interval(samples_ms: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % confidence interval of the median of samples in the order they were taken; None for fewer than six.

    The k-th smallest and the k-th largest sample, k the largest rank for which both cover the median in 95 % of cases or
    more by the binomial distribution with p = ½ (Hahn & Meeker, Statistical Intervals, 2nd ed., section 5.2), which
    assumes no distribution of the samples. Those that follow each other tell less than independent ones: k is taken for
    the effective number n (1 − r) / (1 + r), r the lag-1 autocorrelation of the ranks where it is above zero.
    """
    count = len(samples_ms)
    if count < FEWEST_FOR_INTERVAL:
        return None
    effective = count * (1 - (r := _rank_autocorrelation(samples_ms))) / (1 + r)
    n_telling = max(math.floor(effective), 1)
    ordered = sorted(samples_ms)
    low = _n_below_interval(n_telling) * count // n_telling
    return ordered[low], ordered[count - 1 - low]


def _n_below_interval(count: int) -> int:
    """How many of so many independent samples lie below the interval: the most that leave 2.5 % or less on a side."""
    ways, below, n_below = 1, 1, 0  # of 2ⁿ ways to lie below or above the median, those with so many below
    while below * ONE_OF_OUTSIDE <= 1 << count:
        n_below += 1
        ways = ways * (count - n_below + 1) // n_below
        below += ways
    return max(n_below - 1, 0)


def _rank_autocorrelation(samples: Sequence[float]) -> float:
    """Lag-1 autocorrelation of the samples' ranks, from 0 to 0.99: outliers do not decide it."""
    count = len(samples)
    rank_of = {value: rank for rank, value in enumerate(sorted(set(samples)))}
    ranks = [rank_of[value] for value in samples]
    mean = sum(ranks) / count
    spread = sum((rank - mean) ** 2 for rank in ranks)
    if spread == 0:
        return 0.0
    together = sum((a - mean) * (b - mean) for a, b in pairwise(ranks))
    return min(max(together / spread, 0.0), 0.99)
