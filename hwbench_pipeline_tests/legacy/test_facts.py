"""Which records are one fact."""

import math

import pytest

from hwbench_pipeline.legacy.facts import fact_of, repeats_within_file

MEASURED = {
    "provenance": "measured",
    "status": "ok",
    "model_id": "bert-base-uncased",
    "hardware_requested": "cpu",
    "batch_size": 1,
    "sequence_length": 32,
    "latency_ms_mean": 51.62837505340576,
}
SIMULATED = {**MEASURED, "provenance": "simulated", "latency_ms_mean": 80.0, "started_at_text": "2025-01-02T03:04:05.6"}


def test_a_timer_mean_is_known_with_and_without_samples_and_time():
    with_samples = {**MEASURED, "samples_ms": [51.5, 51.75675010681152], "started_at_text": "20250102_030405"}
    assert fact_of(MEASURED) == fact_of(with_samples) is not None


@pytest.mark.parametrize("neighbour", [0.0, math.inf])
def test_the_last_digits_of_a_mean_depend_on_its_unit(neighbour):
    converted = {**MEASURED, "latency_ms_mean": math.nextafter(MEASURED["latency_ms_mean"], neighbour)}
    assert converted != MEASURED
    assert fact_of(converted) == fact_of(MEASURED)


@pytest.mark.parametrize(
    "change",
    [
        {"model_id": "bert-large-uncased"},
        {"hardware_requested": "cuda"},
        {"batch_size": 2},
        {"sequence_length": 64},
        {"latency_ms_mean": 51.62837515340576},
    ],
)
def test_another_point_or_time_is_another_fact(change):
    assert fact_of({**MEASURED, **change}) != fact_of(MEASURED)


def test_rounded_means_identify_nothing():
    assert fact_of({**MEASURED, "latency_ms_mean": 51.6}) is None
    assert fact_of({**MEASURED, "latency_ms_mean": 51.5, "samples_ms": [51.5]}) is None
    assert fact_of({**MEASURED, "latency_ms_mean": 51.5, "samples_ms": [51.25, 51.75]}) is not None


def test_constants_need_a_time():
    assert fact_of({**SIMULATED, "started_at_text": None}) is None
    assert fact_of({**SIMULATED, "started_at_text": "2025-01-02T03:04:05.7"}) != fact_of(SIMULATED)
    assert fact_of({**SIMULATED, "latency_ms_mean": 81.0}) != fact_of(SIMULATED)
    assert fact_of({**SIMULATED, "provenance": "mock"}) != fact_of(SIMULATED)
    assert repeats_within_file(fact_of(SIMULATED))
    assert not repeats_within_file(fact_of(MEASURED))


def test_failures_are_known_by_time_and_message():
    failed = {"status": "failed", "provenance": "none", "model_id": "x", "error_message": "boom"}
    assert fact_of(failed) is None
    first = fact_of({**failed, "started_at_text": "2025-01-02"})
    assert first is not None
    assert fact_of({**failed, "started_at_text": "2025-01-02", "error_message": "bang"}) != first
