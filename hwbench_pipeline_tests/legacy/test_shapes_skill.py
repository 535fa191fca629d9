"""Skill results and the reports that nest them: what is a record, which number is which, and in which unit."""

import copy
import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwbench_pipeline.legacy.contents import FileContent
from hwbench_pipeline.legacy.reading import read_file
from hwbench_pipeline.legacy.records import Record
from hwbench_pipeline.legacy.shapes import shape_of
from hwbench_pipeline.legacy.shapes.skill_quantities import Quantities

CALL_S = 0.012345678901


def flat(**members):
    return {
        "init": "Success",
        "cpu_init": "Success (REAL)",
        "cpu_handler": "Success (REAL)",
        "apple_tests": "Apple Silicon not available",
        "metadata": {"timestamp": 1740983825.72, "test_model": "google/t5-small"},
        **members,
    }


def example(**members):
    return {"input": "a fox", "output": "a dog", "timestamp": 1740983825.4, "platform": "CPU", **members}


def structured(*examples, **members):
    return {
        "status": {"cpu_init": "Success (REAL)", "cuda_init": "Success (REAL)"},
        "examples": list(examples),
        "metadata": {"model_name": "bert-base-uncased", "test_timestamp": "2025-02-27T15:29:35.763937"},
        **members,
    }


def read(document, name="a.json"):
    return read_file(Path("/in") / name, FileContent(json.dumps(document).encode(), "0" * 64), None)


def records(document):
    return [found for found in shape_of(document).read(document) if isinstance(found, Record)]


def pointers(document):
    return ["/".join(record.pointer) for record in records(document)]


@pytest.mark.parametrize(
    ("members", "column", "value"),
    [
        ({"elapsed_time": CALL_S}, "latency_ms_mean", 1000 * CALL_S),
        ({"elapsed_time_ms": CALL_S}, "latency_ms_mean", CALL_S),
        ({"performance": {"inference_time": CALL_S}}, "latency_ms_mean", 1000 * CALL_S),
        ({"metrics": {"avg_latency_ms": 7.1234567}, "elapsed_time": 9.0}, "latency_ms_mean", 7.1234567),
        ({"performance": {"processing_time_ms": 1.955032}}, "latency_ms_mean", 1.955032),
        ({"metadata": {"generation_time_seconds": CALL_S}, "elapsed_time": 1.5}, "latency_ms_mean", 1000 * CALL_S),
        ({"timing": {"generation_time": 2.5, "total_time": 3.5}}, "latency_ms_mean", 3500.0),
        ({"output": {"performance_metrics": {"inference_time": CALL_S}}}, "latency_ms_mean", 1000 * CALL_S),
        ({"elapsed_time": 1.5, "metrics": {"tokens_per_second": 102.857}}, "tokens_per_s", 102.857),
        ({"elapsed_time": 1.5, "items_per_second": 2.5}, "throughput_items_per_s", 2.5),
        ({"elapsed_time": 1.5, "output": {"gpu_memory_mb": 245.6}}, "peak_memory_mb", 245.6),
        ({"elapsed_time": 1.5, "metrics": {"gpu_memory_allocated_gb": 3.8}}, "peak_memory_mb", 3800.0),
        ({"elapsed_time": 1.5, "cuda_memory_used_mb": 263.61328125}, "peak_memory_mb", 263.61328125 * 1.048576),
        ({"elapsed_time": 1.5, "gpu_memory_mb": 0.0}, "peak_memory_mb", None),
        ({"elapsed_time": 1.5, "memory_reserved_mb": 22.0}, "peak_memory_mb", None),
        ({"elapsed_time": 1.5, "batch_size": 4}, "batch_size", 4),
        ({"elapsed_time": 1.5}, "batch_size", None),
        ({"elapsed_time": 1.5, "embedding_type": "torch.float32"}, "precision", None),
        ({"average_inference_time": 0.528, "iterations": 3}, "n_samples", 3),
        ({"elapsed_time": 1.5, "iterations": 3}, "n_samples", None),
        ({"elapsed_time": 1.5}, "started_at_text", "1740983825.4"),
    ],
)
def test_each_field_has_its_unit(members, column, value):
    (row,) = read(flat(cpu_output_example=example(**members))).rows
    assert row[column] == (value if value is None or isinstance(value, str) else pytest.approx(value, rel=1e-12))


