import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.units import (
    LatencyObservation,
    converted,
    decide_time_unit,
    memory_from_gb,
    memory_from_mb,
    unit_by_throughput,
)

LATENCIES_S = st.floats(1e-4, 1e3)
BATCHES = st.integers(1, 1024)


@given(LATENCIES_S, BATCHES, st.floats(0.97, 1.03))
def test_throughput_decides_between_seconds_and_milliseconds(latency_s, batch, error):
    throughput = batch / latency_s * error
    assert unit_by_throughput(LatencyObservation(latency_s, throughput, batch)) == "s"
    assert unit_by_throughput(LatencyObservation(latency_s * 1000, throughput, batch)) == "ms"
    assert unit_by_throughput(LatencyObservation(latency_s, throughput * 3, batch)) is None


def test_file_unit_is_proven_or_declared():
    assert decide_time_unit(["s", "s"], "ms", n_records=3) == "s"
    assert decide_time_unit([], "ms", n_records=3) == "ms"
    assert decide_time_unit(["s", "ms"], "us", n_records=2) == "us"


def test_the_one_record_that_disagrees_decides_nothing_for_the_rest():
    assert decide_time_unit(["s"], "ms", n_records=6) == "ms"
    assert decide_time_unit(["ms"], "ms", n_records=6) == "ms"


@given(st.integers(1, 2**28))
def test_whole_pages_prove_binary_megabytes(pages):
    memory = memory_from_mb(pages / 256)
    if len(repr(pages / 256).partition(".")[2]) >= 3:
        assert math.isclose(memory.mb * 1e6, pages * 4096)
    else:
        assert memory.mb == pages / 256


@pytest.mark.parametrize("stated", [150.0, 533.5, 533.123456])
def test_other_amounts_stay_as_stated(stated):
    assert memory_from_mb(stated).mb == stated


def test_gigabytes():
    assert memory_from_gb(62.21421432495117).mb == pytest.approx(66802.0, abs=1)
    assert memory_from_gb(64.0).mb == 64000


@pytest.mark.parametrize(
    ("time", "unit", "to", "expected"),
    [
        (0.0312345, "s", "ms", 31.2345),
        (18.0, "ms", "s", 0.018),
        (45123.4, "us", "ms", 45.1234),
        (1.25, "s", "s", 1.25),
        (1250000, "ns", "ms", 1.25),
    ],
)
def test_a_time_in_another_unit_has_the_digits_of_the_source(time, unit, to, expected):
    assert converted(time, unit, to) == expected


def test_every_digit_of_a_clock_survives_a_change_of_unit():
    for ticks in range(10**12, 10**12 + 10**6, 997):
        seconds = ticks / 2**44
        in_ms = converted(seconds, "s", "ms")
        assert abs(in_ms - seconds * 1000) <= 4e-16 * in_ms
