import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.outcomes import failure_of
from hwbench_pipeline.legacy.shapes import SHAPES, shape_of

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "benchmarks",
                    "performance_benchmarks",
                    "model",
                    "hardware",
                    "batch_results",
                    "1",
                    "status",
                    "platform",
                    "metrics",
                    "model_name",
                    "platform_support",
                    "benchmark_results",
                    "error",
                    "latencies",
                    "system_info",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(JSON)
def test_shapes_take_any_json(document):
    for shape in SHAPES:
        if shape.recognises(document):
            list(shape.read(document))
            shape.remarks(document)


def test_structure_decides_not_names(build):
    suite = build.suite()
    assert shape_of(suite).name == "suite_benchmarks"
    assert shape_of(build.master(embedding=suite)).name == "suite_master"
    assert shape_of(build.master(vision={"status": "error", "error": "x"})).name == "suite_master"
    assert shape_of(build.direct()).name == "direct_benchmark"
    assert shape_of(build.web()).name == "web_platform_result"
    for other in ({}, [], None, 3, {"benchmarks": ["a"]}, {"benchmarks": {"a": {"b": {"c": 1}}}}, {"model": "x"}):
        assert shape_of(other) is None


@pytest.mark.parametrize(
    ("metrics", "pointer", "load_ms"), [({"load_time_ms": 389}, "/metrics", 389.0), ({}, "/status", None)]
)
def test_a_failed_web_result_points_to_where_its_load_time_stands(build, put, run, metrics, pointer, load_ms):
    put("a.json", build.web(status="error", error="boom", metrics=metrics))
    (row,) = run().results
    assert (row["status"], row["source_pointer"], row["load_ms"]) == ("failed", pointer, load_ms)
    assert row["latency_ms_mean"] is None


@pytest.mark.parametrize(
    ("message", "status", "error_class"),
    [
        ("CUDA out of memory. Tried to allocate", "out_of_memory", "out_of_memory"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory", "out_of_memory", "OutOfMemoryError"),
        ("Inference timed out after 60 s", "timeout", "timeout"),
        ("operator aten::foo is not supported on this backend", "unsupported", "unsupported"),
        ("CUDA is not available", "no_hardware", "no_hardware"),
        ("Warmup failed: 'dict' object has no attribute", "failed", "Warmup failed"),
        ("boom", "failed", "failed"),
        (None, "failed", "failed"),
    ],
)
def test_failures_are_classified_by_their_message(message, status, error_class):
    failure = failure_of(message)
    assert (failure.status, failure.error_class) == (status, error_class)
    assert failure.error_message
