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
from hwbench_pipeline.state import STATE_VARIABLE


@pytest.fixture(scope="module", autouse=True)
def state(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_VARIABLE, str(folder))
        patch.setattr(peaks, "_measured", {})
        yield folder


@pytest.fixture(scope="module")
def rows(state):
    return {row["hardware"]: row for row in hardware_rows(with_peaks=True)}


def test_rows_with_peaks_are_valid(rows):
    require_valid(CORE_HARDWARE, list(rows.values()))


def test_the_cpus_peaks_are_plausible(rows):
    assert 1 < rows["cpu"]["peak_gflops_fp32"] < 1e5
    assert 0.5 < rows["cpu"]["memory_bandwidth_gb_per_s"] < 5e3


def test_the_method_says_sizes_threads_and_repeats(rows):
    method = rows["cpu"]["peaks_method"]
    found = re.search(
        r"(\d+) threads: matrix products fp32 (\d+)×\2×\2 best of (\d+).*; copy of (\d+) MB, .*best of (\d+)$", method
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
    assert measured.gflops == {}
    assert measured.method == "not measured: peak_questions cpu: no answer within 60 s, stopped"


def test_the_best_that_was_seen_is_remembered(rows, state, monkeypatch):
    kept = peaks.known_peaks("cpu")
    assert kept.gflops["fp32"] == rows["cpu"]["peak_gflops_fp32"]
    assert kept.last_level_cache_bytes == last_level_cache_bytes()
    assert len(list(state.iterdir())) == 1
    slower = {name: value / 2 for name, value in kept.gflops.items()}
    peaks._remember("cpu", peaks.Peaks({**slower, "bf16": 1e9}, kept.memory_bandwidth_gb_per_s * 2, "again"))
    best = peaks.known_peaks("cpu")
    assert best.gflops["fp32"] == kept.gflops["fp32"]
    assert best.gflops["bf16"] == 1e9
    assert best.memory_bandwidth_gb_per_s == kept.memory_bandwidth_gb_per_s * 2


def test_a_spoilt_memory_is_measured_anew(state, monkeypatch):
    monkeypatch.setenv(STATE_VARIABLE, str(state / "other"))
    measured = peaks.Peaks({"fp32": 100.0}, 10.0, "a probe")
    monkeypatch.setattr(peaks, "_measured", {})
    monkeypatch.setattr(peaks, "_measure", lambda device: measured)
    asked = []
    assert peaks.known_peaks("cpu", measuring=lambda: asked.append(1)).gflops == {"fp32": 100.0}
    (path,) = (state / "other").iterdir()
    path.write_text("{")
    monkeypatch.setattr(peaks, "_measured", {})
    assert peaks.known_peaks("cpu", measuring=lambda: asked.append(1)).gflops == {"fp32": 100.0}
    assert asked == [1, 1]


def test_arithmetic_without_units_of_its_own_is_that_of_fp32():
    measured = peaks.Peaks({"fp32": 100.0, "bf16": 30.0}, 10.0, "a probe")
    assert [measured.fastest_gflops(name) for name in ("fp32", "bf16", "int8", None)] == [100.0, 100.0, None, None]


def test_the_table_shows_the_best_that_was_seen_and_not_the_last_probe(rows, monkeypatch):
    before = peaks.known_peaks("cpu")
    busy = peaks.Peaks({name: value / 2 for name, value in before.gflops.items()}, 0.1, "on a busy machine")
    monkeypatch.setattr(peaks, "_measured", {})
    monkeypatch.setattr(peaks, "_measure", lambda _: busy)
    again = {row["hardware"]: row for row in hardware_rows(with_peaks=True, refresh=False)}
    assert again["cpu"]["peak_gflops_fp32"] == before.gflops["fp32"]
    assert again["cpu"]["memory_bandwidth_gb_per_s"] == before.memory_bandwidth_gb_per_s
