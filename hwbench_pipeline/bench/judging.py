"""Judging what came out: is the output right, and how far can the number be trusted?

Belongs here: tolerances, output comparison, validity flags, each threshold with its reason.
Does not belong here: computing the numbers (`statistics`) or storing them (`recording`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from hwbench_pipeline.bench.statistics import median_interval, percentile

Array = npt.NDArray[np.floating]

# largest difference over largest reference value that different kernels of one precision may show: fp32 is what
# reordered sums give through tens of layers, bf16 has 8 bits of mantissa, fp16 has 11; weights of 8 bits are off by up to
# 0.4 % of a row's range, of 4 bits by up to 7 %, and what is another output altogether is off by 100 % and more
OUTPUT_TOLERANCE = {"fp32": 1e-3, "bf16": 1e-1, "fp16": 3e-2, "int8": 1e-1, "int4": 6e-1}

# an output that is right differs less than this share of what another input would change
CLEARLY_CLOSER = 0.5

# the same model on the same input with the same kernels may differ by the order of threaded sums only
REPEATABLE = 1e-4

# (p90 − p50) / p50 above this says the machine, not the model, decided the samples
NOISY_SPREAD = 0.25

# an interval of the median wider than this share of it: samples of two kinds, say with and without a neighbour
NOISY_INTERVAL = 0.25

# of fewer samples neither spread nor drift can be judged; what optimum-benchmark and torchbench take at least
FEWEST_TO_JUDGE = 10

# a median this many times the fastest sample says that most samples were disturbed, however alike they are
NOISY_MEDIAN_OVER_MINIMUM = 2.0

# medians of the two halves further apart than this: the machine warmed up, throttled or was taken away meanwhile
DRIFT = 0.10
# of fewer samples a half has no median to speak of
FEWEST_FOR_DRIFT = 5


class WrongOutputError(Exception):
    """The backend's output is not the model's."""


def largest_relative_error(reference: Mapping[str, Array], output: Mapping[str, Array]) -> float:
    """Largest absolute difference over the reference's largest absolute value, the worst of all named outputs.

    An output whose reference is all zero (the location of a scale that only divides) is measured against the largest value
    of the others. Infinities, which some models write where nothing can be (scores of padding), count as equal where the
    reference has the same. Raises `WrongOutputError` for a missing output, another shape, NaN, an infinity that the reference
    does not have or the other way round, or where every reference is all zero or infinite, against which any comparison
    would pass.
    """
    worst = 0.0
    largest = max((_largest_finite(expected) for expected in reference.values()), default=0.0)
    for name, expected in reference.items():
        if name not in output:
            raise WrongOutputError(f"the output {name} is missing; got {', '.join(output) or 'none'}")
        got = output[name]
        if got.shape != expected.shape:
            raise WrongOutputError(f"{name} has shape {got.shape}, the torch reference {expected.shape}")
        if np.isnan(expected).any():
            raise WrongOutputError(f"the torch fp32 reference of {name} holds NaN")
        if np.isnan(got).any():
            raise WrongOutputError(f"{name} holds NaN, the torch reference does not")
        finite = np.isfinite(expected)
        if not np.array_equal(np.where(finite, 0, expected), np.where(np.isfinite(got), 0, got)):
            raise WrongOutputError(f"{name} holds infinities in other places than the torch reference")
        scale = _largest_finite(expected) or largest
        if scale == 0.0:
            raise WrongOutputError(f"the torch fp32 reference of {name} is all zero: nothing to compare with")
        difference = np.abs(got[finite].astype(np.float64) - expected[finite].astype(np.float64)).max(initial=0.0)
        worst = max(worst, float(difference) / scale)
    return worst


def has_same_infinities(reference: Mapping[str, Array], output: Mapping[str, Array]) -> bool:
    """Whether outputs of the same names and shapes are infinite in the same places."""
    return all(np.array_equal(np.isinf(expected), np.isinf(output[name])) for name, expected in reference.items())


def _largest_finite(values: Array) -> float:
    return float(np.abs(values[np.isfinite(values)]).max(initial=0.0))


def require_right_output(relative_error: float, precision: str, effect_of_input: float | None = None) -> None:
    """Raise `WrongOutputError` when the error is above the precision's tolerance: a wrong result is not fast.

    `effect_of_input` is the error that the reference itself makes on another input; an output that is not clearly closer
    than that could be the one of any input, and proves nothing. None where it is not known.
    """
    tolerance = OUTPUT_TOLERANCE[precision]
    if effect_of_input == 0:
        raise WrongOutputError(
            "the torch fp32 reference gives the same output for another input: nothing that it computes from its input shows"
        )
    if effect_of_input is not None and relative_error > effect_of_input * CLEARLY_CLOSER:
        raise WrongOutputError(
            f"the output differs from the torch fp32 reference by {relative_error:.2g} of its largest value, and another "
            f"input changes the reference by {effect_of_input:.2g} only: it could be the output of any input"
        )
    if relative_error > tolerance:
        raise WrongOutputError(
            f"the output differs from the torch fp32 reference by {relative_error:.2g} of its largest value; "
            f"{precision} may differ by {tolerance:g}"
        )


def relative_loss_error(reference: float, loss: float) -> float:
    """Difference of two losses over the reference's, which is not zero. Raises `WrongOutputError` for one that is no number."""
    if not math.isfinite(reference):
        raise WrongOutputError(f"the loss of the torch fp32 reference is {reference:g}: nothing to compare with")
    if not math.isfinite(loss):
        raise WrongOutputError(f"the loss is {loss:g}, that of the torch fp32 reference {reference:g}")
    return abs(loss - reference) / abs(reference)


def has_drifted(samples_ms: Sequence[float]) -> bool:
    """Whether the second half of the samples, in the order they were taken, is slower or faster than the first."""
    half = len(samples_ms) // 2
    if half < FEWEST_FOR_DRIFT:
        return False
    first, second = (percentile(sorted(part), 50) for part in (samples_ms[:half], samples_ms[-half:]))
    return abs(second - first) > DRIFT * min(first, second)


def upper_spread(samples_ms: Sequence[float]) -> float:
    """(p90 − p50) / p50: how far the slower samples lie above the median."""
    ordered = sorted(samples_ms)
    median = percentile(ordered, 50)
    return (percentile(ordered, 90) - median) / median


def is_noisy(samples_ms: Sequence[float]) -> bool:
    """Whether the samples, in the order they were taken, spread too wide for their median to be compared: upwards, above the
    fastest, or so that the median itself is not known well."""
    median = percentile(sorted(samples_ms), 50)
    low, high = median_interval(samples_ms) or (median, median)
    return (
        upper_spread(samples_ms) > NOISY_SPREAD
        or median / min(samples_ms) > NOISY_MEDIAN_OVER_MINIMUM
        or (high - low) / median > NOISY_INTERVAL
    )


def are_few(samples_ms: Sequence[float]) -> bool:
    """Whether the time for sampling ended before there were enough samples to judge a median by."""
    return len(samples_ms) < FEWEST_TO_JUDGE
