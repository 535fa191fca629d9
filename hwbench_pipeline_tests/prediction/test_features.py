"""What the predictor may learn from, and which points nobody measured."""

from __future__ import annotations

import pytest

from hwbench_pipeline.catalog.flops import count_flops
from hwbench_pipeline.prediction.features import (
    TRAINING_FLOPS_FACTOR,
    grid_points,
    roofline_latency_ms,
    training_rows,
    weight_bytes_of,
)
from hwbench_pipeline.schema.tables.prediction import CORE_PREDICTION__FEATURES
from hwbench_pipeline.schema.tables.results import OUT__RESULTS
from hwbench_pipeline.schema.validation import require_valid
from hwbench_pipeline_tests.prediction.law import Row, result_row


def _count(lines: list[str]) -> int:
    return sum(int(line.split()[0]) for line in lines)


def test_made_up_results_are_valid_rows(results):
    require_valid(OUT__RESULTS, results)


def test_every_measured_row_is_used(training, results):
    assert len(training) == len(results)
    assert all(set(row) == set(CORE_PREDICTION__FEATURES.column_names) for row in training)


def test_roofline_is_the_longer_of_computing_and_reading():
    assert roofline_latency_ms(flops=2e9, weight_bytes=1e6, peak_gflops=100, memory_bandwidth_gb_per_s=10) == 20.0
    assert roofline_latency_ms(flops=1, weight_bytes=1e9, peak_gflops=100, memory_bandwidth_gb_per_s=10) == 100.0


@pytest.mark.parametrize(("precision", "expected"), [("fp32", 400), ("bf16", 200), ("int8", 100), ("int4", 50)])
def test_weight_bytes_follow_the_precision(precision, expected):
    assert weight_bytes_of(100, precision) == expected


UNUSABLE = {
    "simulated": {"provenance": "simulated"},
    "mock": {"provenance": "mock"},
    "unknown provenance": {"provenance": "unknown"},
    "history": {"is_current": False},
    "legacy": {"source": "legacy"},
    "failed": {"status": "failed", "provenance": "none"},
    "impossible": {"flags": ["noisy", "faster_than_roofline"]},
    "emulated": {"flags": ["software_adapter"]},
    "fallen back": {"flags": ["cpu_fallback"]},
    "busy machine": {"flags": ["loaded_machine"]},
    "noisy": {"flags": ["noisy"]},
    "own configuration": {"model_size": "custom"},
    "another scenario": {"scenario": "prefill"},
    "uncounted": {"flops": None},
    "no latency": {"latency_ms_p50": None},
    "no catalog model": {"model": None},
    "renamed model": {"model": "not-in-the-catalog"},
    "another device": {"device_name": "another device"},
    "no peaks": {"hardware": "webgpu", "device_name": "SwiftShader"},
    "unknown hardware": {"hardware": "rocm"},
    "precision without a peak": {"precision": "bf16"},
}


