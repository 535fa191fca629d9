"""Statistics of samples agree with numpy and never invent."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hwbench_pipeline.bench.statistics import latency_statistics, median_interval, percentile

samples = st.lists(st.floats(min_value=1e-3, max_value=1e6), min_size=1, max_size=300)


@given(samples)
def test_agrees_with_numpy(values):
    found = latency_statistics(values)
    assert found["latency_ms_mean"] == pytest.approx(np.mean(values))
    assert found["latency_ms_min"] == min(values)
    assert found["latency_ms_max"] == max(values)
    for percent in (50, 90, 95):
        assert found[f"latency_ms_p{percent}"] == pytest.approx(np.percentile(values, percent))
    if len(values) > 1:
        assert found["latency_ms_std"] == pytest.approx(np.std(values, ddof=1), abs=1e-6)
    else:
        assert found["latency_ms_std"] is None


@given(samples)
def test_is_ordered(values):
    found = latency_statistics(values)
    names = ["min", "p50", "p90", "p95", "p99", "max"]
    present = [found[f"latency_ms_{name}"] for name in names if found[f"latency_ms_{name}"] is not None]
    assert present == sorted(present)
    assert found["latency_ms_min"] <= found["latency_ms_mean"] <= found["latency_ms_max"]


def test_p99_needs_a_hundred_samples():
    assert latency_statistics([1.0] * 99)["latency_ms_p99"] is None
    assert latency_statistics([1.0] * 100)["latency_ms_p99"] == 1.0


def test_no_samples_give_nothing():
    assert set(latency_statistics([]).values()) == {None}
    with pytest.raises(ValueError, match="at least one"):
        percentile([], 50)


def test_the_interval_of_the_median_covers_it_as_often_as_it_says():
    draw = random.Random(7)
    covered = 0
    for _ in range(400):
        samples = [draw.lognormvariate(0, 0.3) for _ in range(30)]
        low, high = median_interval(samples)
        covered += low <= 1.0 <= high
    assert 0.92 <= covered / 400 <= 0.99


def test_samples_that_follow_each_other_have_a_wider_interval():
    draw = random.Random(7)
    level, following = 0.0, []
    for _ in range(100):
        level = 0.95 * level + draw.gauss(0, 1)
        following.append(100 + level)
    shuffled = draw.sample(following, len(following))
    width = {
        name: high - low
        for name, (low, high) in (("following", median_interval(following)), ("shuffled", median_interval(shuffled)))
    }
    assert width["following"] > 2 * width["shuffled"]


@given(st.lists(st.floats(0.1, 1e4), min_size=6, max_size=60))
def test_the_interval_holds_the_median(samples):
    low, high = median_interval(samples)
    assert low <= percentile(sorted(samples), 50) <= high


def test_too_few_samples_give_no_interval():
    assert median_interval([1.0] * 5) is None
    assert median_interval([1.0] * 6) == (1.0, 1.0)


@pytest.mark.parametrize("count", [*range(6, 101), 999, 1000, 5000])
def test_the_interval_covers_the_median_in_95_percent_of_cases_for_every_number_of_samples(count):
    # of independent samples, each of which lies below the true median with probability one half
    shuffled = [float(value) for value in range(count)]
    random.Random(count).shuffle(shuffled)
    low, high = median_interval(shuffled)
    n_below = round(low)
    assert high == count - 1 - n_below
    assert stats.binom.cdf(n_below, count, 0.5) <= 0.025 + 1e-9
    if _lag_1(shuffled) <= 0:  # what looks autocorrelated by chance has a wider one
        assert stats.binom.cdf(n_below + 1, count, 0.5) > 0.025


def _lag_1(values):
    return np.sum((np.array(values[:-1]) - np.mean(values)) * (np.array(values[1:]) - np.mean(values)))