def test_input_and_settings_hold_no_quantities():
    own = {
        "input": {"elapsed_time": 1.5},
        "generation_config": {"total_time": 2.5},
        "output": {"a": [{"elapsed_time": 3}]},
    }
    assert not Quantities(own).is_timed


def test_what_repeats_a_call_is_no_second_record():
    document = flat(
        cuda_init="Success (REAL)",
        cuda_total_time=0.4,
        cuda_generation_time=0.35,
        cuda_metrics={"tokens_per_second": 102.9},
        cuda_timing={"total_time": 0.4},
        cuda_transcription={"total_time": 0.4},
        cuda_capabilities={"memory_allocated_mb": 3.8},
        cuda_example=example(platform="CUDA", elapsed_time=0.099),
        cpu_image_example=example(),
        execution_time=13.2,
        total_execution_time=13.2,
    )
    assert pointers(document) == ["cuda_example"]


def test_times_without_a_call_are_records_of_their_own():
    document = flat(
        cpu_audio_embedding_time=0.0312, cpu_similarity_time=0.0012, cpu_model_load_time=3.1, openvino_total_time=0.4
    )
    assert pointers(document) == ["cpu_audio_embedding_time", "cpu_similarity_time", "openvino_total_time"]
    assert [record.claimed_hardware for record in records(document)] == ["cpu", "cpu", "openvino"]


def test_a_benchmark_in_the_status_is_a_record():
    document = structured(example(elapsed_time=0.009))
    document["status"]["cuda_benchmark"] = {"average_inference_time": 0.528, "iterations": 1}
    assert pointers(document) == ["examples/0", "status/cuda_benchmark"]


@pytest.mark.parametrize("hardware", ["rocm", "MPS", "qnn", "openvino", "webgpu", "samsung"])
def test_any_platform_counts_by_its_name(hardware):
    key = f"{hardware}_output_example"
    call = example(elapsed_time=0.5123)
    del call["platform"]
    document = {f"{hardware}_init": "Success", "cpu_init": "Success", key: call}
    (record,) = records(document)
    assert (record.pointer, record.claimed_hardware) == ((key,), hardware)


def test_an_operating_system_is_no_hardware():
    (record,) = records(structured(example(elapsed_time=0.5, platform="Linux")))
    assert record.claimed_hardware is None


def test_nothing_above_zero_is_put_aside_and_an_error_is_a_failure():
    reading = read(
        structured(
            example(elapsed_time=0),
            example(elapsed_time=-1.0),
            example(elapsed_time=0, error="CUDA out of memory", platform="CUDA"),
            example(elapsed_time=0.0512345, error="a warning"),
            example(),
        )
    )
    assert reading.n_quarantined == 2
    assert [(row["status"], row["provenance"], row["latency_ms_mean"]) for row in reading.rows] == [
        ("out_of_memory", "none", None),
        ("ok", "unknown", pytest.approx(51.2345)),
    ]


RESULT = structured(example(elapsed_time=CALL_S), example(elapsed_time=0.5, platform="CUDA"))
BY_PLATFORM = {
    "cpu": {
        "cpu_init": "Success",
        "cpu_output_example": example(elapsed_time=CALL_S),
        "examples": [example(elapsed_time=CALL_S), example(elapsed_time=0.75, timestamp=1740983829.9)],
        "performance_metrics": {"elapsed_time": CALL_S},
    }
}


