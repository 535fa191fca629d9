"""The grid of a clock: what tells the difference of two clock readings from any other number.

Belongs here: arithmetic of numbers that a clock gave, alone or as a mean. Does not belong here: what follows for the
provenance of a record (`positive`).

Python's clocks give seconds as 64-bit floats. From 2004 to 2038 the seconds since 1970 lie between 2^30 and 2^31, where
such floats are 2^-22 s apart, so the difference of two readings is a whole number of these ticks. A monotonic clock that
has run for an hour has ticks of 2^-40 s or more; before that its readings still are nanoseconds. Numbers that were typed
in, computed or drawn at random miss the grid. Whole nanoseconds without the traces of a subtraction prove nothing: a clock
that counts nanoseconds gives them, and so does whoever rounds to as many decimals.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hwbench_pipeline.legacy.json_values import significant_digits

LEAST_DIGITS = 7
_EPOCH_TICKS_PER_S = 2.0**22
_MONOTONIC_TICKS_PER_S = 2.0**40
_NANOSECONDS_PER_S = 1e9
_DECIMALS_OF_NANOSECONDS = 9
_BLUR_OF_NANOSECONDS = 5e-4
"""Two readings of a clock that has run for an hour are each rounded by up to 2^-42 s."""
_LARGEST_BLUR = 0.25
_CHANCE_OF_SAMPLES = 1e-5
"""Samples that chance alone would put on a grid more often than this prove nothing."""
_ROUNDING = 1e-15
_CHANCE = 2e-3
"""Where rounding blurs the grid so far that chance alone would meet it more often, it proves nothing."""
_COUNTS_OF_A_MEAN = 25200.0
"""A multiple of every number of samples with few and small prime factors: of 1 to 10, 12, 20, 100, 180, 1260."""
_DECIMALS_OF_A_PERSON = 1e5
_SAME_DECIMALS = 12


def is_clock_difference(seconds: float) -> bool:
    """Whether a time in seconds is, as far as its digits can tell, the difference of two readings of one clock."""
    if not _has_digits(seconds):
        return False
    if _is_whole(seconds * _EPOCH_TICKS_PER_S):
        return True
    return _is_whole(seconds * _MONOTONIC_TICKS_PER_S) and not _fits_single_precision(seconds)


def is_mean_of_clock_differences(seconds: float, n_samples: int | None = None) -> bool:
    """Whether a time in seconds is a mean of differences of the system clock; of `n_samples` where that is known.

    A mean of numbers with a few decimals, as a person types them, is none.
    """
    count = _COUNTS_OF_A_MEAN if n_samples is None else float(n_samples)
    total = seconds * count
    if not _has_digits(seconds) or _is_whole(total * _DECIMALS_OF_A_PERSON):
        return False
    if _is_whole(total * _EPOCH_TICKS_PER_S):
        return True
    return n_samples is not None and _is_whole(total * _MONOTONIC_TICKS_PER_S) and not _fits_single_precision(seconds)


def are_clock_differences(seconds: Sequence[float]) -> bool:
    """Whether times in seconds are, all of them, differences of two readings of one clock, or means of such differences.

    Each alone may prove little where rounding blurs the grid; together they rarely lie on it by chance.
    """
    if all(map(_fits_single_precision, seconds)):
        return _all_whole(seconds, _EPOCH_TICKS_PER_S)
    if _all_whole(seconds, _EPOCH_TICKS_PER_S) or _all_whole(seconds, _MONOTONIC_TICKS_PER_S):
        return True
    if _all_whole(seconds, _NANOSECONDS_PER_S, _BLUR_OF_NANOSECONDS):
        # a writer that rounds also gives whole nanoseconds, but hardly what subtracting two readings leaves of them
        # (a change of unit moves the last digit of a rounded number, far less than a subtraction leaves)
        is_rounded = all(
            abs(round(number, _DECIMALS_OF_NANOSECONDS) - number) <= _ROUNDING * number for number in seconds
        )
        return not is_rounded and not _all_whole(seconds, _NANOSECONDS_PER_S / 10, _BLUR_OF_NANOSECONDS)
    totals = [_COUNTS_OF_A_MEAN * number for number in seconds]
    return not _all_whole(totals, _DECIMALS_OF_A_PERSON) and _all_whole(totals, _EPOCH_TICKS_PER_S)


def _all_whole(numbers: Sequence[float], ticks_per_unit: float, least_blur: float = 0.0) -> bool:
    """Whether all numbers are whole ticks, as far as rounding lets see it, and are so by more than chance."""
    chance = 1.0
    for number in numbers:
        ticks = number * ticks_per_unit
        blur = max(ticks * _ROUNDING, least_blur)
        if ticks <= 1 or blur > _LARGEST_BLUR or abs(ticks - round(ticks)) > blur:
            return False
        chance *= 2 * blur
    return chance <= _CHANCE_OF_SAMPLES


def _has_digits(seconds: float) -> bool:
    return significant_digits(float(f"{seconds:.{_SAME_DECIMALS}g}")) >= LEAST_DIGITS


def _is_whole(ticks: float) -> bool:
    blur = ticks * _ROUNDING
    return ticks > 1 and blur <= _CHANCE and abs(ticks - round(ticks)) <= blur


def _fits_single_precision(seconds: float) -> bool:
    """Numbers of half as many digits, as graphics code computes them, lie on any grid that is fine enough."""
    return bool(struct.unpack("f", struct.pack("f", seconds))[0] == seconds)
