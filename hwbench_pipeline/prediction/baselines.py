"""Predictions that need no learning to speak of; the predictor is printed beside them.

Belongs here: one function per baseline, all of one signature. Does not belong here: scoring them (`evaluation`).

Each takes training rows and rows to predict, both of core_prediction__features, and returns the natural logarithm of
the predicted latency in ms, shape (rows to predict,). The target of the rows to predict is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hwbench_pipeline.prediction.regression import FloatArray, device_of, log_latency, log_roofline
from hwbench_pipeline.schema.table import Row


def roofline(_training: Sequence[Row], rows: Sequence[Row]) -> FloatArray:
    """The estimate of the least time (`features.roofline_latency_ms`), as it is."""
    return log_roofline(rows)


def scaled_roofline(training: Sequence[Row], rows: Sequence[Row]) -> FloatArray:
    """The roofline times one factor per device and mode: the median of latency / roofline in the training part.

    Raises ValueError for a row whose device and mode the training part has not.
    """
    ratios = log_latency(training) - log_roofline(training)
    groups = [_device_and_mode(row) for row in training]
    factors: dict[tuple[Any, ...], float] = {}
    for group in set(groups):
        factors[group] = float(np.median(ratios[[position for position, g in enumerate(groups) if g == group]]))
    missing = sorted({str(_device_and_mode(row)) for row in rows if _device_and_mode(row) not in factors})
    if missing:
        raise ValueError(
            f"scaled_roofline: the training part has no rows of {', '.join(missing)}. Fix: learn from rows that have"
        )
    return np.array([factors[_device_and_mode(row)] for row in rows], dtype=np.float64) + log_roofline(rows)


def constant(training: Sequence[Row], rows: Sequence[Row]) -> FloatArray:
    """The median latency of the training part, one for each mode.

    Raises ValueError for a row whose mode the training part has not.
    """
    target = log_latency(training)
    medians: dict[str, float] = {}
    for mode in {row["mode"] for row in training}:
        medians[mode] = float(np.median(target[[p for p, row in enumerate(training) if row["mode"] == mode]]))
    missing = sorted({row["mode"] for row in rows} - medians.keys())
    if missing:
        raise ValueError(
            f"constant: the training part has no rows of mode {', '.join(missing)}. Fix: learn from rows that have"
        )
    return np.array([medians[row["mode"]] for row in rows])


def _device_and_mode(row: Row) -> tuple[Any, ...]:
    return (*device_of(row), row["mode"])
