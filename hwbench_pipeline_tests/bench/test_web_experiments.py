"""Experiments in a real browser, and what their samples are said to show."""

from __future__ import annotations

import importlib.util
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.audio_utils import spectrogram

from hwbench_pipeline.bench.backends.web.browser import BrowserPage
from hwbench_pipeline.bench.backends.web.serving import PageServer
from hwbench_pipeline.bench.web_experiments import audio_kernel, running, shader_compilation
from hwbench_pipeline.bench.web_experiments.comparing import FASTER, NOT_SHOWN, SLOWER, WRONG, effect, samples_in_turns
from hwbench_pipeline.bench.web_experiments.running import Asked, run_experiments
from hwbench_pipeline.hardware.browsers import find_browser, web_runtime_version
from hwbench_pipeline.hardware.probing import probe
from hwbench_pipeline.hardware.web_questions import BROWSER_FLAGS
from hwbench_pipeline.reports.web_experiments import experiments_page
from hwbench_pipeline.schema.tables import CORE_BENCH__WEB_EXPERIMENTS
from hwbench_pipeline.schema.validation import require_valid
from hwbench_pipeline.warehouse.reading import read_rows

PROJECT = Path(__file__).parents[2]

needs_browser = pytest.mark.skipif(
    find_browser() is None or importlib.util.find_spec("playwright") is None or web_runtime_version() is None,
    reason="needs a browser, playwright and onnxruntime-web (make browser)",
)


def noisy(center, count, seed, spread=0.05):
    return list(center * np.exp(np.random.default_rng(seed).normal(0, spread, count)))


def test_a_clear_effect_is_shown_and_none_is_not():
    base = noisy(10, 20, 0)
    assert effect(noisy(8, 20, 1), base).verdict == FASTER
    assert effect(noisy(13, 20, 2), base).verdict == SLOWER
    assert effect(noisy(10, 20, 3), base).verdict == NOT_SHOWN


def test_variants_that_do_not_differ_are_rarely_said_to():
    """Of 200 families of seven comparisons without any effect, one in twenty may show one."""
    shown = 0
    for seed in range(200):
        base = noisy(10, 12, seed)
        others = [noisy(10, 12, 1000 * (seed + 1) + number) for number in range(7)]
        shown += any(effect(other, base, n_comparisons=7).verdict != NOT_SHOWN for other in others)
    assert shown <= 20  # 10 expected; 20 or more has a probability of 0.3 %


@given(st.lists(st.floats(0.01, 1e4), min_size=6, max_size=30), st.floats(0.1, 10))
def test_the_ratio_is_that_of_the_samples(base, factor):
    found = effect([factor * value for value in base], base)
    assert math.isclose(found.ratio, factor, rel_tol=1e-6)
    assert found.low <= found.ratio * (1 + 1e-9)
    assert found.high >= found.ratio * (1 - 1e-9)


def test_too_few_rounds_are_no_comparison():
    with pytest.raises(ValueError, match="at least 6 rounds"):
        effect([1.0] * 5, [1.0] * 5)


