"""The least time that measured peaks allow, and what is below it."""

import pytest

from hwbench_pipeline.bench.roofline import COMPUTE_MARGIN, MEMORY_MARGIN, roofline_of
from hwbench_pipeline.hardware.peaks import Peaks

PEAKS = Peaks({"fp32": 100.0, "bf16": 400.0}, 10.0, "a probe", last_level_cache_bytes=30_000_000)


def roofline(flops=1_000_000_000, n_streamed_parameters=1_000, precision="fp32", peaks=PEAKS):
    return roofline_of(flops=flops, n_streamed_parameters=n_streamed_parameters, precision=precision, peaks=peaks)


def test_arithmetic_takes_its_operations_over_the_peak():
    assert roofline().least_ms == pytest.approx(10.0)
    assert roofline(precision="bf16").least_ms == pytest.approx(2.5)
    assert roofline().limb == "compute"


def test_memory_counts_only_beyond_the_last_level_cache():
    assert roofline(n_streamed_parameters=7_000_000).memory_ms is None
    found = roofline(n_streamed_parameters=100_000_000)
    assert (found.limb, found.least_ms) == ("memory", pytest.approx(40.0))
    assert roofline(n_streamed_parameters=100_000_000, precision="int4").least_ms == pytest.approx(5.0)


def test_nothing_is_known_without_peaks():
    assert roofline(peaks=Peaks({}, None, "not measured")) is None
    assert roofline(precision="int8") is None
    assert roofline(flops=None) is None


def test_an_unknown_cache_gives_no_memory_limb():
    peaks = Peaks({"fp32": 100.0}, 10.0, "a probe")
    assert roofline(n_streamed_parameters=10**9, peaks=peaks).memory_ms is None


@pytest.mark.parametrize(
    ("share", "is_beaten"), [(0.99 / COMPUTE_MARGIN, True), (1.01 / COMPUTE_MARGIN, False), (2, False)]
)
def test_only_what_is_clearly_below_is_impossible(share, is_beaten):
    assert roofline().is_beaten_by(10.0 * share) is is_beaten


def test_either_limb_disqualifies():
    found = roofline(flops=1, n_streamed_parameters=100_000_000)
    assert found.is_beaten_by(39.0 / MEMORY_MARGIN)
    assert not found.is_beaten_by(39.0)
