"""Statistics of samples agree with numpy and never invent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.bench.statistics import latency_statistics, percentile

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