def test_every_round_has_every_variant_once_in_an_order_of_its_own():
    calls = []
    variants = {name: lambda name=name: calls.append(name) or float(len(calls)) for name in "abc"}
    samples = samples_in_turns(variants, 5, n_warmup=2)
    rounds = [calls[start : start + 3] for start in range(0, len(calls), 3)]
    assert len(rounds) == 7
    assert all(sorted(one) == ["a", "b", "c"] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1
    assert sorted(value for values in samples.values() for value in values) == [float(n) for n in range(7, 22)]


@pytest.mark.parametrize("seconds", [1.0, 5.0])
def test_the_spectrogram_is_that_of_transformers(seconds):
    sound = audio_kernel.recording(seconds)
    theirs = spectrogram(
        sound,
        audio_kernel.window(),
        frame_length=audio_kernel.N_FFT,
        hop_length=audio_kernel.HOP,
        power=2.0,
        mel_filters=audio_kernel.mel_filters().T.astype(np.float64),
        log_mel="log10",
    )[:, :-1]
    np.testing.assert_allclose(audio_kernel.log_mel(sound), theirs, atol=1e-3)


@needs_browser
def test_workgroup_sizes_are_swept_right_and_the_wrong_kernel_is_found_out(tmp_path):
    if not probe("webgpu").is_available:
        pytest.skip(f"webgpu: {probe('webgpu').reason}")
    rows = run_experiments(tmp_path, ["audio_workgroups"], Asked(sound_s=(1.0,), n_rounds=6))
    require_valid(CORE_BENCH__WEB_EXPERIMENTS, rows)
    by_variant = {row["variant"]: row for row in rows}
    assert set(by_variant) == {*audio_kernel.SIZES, audio_kernel.CONTROL, audio_kernel.WRONG_KERNEL}
    wrong = by_variant.pop(audio_kernel.WRONG_KERNEL)
    assert (wrong["verdict"], wrong["samples_ms"]) == (WRONG, None)
    assert wrong["output_max_rel_error"] > audio_kernel.TOLERANCE
    assert all(row["output_max_rel_error"] <= audio_kernel.TOLERANCE for row in by_variant.values())
    assert all(len(row["samples_ms"]) == 6 and min(row["samples_ms"]) > 0 for row in by_variant.values())
    assert by_variant[audio_kernel.BASELINE]["ratio"] is None
    assert all(row["is_software"] == probe("webgpu").is_software for row in rows)
    stored, _ = read_rows(tmp_path, CORE_BENCH__WEB_EXPERIMENTS)
    assert len(stored) == len(rows)


@needs_browser
def test_an_experiment_that_does_not_find_the_wrong_kernel_says_nothing(monkeypatch):
    if not probe("webgpu").is_available:
        pytest.skip(f"webgpu: {probe('webgpu').reason}")
    right = audio_kernel._request

    def harmless(sound):
        asked, arrays = right(sound)
        asked["variants"][audio_kernel.WRONG_KERNEL]["late"] = 0
        return asked, arrays

    monkeypatch.setattr(audio_kernel, "_request", harmless)
    with PageServer(dict(audio_kernel.files_for(1.0))) as server, BrowserPage(find_browser(), BROWSER_FLAGS) as page:
        page.open(f"{server.address}experiments.html")
        with pytest.raises(audio_kernel.WrongKernelNotFoundError):
            audio_kernel.sweep(server, page, 1.0, 6)


@needs_browser
def test_cold_precompiled_and_warm_sessions():
    if not probe("webgpu").is_available:
        pytest.skip(f"webgpu: {probe('webgpu').reason}")
    found = shader_compilation.compare(shader_compilation.workload_of("bert", "tiny"), 1)
    assert found.evidence.options["dispatches_per_call"] >= 1
    assert " " in found.browser
    for samples in found.samples_ms.values():
        assert {name: len(values) for name, values in samples.items()} == dict.fromkeys(
            (
                shader_compilation.COLD,
                shader_compilation.COLD_AGAIN,
                shader_compilation.PRECOMPILED,
                shader_compilation.WARM,
            ),
            1,
        )
    first, whole = (
        found.samples_ms[name] for name in (shader_compilation.FIRST_CALL_MS, shader_compilation.UNTIL_FIRST_RESULT_MS)
    )
    assert all(whole[name][0] > first[name][0] > 0 for name in first)


@needs_browser
def test_components_are_loaded_both_ways(tmp_path):
    rows = run_experiments(tmp_path, ["component_loading"], Asked(n_rounds=6))
    require_valid(CORE_BENCH__WEB_EXPERIMENTS, rows)
    measured = [row for row in rows if row["samples_ms"] is not None]
    assert {row["hardware"] for row in measured} >= {"wasm"}
    assert {row["hardware"] for row in rows} == {"wasm", "webgpu"}


def test_nothing_is_concluded_where_the_baseline_differs_from_itself():
    run = running._Run("r", Asked(), print, datetime.now(UTC), [])
    base = noisy(10, 12, 0)
    samples = {"one": base, "one again": [2 * value for value in base], "other": [value / 2 for value in base]}
    run.add_samples("audio_workgroups", "a sound", "wasm", "ms", "one", samples, control="one again")
    require_valid(CORE_BENCH__WEB_EXPERIMENTS, run.rows)
    other = next(row for row in run.rows if row["variant"] == "other")
    assert (other["verdict"], other["ratio"]) == (None, None)
    assert "the baseline differed from itself (2.000 to 2.000)" in other["error_message"]


def test_what_cannot_be_tried_is_a_row_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("HWBENCH_BROWSER", "/bin/false")
    rows = run_experiments(tmp_path, ["audio_workgroups"], Asked(sound_s=(1.0,), n_rounds=6))
    require_valid(CORE_BENCH__WEB_EXPERIMENTS, rows)
    (row,) = rows
    assert row["samples_ms"] is None
    assert row["error_message"]


def test_the_page_shows_effects_and_what_failed():
    shared = {
        "run_id": "r",
        "experiment": "audio_workgroups",
        "subject": "a <b>sound</b>",
        "hardware": "webgpu",
        "device_name": "SwiftShader (CPU)",
        "is_software": True,
        "metric": "spectrogram_ms",
        "n_rounds": 6,
        "harness_version": "0",
        "started_at": datetime(2026, 11, 28, tzinfo=UTC),
    }
    compared = {"ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6, "verdict": FASTER, "baseline": "64x1x1"}
    rows = [
        CORE_BENCH__WEB_EXPERIMENTS.complete(shared | values)
        for values in (
            {"variant": "64x1x1", "samples_ms": [2.0], "latency_ms_p50": 2.0},
            {"variant": "256x1x1", "samples_ms": [1.0], "latency_ms_p50": 1.0, **compared},
            {"variant": "all", "experiment": "component_loading", "error_message": "PageError: no <adapter>"},
        )
    ]
    text = experiments_page(rows)
    assert "0.400 to 0.600" in text
    assert "software plays the GPU" in text
    assert "a &lt;b&gt;sound" in text
    assert "PageError: no &lt;adapter&gt;" in text


def test_the_published_report_is_that_of_the_published_rows():
    rows = pq.read_table(PROJECT / "data/measured/web-experiments.parquet").to_pylist()
    require_valid(CORE_BENCH__WEB_EXPERIMENTS, rows)
    assert (PROJECT / "docs/web-experiments.html").read_text(encoding="utf-8") == experiments_page(rows)