@pytest.mark.parametrize("changes", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_unusable_row_never_reaches_training_and_is_counted(changes, models, hardware, results, training):
    bad = result_row(models[0], hardware[0], "inference", 4, 1e-3, **changes)
    rows, reasons = training_rows([*results, bad], hardware, models)
    assert rows == training
    assert _count(reasons) == 1
    assert reasons[0].startswith("1 result row left out: ")


def test_throttled_rows_are_kept(models, hardware):
    row = result_row(models[0], hardware[0], "inference", 4, 3.0, flags=["throttled"])
    assert len(training_rows([row], hardware, models)[0]) == 1


def test_rows_of_a_busy_machine_are_counted_with_the_reason(models, hardware):
    row = result_row(models[0], hardware[0], "inference", 4, 178.0, flags=["noisy", "loaded_machine"])
    _, (reason,) = training_rows([row], hardware, models)
    assert reason.startswith("1 result row left out: flagged loaded_machine: something else was using the cores")


def test_equal_reasons_are_counted_together(models, hardware, results):
    changed = [{**row, "is_current": False} for row in results[:7]]
    rows, reasons = training_rows([*changed, *results[7:]], hardware, models)
    assert reasons == ["7 result rows left out: a newer run measured the same point"]
    assert len(rows) + _count(reasons) == len(results)


def test_grid_holds_what_nobody_measured(models, hardware, results):
    points, reasons = grid_points(models, hardware, results)
    # batch size 32 on cpu in both modes and on openvino in inference; 1 and 8 are measured
    assert len(points) == len(models) * 3
    assert {point["batch_size"] for point in points} == {32}
    assert {(point["hardware"], point["mode"]) for point in points} == {
        ("cpu", "inference"),
        ("cpu", "training"),
        ("openvino", "inference"),
    }
    assert len(reasons) == 1
    assert "webgpu (SwiftShader) has no measured peaks" in reasons[0]
    assert "Fix: `hwbench refresh` on the machine" in reasons[0]
    assert _count(reasons) == len(models) * 3


def test_a_configuration_of_both_sizes_is_one_point(models, hardware):
    """Some architectures are so small by default that their tiny size is the reference one."""
    tiny = next(row for row in models if row["model_size"] == "tiny")
    both, _ = grid_points([tiny, tiny | {"model_size": "reference"}], hardware, [])
    alone, _ = grid_points([tiny], hardware, [])
    assert both == alone != []


def test_without_results_the_grid_is_whole(models, hardware):
    points, _ = grid_points(models, hardware, [])
    assert len(points) == len(models) * 9
    inference = {p["config_sha256"]: p["flops"] for p in points if p["mode"] == "inference" and p["batch_size"] == 1}
    training = {p["config_sha256"]: p["flops"] for p in points if p["mode"] == "training" and p["batch_size"] == 8}
    assert all(training[config] == 3 * 8 * flops for config, flops in inference.items())


def test_measured_but_flagged_or_replaced_point_is_not_predicted(models, hardware):
    flagged = result_row(models[0], hardware[0], "inference", 1, 3.0, flags=["faster_than_roofline"])
    replaced = result_row(models[0], hardware[0], "inference", 8, 3.0, is_current=False)
    whole, _ = grid_points(models, hardware, [])
    points, _ = grid_points(models, hardware, [flagged, replaced])
    assert len(points) == len(whole) - 2


def test_simulated_number_does_not_hide_a_point(models, hardware):
    simulated = result_row(models[0], hardware[0], "inference", 1, 3.0, provenance="simulated")
    assert grid_points(models, hardware, [simulated]) == grid_points(models, hardware, [])


def test_counted_operations_are_better_than_the_factor(models, hardware):
    counted: Row = result_row(models[0], hardware[0], "training", 2, 3.0, flops=2 * 1_234_567)
    points, _ = grid_points(models, hardware, [counted])
    found = [
        point["flops"]
        for point in points
        if point["config_sha256"] == models[0]["config_sha256"] and point["mode"] == "training"
    ]
    assert found == [1_234_567, 8 * 1_234_567, 32 * 1_234_567]


def test_model_without_operations_is_left_out_with_its_reason(models, hardware):
    uncounted = [{**models[0], "flops": None}, *models[1:]]
    points, reasons = grid_points(uncounted, hardware[:1], [])
    assert len(points) == (len(models) - 1) * 6
    assert _count(reasons) == 6
    assert "flops is NULL" in reasons[0]


@pytest.mark.parametrize(("model", "lowest_factor"), [("bert", 2.99), ("llama", 2.99), ("vit", 2.8), ("detr", 1.5)])
def test_assumed_operations_are_near_the_counted_ones(model, lowest_factor):
    one = count_flops(model, "tiny", batch_size=1).flops
    four = count_flops(model, "tiny", batch_size=4).flops
    step = count_flops(model, "tiny", batch_size=1, training=True).flops
    assert one is not None
    assert four == pytest.approx(4 * one, rel=0.01)
    assert lowest_factor <= step / one <= TRAINING_FLOPS_FACTOR + 0.01
