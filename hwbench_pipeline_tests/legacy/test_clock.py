"""The grid of a clock, held against this machine's own clock and against numbers that no clock gave."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.provenance.clock import is_clock_difference, is_mean_of_clock_differences

TICKS_PER_S = 2**22


def timed(clock):
    start = clock()
    time.sleep(0.002)
    return clock() - start


def test_this_machines_clock():
    assert is_clock_difference(timed(time.time))


@given(st.integers(100_000, 10_000_000), st.integers(10**5, 10**7))
def test_differences_of_epoch_times(start, half_ticks):
    first = 1_740_000_000 + start / 7
    later = first + (2 * half_ticks + 1) / TICKS_PER_S  # an even number may have as few digits as a typed one
    difference = later - first
    assert is_clock_difference(difference)
    assert is_clock_difference(difference * 1000 / 1000)


@given(st.lists(st.integers(10**5, 10**7), min_size=2, max_size=20), st.integers(1, 12))
def test_means_of_clock_times(ticks, n_configurations):
    means = [sum(ticks) / len(ticks) / TICKS_PER_S] * n_configurations
    mean = sum(means) / len(means)
    if len(f"{mean:.12g}".replace(".", "").strip("0")) >= 7:
        assert is_mean_of_clock_differences(mean, len(ticks))
        if len(ticks) in (5, 10, 12, 20):
            assert is_mean_of_clock_differences(mean)


@given(st.decimals(min_value="0.001", max_value=20, places=6).map(float))
def test_typed_in_numbers_miss_it(value):
    assert not is_mean_of_clock_differences(value)
    assert not is_mean_of_clock_differences((value + 0.1 + 0.35) / 3)


@pytest.mark.parametrize("value", [0.5, 0.25, 0.125, 1.0, 3.0, 0.0, 1e-9, 1e12, 1e300])
def test_numbers_of_few_digits_are_no_evidence(value):
    assert not is_clock_difference(value)
    assert not is_mean_of_clock_differences(value)


@pytest.mark.parametrize(("low", "high"), [(0.001, 0.1), (0.1, 1.0), (1.0, 20.0)])
def test_random_numbers_miss_it_but_for_chance(low, high):
    source = random.Random(5)
    drawn = [source.uniform(low, high) for _ in range(5000)]
    assert sum(map(is_clock_difference, drawn)) < 50
    assert sum(map(is_mean_of_clock_differences, drawn)) < 50