@pytest.mark.parametrize(
    ("document", "shape", "found", "model"),
    [
        (flat(cpu_example=example(elapsed_time=1.5)), "skill_flat", ["cpu_example"], "google/t5-small"),
        (RESULT, "skill_structured", ["examples/0", "examples/1"], "bert-base-uncased"),
        (
            {"metadata": {"model": "hf_bert", "execution_time": 3.1}, "results": RESULT},
            "perf_result_wrapped",
            ["results/examples/0", "results/examples/1"],
            "bert-base-uncased",
        ),
        (
            {
                "metadata": {"model": "hf_t5"},
                "results": {**flat(cpu_example=example(elapsed_time=1.5)), "metadata": {}},
            },
            "perf_result_wrapped",
            ["results/cpu_example"],
            "hf_t5",
        ),
        (
            {"skill_tests": {"test_hf_bert.py": {"elapsed_time": 9.3, "return_code": 0, "json_result": RESULT}}},
            "perf_skill_run",
            [
                "skill_tests/test_hf_bert.py/json_result/examples/0",
                "skill_tests/test_hf_bert.py/json_result/examples/1",
            ],
            "bert-base-uncased",
        ),
        (
            {
                "test_file": "test_hf_bert.py",
                "elapsed_time": 10.2,
                "return_code": 0,
                "json_result": {"model_name": "Unknown", "examples": RESULT["examples"]},
            },
            "perf_test_run",
            ["json_result/examples/0", "json_result/examples/1"],
            "test_hf_bert.py",
        ),
        (
            {
                "model_results": {
                    "canine": {"elapsed_time": 6.4, "structured_data": {"examples": RESULT["examples"]}},
                    "other": {"elapsed_time": 6.4},
                }
            },
            "critical_model_tests",
            ["model_results/canine/structured_data/examples/0", "model_results/canine/structured_data/examples/1"],
            "canine",
        ),
        (
            {"results": {"skills/test_hf_clap.py": {"execution_time": 9.1, "performance_metrics": BY_PLATFORM}}},
            "perf_results_batch",
            [
                "results/skills/test_hf_clap.py/performance_metrics/cpu/cpu_output_example",
                "results/skills/test_hf_clap.py/performance_metrics/cpu/examples/1",
            ],
            "skills/test_hf_clap.py",
        ),
    ],
)
def test_results_alone_and_nested(document, shape, found, model):
    assert shape_of(document).name == shape
    assert pointers(document) == found
    assert {record.model_id for record in records(document)} == {model}


def test_what_says_only_what_passed_is_no_result():
    reading = read(flat(cpu_output_example=example(), cpu_output="a dog"))
    assert (reading.status, reading.shape) == ("no_results", "skill_flat")


@pytest.mark.parametrize(
    ("name", "model"),
    [("hf_t5_test_results.json", "hf_t5"), ("hf_t5_test_results@3.json", "hf_t5"), ("results.json", None)],
)
def test_the_files_name_counts_only_where_the_content_names_no_model(name, model):
    (row,) = read(flat(metadata={}, cpu_example=example(elapsed_time=1.5)), name).rows
    assert row["model_id"] == model
    (row,) = read(flat(cpu_example=example(elapsed_time=1.5)), name).rows
    assert row["model_id"] == "google/t5-small"


def test_every_latency_stands_at_its_pointer():
    documents = (
        flat(cpu_text_embedding_time=0.0312, cuda_example=example(performance={"inference_time": 0.2})),
        structured(example(metadata={"generation_time_seconds": CALL_S}, elapsed_time=0.7)),
        {"skill_tests": {"a/b~c": {"return_code": 0, "json_result": RESULT}}},
    )
    found = [(document, row) for document in documents for row in read(document).rows]
    assert len(found) == 5
    for value, row in found:
        for escaped in row["source_pointer"].split("/")[1:]:
            part = escaped.replace("~1", "/").replace("~0", "~")
            value = value[int(part)] if isinstance(value, list) else value[part]
        assert any(math.isclose(row["latency_ms_mean"], 1000 * number, rel_tol=1e-12) for number in _numbers(value))


def _numbers(value):
    if isinstance(value, dict):
        return [number for inner in value.values() for number in _numbers(inner)]
    return [value] if isinstance(value, float) else []


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**30)
    | st.floats()
    | st.sampled_from(["", "CPU", "cuda", "(REAL)", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["elapsed_time", "cpu_example", "a"]), inner)
    ),
    max_leaves=4,
)
WHOLE = (
    flat(cpu_output_example=example(elapsed_time=CALL_S), cpu_similarity_time=0.0123),
    RESULT,
    {"metadata": {"model": "hf_bert"}, "results": RESULT},
    {"skill_tests": {"test_hf_bert.py": {"return_code": 0, "json_result": RESULT}}},
    {"model_results": {"canine": {"structured_data": RESULT}}},
    {"results": {"t": {"performance_metrics": BY_PLATFORM}}},
)


def _places(value, path=()):
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(inner, (*path, key))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_mutation_is_read_and_a_marked_file_is_never_measured(data):
    document = copy.deepcopy(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from([path for path in _places(document) if path]))
        target = document
        for key in path:
            target = target[key]
        target[last] = data.draw(JUNK)
    for row in read(document).rows:
        latency = row["latency_ms_mean"]
        assert latency is None or (math.isfinite(latency) and latency > 0)
        assert row["precision"] is None
        assert row["batch_size"] is None
    marked = {**document, "is_simulated": True}
    assert all(row["provenance"] != "measured" for row in read(marked).rows)
