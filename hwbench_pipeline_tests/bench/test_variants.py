"""The ways a backend can run a point: compiled, with requests in flight, with compressed weights."""

from __future__ import annotations

import json

import pytest

from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.hardware.probing import probe
from hwbench_pipeline.imports.bundle import _contradiction
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE
from hwbench_pipeline.schema.validation import require_valid

QUICK = Sampling(min_warmup=2, min_warmup_s=0.1, max_warmup_s=0.5, min_samples=10, min_duration_s=0.3)


def measured(hardware, *points):
    with CellProcesses() as processes:
        rows = run_cell(CellPlan(hardware, "bert", points=points, sampling=QUICK), processes).rows
    require_valid(CORE_BENCH__INFERENCE, rows)
    return rows


@pytest.fixture(scope="module")
def torch_rows():
    points = (
        Point(),
        Point(variant="eager"),
        Point(variant="compile"),
        Point(variant="latency"),
        Point(precision="int8"),
    )
    return measured("cpu", *points)


def test_the_usual_variant_is_the_point_without_one(torch_rows):
    assert len(torch_rows) == 4
    assert torch_rows[0]["variant"] is None


def test_compiling_is_timed_apart_and_verified(torch_rows):
    row = torch_rows[1]
    assert (row["status"], row["variant"]) == ("ok", "compile"), row["error_message"]
    assert row["compile_ms"] > 10 * row["latency_ms_p50"]
    assert row["first_inference_ms"] is None
    assert row["output_max_rel_error"] < 1e-3
    assert json.loads(row["options"])["compile"] is True


def test_what_the_backend_lacks_is_unsupported_with_its_point(torch_rows):
    latency, int8 = torch_rows[2:]
    assert (latency["status"], latency["variant"], latency["scenario"]) == ("unsupported", "latency", "forward")
    assert "cpu runs eager, compile, onnxruntime, not latency" in latency["error_message"]
    assert (int8["status"], int8["precision"]) == ("unsupported", "int8")
    assert len({row["result_id"] for row in torch_rows}) == 4


@pytest.fixture(scope="module")
def openvino_rows():
    if not probe("openvino").is_available:
        pytest.skip(probe("openvino").reason)
    points = (Point(), Point(variant="throughput"), Point(precision="int8"), Point(precision="int4"))
    return measured("openvino", *points)


def test_requests_in_flight_give_a_throughput_over_wall_time(openvino_rows):
    row = openvino_rows[1]
    assert (row["status"], row["variant"]) == ("ok", "throughput"), row["error_message"]
    options = json.loads(row["options"])
    assert options["performance_hint"] == "THROUGHPUT"
    assert options["in_flight"] >= 1
    little = options["in_flight"] / row["latency_ms_mean"] * 1e3
    assert row["throughput_items_per_s"] == pytest.approx(little, rel=0.3)
    assert _contradiction(row) is None
    assert _contradiction({**row, "throughput_items_per_s": 3 * little}) is not None


@pytest.mark.parametrize(("index", "precision", "stored"), [(2, "int8", "INT8_ASYM"), (3, "int4", "INT4_SYM")])
def test_compressed_weights_are_verified_and_named(openvino_rows, index, precision, stored):
    row = openvino_rows[index]
    assert (row["status"], row["precision"]) == ("ok", precision), row["error_message"]
    options = json.loads(row["options"])
    assert options["stored_weights"].startswith(stored)
    assert options["precision_hint"] == "f32"
    assert options["dynamic_quantization_group"] == 32
    assert json.loads(openvino_rows[0]["options"])["dynamic_quantization_group"] == 0
    assert row["output_max_rel_error"] > 0
    assert openvino_rows[0]["output_max_rel_error"] < row["output_max_rel_error"]


def test_every_request_in_flight_is_verified():
    """One of them answering something else shows, though the first one is right."""
    from hwbench_pipeline.bench import cell
    from hwbench_pipeline.bench.backends.openvino import OpenvinoBackend
    from hwbench_pipeline.bench.judging import largest_relative_error

    plan = CellPlan("openvino", "vit", points=(Point(variant="throughput"),))
    workload = cell._workload(plan, plan.points[0], cell._load(plan, plan.points[0], "eager"), "throughput")
    reference = cell._reference_outputs(workload)
    session = OpenvinoBackend().prepare(workload)
    errors = [largest_relative_error(reference, answer) for answer in session.outputs_in_flight()]
    assert len(errors) == session.facts.options["in_flight"]
    assert max(errors) < 1e-3
    last = session._queue[len(errors) - 1]
    last.get_input_tensor(0).data[:] *= -2
    spoiled = [largest_relative_error(reference, answer) for answer in session.outputs_in_flight()]
    assert spoiled[:-1] == pytest.approx(errors[:-1], abs=1e-5)
    assert spoiled[-1] > 0.1


def test_a_stream_counts_every_request_once_and_keeps_them_all_busy():
    from hwbench_pipeline.bench import cell
    from hwbench_pipeline.bench.backends.openvino import OpenvinoBackend

    plan = CellPlan("openvino", "vit", points=(Point(variant="throughput"),))
    workload = cell._workload(plan, plan.points[0], cell._load(plan, plan.points[0], "eager"), "throughput")
    session = OpenvinoBackend().prepare(workload)
    for at_least in (1, 50):
        taken = session.stream(min_requests=at_least, min_duration_s=0, max_duration_s=30)
        assert at_least <= len(taken.latencies_ms) < at_least + 2 * taken.in_flight
        assert 0 < min(taken.latencies_ms) / 1e3 <= taken.wall_s
    assert len(session.stream(min_requests=10**6, min_duration_s=0, max_duration_s=0.1).latencies_ms) < 10**6
