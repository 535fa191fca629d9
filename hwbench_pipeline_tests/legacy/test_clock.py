"""The grid of a clock, held against this machine's own clock and against numbers that no clock gave."""

import random
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.provenance.clock import (
    are_clock_differences,
    is_clock_difference,
    is_mean_of_clock_differences,
)
from hwbench_pipeline.legacy.units import converted

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


@pytest.mark.parametrize("clock", [time.time, time.perf_counter, time.monotonic])
@pytest.mark.parametrize("factor", [1.0, 1000.0])
def test_samples_of_this_machines_clocks(clock, factor):
    assert are_clock_differences([timed(clock) * factor / factor for _ in range(5)])


@pytest.mark.parametrize("uptime_s", [40, 900, 5_000, 90_000, 5_000_000])
def test_samples_of_a_monotonic_clock_at_any_age_of_the_machine(uptime_s):
    source = random.Random(uptime_s)
    starts = [uptime_s * 10**9 + source.randrange(10**9) for _ in range(8)]
    samples = [(start + source.randrange(40_000_000, 60_000_000)) * 1e-9 - start * 1e-9 for start in starts]
    assert are_clock_differences(samples)


@pytest.mark.parametrize(
    "draw",
    [lambda source: source.randrange(40_000_000, 60_000_000) / 1e9, lambda source: round(source.gauss(0.05, 0.005), 9)],
)
@pytest.mark.parametrize("units_per_s", [1, 1000, 10**6, 10**9])
def test_exact_nanoseconds_prove_nothing_in_whatever_unit_they_were_written(draw, units_per_s):
    source = random.Random(4)
    for _ in range(50):
        written = [round(draw(source) * units_per_s, 9) for _ in range(30)]
        assert not are_clock_differences([value / units_per_s for value in written])
        assert not are_clock_differences([converted(value / units_per_s, "s", "ms") / 1000 for value in written])


def test_samples_that_are_each_a_mean_of_several_calls():
    source = random.Random(3)
    assert are_clock_differences([source.randrange(10**6, 10**7) / TICKS_PER_S / 10 for _ in range(8)])


@pytest.mark.parametrize("typical", [0.0005, 0.05, 1.5, 40.0])
@pytest.mark.parametrize("decimals", [None, 7, 6, 4])
@pytest.mark.parametrize("n_samples", [3, 30])
def test_samples_that_were_drawn_or_rounded(typical, decimals, n_samples):
    source = random.Random(9)
    for _ in range(200):
        drawn = [source.gauss(typical, typical / 10) for _ in range(n_samples)]
        assert not are_clock_differences(drawn if decimals is None else [round(value, decimals) for value in drawn])


def test_samples_in_single_precision():
    source = random.Random(9)
    drawn = [struct.unpack("f", struct.pack("f", source.gauss(0.05, 0.005)))[0] for _ in range(10)]
    assert not are_clock_differences(drawn)
