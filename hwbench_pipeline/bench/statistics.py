"""Statistics of latency samples.

Belongs here: the formulas behind the latency columns, one place for measured and for re-computed numbers.
Does not belong here: taking samples (`sampling`) or deciding what a number is worth (`judging`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hwbench_pipeline.schema.tables.results import LATENCY_COLUMNS, MINIMUM_SAMPLES_FOR_P99


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
