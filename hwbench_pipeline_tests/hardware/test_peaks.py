"""Measured peaks: plausible on the real machine, absent with a reason where the hardware is."""

from __future__ import annotations

import re

import pytest

from hwbench_pipeline.hardware import peaks
from hwbench_pipeline.hardware.asking import NoAnswerError
from hwbench_pipeline.hardware.peak_questions import CACHES_PER_COPY, last_level_cache_bytes
from hwbench_pipeline.hardware.peaks import measure_peaks
from hwbench_pipeline.hardware.probing import probe, probe_all
from hwbench_pipeline.hardware.rows import hardware_rows
from hwbench_pipeline.schema.tables.catalog import CORE_HARDWARE
from hwbench_pipeline.schema.validation import require_valid


@pytest.fixture(scope="module")
def rows():
    return {row["hardware"]: row for row in hardware_rows(with_peaks=True)}


def test_rows_with_peaks_are_valid(rows):
    require_valid(CORE_HARDWARE, list(rows.values()))


def test_the_cpus_peaks_are_plausible(rows):
    assert 1 < rows["cpu"]["peak_gflops_fp32"] < 1e5
    assert 0.5 < rows["cpu"]["memory_bandwidth_gb_per_s"] < 5e3


def test_the_method_says_sizes_threads_and_repeats(rows):
    method = rows["cpu"]["peaks_method"]
    found = re.search(
        r"(\d+) threads: fp32 matrix product (\d+)×\2×\2 .*best of (\d+); copy of (\d+) MB, .*best of (\d+)$", method
    )
    assert found, method
    _, size, gemm_repeats, copy_mb, copy_repeats = map(int, found.groups())
    assert size >= 256
    assert gemm_repeats >= 3
    assert copy_repeats >= 3
    cache = last_level_cache_bytes()
    if cache is not None and cache * CACHES_PER_COPY < 1e9:
        assert copy_mb * 1e6 > 2 * cache


def test_openvinos_peaks_are_those_of_its_cpu(rows):
    if not probe("openvino").is_available:
        pytest.skip(probe("openvino").reason)
    assert rows["openvino"]["peak_gflops_fp32"] == rows["cpu"]["peak_gflops_fp32"]
    assert rows["openvino"]["memory_bandwidth_gb_per_s"] == rows["cpu"]["memory_bandwidth_gb_per_s"]
    assert rows["openvino"]["peaks_method"].endswith(rows["cpu"]["peaks_method"])


def test_what_is_absent_has_no_peaks_and_says_why(rows):
    for found in probe_all():
        if not found.is_available:
            row = rows[found.key]
            assert row["peak_gflops_fp32"] is None
            assert row["memory_bandwidth_gb_per_s"] is None
            assert row["peaks_method"] == f"not measured: {found.key} is not available here ({found.reason})"


def test_a_measurement_that_fails_is_null_with_the_reason(monkeypatch):
    def broken(*question, timeout_s):
        raise NoAnswerError("peak_questions cpu: no answer within 60 s, stopped")

    monkeypatch.setattr(peaks, "_measured", {})
    monkeypatch.setattr(peaks, "answer_of", broken)
    measured = measure_peaks("cpu")
    assert measured.peak_gflops_fp32 is None
    assert measured.method == "not measured: peak_questions cpu: no answer within 60 s, stopped"
