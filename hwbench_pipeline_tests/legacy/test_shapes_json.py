"""The shapes that collect, summarise or compare: counts, identities and what is put aside."""

import hashlib
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.contents import FileContent
from hwbench_pipeline.legacy.json_values import pointer_text
from hwbench_pipeline.legacy.reading import read_file
from hwbench_pipeline.legacy.shapes import (
    browser_compare,
    hardware_test,
    hw_compat_matrix,
    key_model_benchmark,
    remote_api_timings,
    result_collections,
    skill_hw_bench,
    suite_summary,
    web_platform_comparison,
)

TICK_S = 2**-22
"""What the system clock of Python counts in, from 2004 to 2038."""


def ticks(seconds):
    """The time nearest to `seconds` that the difference of two readings of the clock can be."""
    return round(seconds / TICK_S) * TICK_S


def read(document):
    data = json.dumps(document).encode()
    return read_file(Path("/corpus/a.json"), FileContent(data, hashlib.sha256(data).hexdigest()), None)


def at(document, pointer):
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def pointers(reading):
    return [row["source_pointer"] for row in reading.rows]


def column(reading, name):
    return [row[name] for row in reading.rows]


def rules(reading):
    return {row["provenance_reason"].split(":")[0] for row in reading.rows}


def mean_of_clock(seconds, n=20, seed=1):
    source = random.Random(f"{seconds} {seed}")
    return sum(ticks(seconds * source.uniform(0.9, 1.2)) for _ in range(n)) / n


# suite_summary


def summary(by_hardware, models=("bert-base-uncased", "roberta-base", "distilbert-base-uncased"), **changes):
    family = {"models_tested": list(models), "hardware_results": by_hardware}
    return {"timestamp": "20250102_030405", "model_families": {"embedding": family}, **changes}


def means(*seconds, seed=1):
    values = [mean_of_clock(value, seed=seed) for value in seconds]
    return {"latency_ms": [1000 * value for value in values], "throughput": [3.7 / value for value in values]}


def test_summary_by_position():
    document = summary({"cpu": means(1.1, 0.6, 2.3)})
    reading = read(document)
    assert reading.shape == "suite_summary"
    assert column(reading, "model_id") == document["model_families"]["embedding"]["models_tested"]
    assert column(reading, "latency_ms_mean") == [at(document, pointer) for pointer in pointers(reading)]
    assert column(reading, "throughput_items_per_s") == [None] * 3  # it stands at another place
    assert column(reading, "flags") == [["is_aggregate"]] * 3
    assert rules(reading) == {"aggregate_of_clock_times"}
    assert set(column(reading, "batch_size")) == {None}


def test_summary_never_gives_a_number_to_the_wrong_model():
    reading = read(summary({"cpu": means(0.8)}, models=("openai/whisper-tiny", "facebook/wav2vec2-base")))
    assert reading.rows == ()
    assert (reading.status, reading.n_quarantined) == ("quarantined", 1)
    assert "which model" in reading.error


@pytest.mark.parametrize("models", [("a", "a"), ("a", None), ("a", 7)])
def test_summary_of_models_that_cannot_be_told_apart(models):
    assert read(summary({"cpu": means(0.8, 0.9)}, models=models)).n_quarantined == 2


def test_summary_with_a_throughput_missing_keeps_its_latency():
    results = means(0.8, 0.9)
    results["throughput"] = []
    assert len(read(summary({"cpu": results}, models=("a", "b"))).rows) == 2


def test_summary_of_rates_alone():
    document = summary({"cpu": {"throughput": [3.7123456]}}, models=("a",))
    (row,) = read(document).rows
    assert row["throughput_items_per_s"] == at(document, row["source_pointer"])


def test_summary_with_a_hole_in_the_list():
    results = means(0.8, 0.9)
    results["latency_ms"][0] = results["throughput"][0] = None
    reading = read(summary({"cpu": results}, models=("a", "b")))
    assert column(reading, "model_id") == ["b"]


def test_summary_in_seconds():
    value = mean_of_clock(0.8)
    reading = read(summary({"cpu": {"mean_latency": [value]}}, models=("a",)))
    assert column(reading, "latency_ms_mean") == [value * 1000]


def test_summary_by_name():
    values = {"a": mean_of_clock(0.8) * 1000, "b": None}
    document = summary({"cpu": {"latency_ms": values}}, models=("b", "a"))
    reading = read(document)
    assert column(reading, "model_id") == ["a"]
    assert at(document, pointers(reading)[0]) == values["a"]


@pytest.mark.parametrize("result", [{"latency_ms": 812.5}, {"a": {"latency_ms": 812.5}}])
def test_summary_in_another_form_is_put_aside(result):
    reading = read(summary({"cpu": result}, models=("a",)))
    assert (reading.status, reading.n_quarantined) == ("quarantined", 1)


def test_empty_summary_is_no_result():
    reading = read(summary({"cpu": {"latency_ms": [], "throughput": []}}))
    assert (reading.status, reading.n_quarantined) == ("no_results", 0)
    assert "holds no number" in reading.error


def test_means_that_were_typed_or_computed_are_not_measured():
    document = summary({"cpu": {"latency_ms": [1100.0 / 3, 0.1 + 0.2, 123.456]}})
    assert "measured" not in column(read(document), "provenance")


# hw_compat_matrix


def cell(*rows):
    return {"compatible": bool(rows), "performance_rating": None, "benchmark_results": list(rows)}


def matrix(by_hardware, **changes):
    return {"model_families": {"embedding": {"hardware_compatibility": by_hardware}}, **changes}


def mean_row(model="bert-base-uncased", seconds=1.1, **changes):
    mean = mean_of_clock(seconds)
    stamp = "2025-03-03T05:16:00.537589"
    return {"mean_latency": mean, "mean_throughput": 3.7 / mean, "timestamp": stamp, "model_name": model, **changes}


def test_matrix_in_seconds():
    document = matrix({"cpu": cell(mean_row())})
    reading = read(document)
    (row,) = reading.rows
    assert row["latency_ms_mean"] == at(document, row["source_pointer"])["mean_latency"] * 1000
    assert (row["model_id"], row["hardware"], row["flags"]) == ("bert-base-uncased", "cpu", ["is_aggregate"])
    assert row["started_at_text"] == "2025-03-03T05:16:00.537589"


def test_matrix_of_verdicts_is_no_result():
    reading = read(matrix({"cpu": cell(), "bert-base-uncased": cell({"model_name": "gpt2", "timestamp": "x"})}))
    assert (reading.shape, reading.status, reading.n_quarantined) == ("hw_compat_matrix", "no_results", 0)
    assert "2 verdicts" in reading.error


def test_matrix_key_that_is_no_hardware():
    reading = read(matrix({"bert-base-uncased": cell(mean_row())}))
    assert (reading.rows, reading.n_quarantined) == ((), 1)
    assert "names no hardware" in reading.error


def test_matrix_key_that_the_file_lists_as_hardware():
    reading = read(matrix({"npu": cell(mean_row())}, hardware_types=["cpu", "npu", 7]))
    assert column(reading, "hardware_requested") == ["npu"]


@pytest.mark.parametrize("rows", [{"bert": mean_row()}, [mean_row(mean_latency=None), "x"]])
def test_matrix_rows_of_any_kind(rows):
    reading = read(matrix({"cpu": {"benchmark_results": rows}}))
    assert len(reading.rows) == 1


def test_matrix_of_the_whole_file():
    document = {"hardware_compatibility": {"cpu": cell(mean_row())}}
    assert pointers(read(document)) == ["/hardware_compatibility/cpu/benchmark_results/0"]


def test_matrix_states_milliseconds():
    mean = mean_of_clock(1.1) * 1000
    reading = read(matrix({"cpu": cell({"model": "gpt2", "mean_latency_ms": mean})}))
    assert column(reading, "latency_ms_mean") == [mean]


# collections


def test_batch_of_direct_benchmarks(build):
    direct = build.direct(b1=build.batch(3.1, 1), b4=build.batch(9.1, 4))
    failed = {"model": "gpt2", "hardware": "cpu", "success": False, "stderr": "RuntimeError: out of memory"}
    document = {
        "models": ["prajjwal1/bert-tiny", "gpt2"],
        "hardware": "cpu",
        "results": {
            "prajjwal1/bert-tiny": {"model": "prajjwal1/bert-tiny", "success": True, "benchmark_data": direct},
            "gpt2": failed,
        },
    }
    reading = read(document)
    assert reading.shape == "batch_direct_benchmark"
    place = pointer_text(("results", "prajjwal1/bert-tiny", "benchmark_data", "batch_results"))
    assert pointers(reading) == [f"{place}/1", f"{place}/4", "/results/gpt2"]
    assert column(reading, "status") == ["ok", "ok", "out_of_memory"]
    alone = read(direct)
    for name in ("model_id", "hardware", "batch_size", "samples_ms", "provenance", "started_at_text"):
        assert column(reading, name)[:2] == column(alone, name)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda results: results,
        lambda results: {"timestamp": "x", "results": results},
        lambda results: {"web_results": {result["model_key"]: result for result in results}},
        lambda results: {"results": {result["model_key"]: {"webgpu": result} for result in results}},
        lambda results: {"runs": {result["model_key"]: {"webgpu": result} for result in results}},
        lambda results: {"summary": {"n": 2}, "models": [{"name": "x", "result": result} for result in results]},
    ],
)
def test_batch_of_web_results(build, wrap):
    results = [build.web(), build.web(model_key="t5", model_name="t5-small", status="error", error="no adapter")]
    document = wrap(results)
    reading = read(document)
    assert column(reading, "model_id") == ["bert-base-uncased", "t5-small"]
    assert column(reading, "provenance") == ["simulated", "none"]
    assert at(document, pointers(reading)[0])["inference_time_ms"] == 90


def test_collection_is_not_searched_without_end(build):
    document = build.web()
    for _ in range(5000):
        document = {"inner": [document]}
    assert not result_collections.WEB_PLATFORM_BATCH.recognises(document)
    shallow = {"results": [{"bert": {"webgpu": build.web()}}], "deep": document}
    assert len(list(result_collections.WEB_PLATFORM_BATCH.read(shallow))) == 1


# key_model_benchmark


def key_model(**changes):
    batches = {
        "1": {"throughput": 50, "latency_ms": 20, "memory_usage_mb": 115, "success": True},
        "4": {"throughput": 200, "latency_ms": 50, "memory_usage_mb": 160, "success": True},
    }
    return {
        "model": "BERT",
        "model_path": "bert-base-uncased",
        "hardware": "Apple MPS",
        "hardware_key": "mps",
        "batch_sizes": batches,
        **changes,
    }


def test_invented_numbers_by_batch_size():
    reading = read(key_model())
    assert column(reading, "provenance") == ["simulated", "simulated"]
    assert column(reading, "batch_size") == [1, 4]
    assert column(reading, "latency_ms_mean") == [20, 50]
    assert column(reading, "peak_memory_mb") == [115, 160]
    assert set(column(reading, "hardware_requested")) == {"mps"}


def test_key_model_without_hardware_key():
    reading = read(key_model(hardware_key=None, batch_sizes={"1": {"success": False, "error": "CUDA out of memory"}}))
    assert column(reading, "hardware_requested") == ["mps"]
    assert column(reading, "status") == ["out_of_memory"]


# skill_hw_bench


def method(name, low=0.0081, mean=None, high=0.0124):
    low, middle, high = ticks(low), ticks((low + high) / 2.2), ticks(high)
    mean = (low + middle + high) / 3 if mean is None else mean
    return {"avg_time": mean, "min_time": low, "max_time": high, "load_time": ticks(4.1), "num_runs": 3}


def skill(performance, results=None, hardware=None):
    default = {key: {"model": "bert-base-uncased", "device": key.rpartition("_")[2]} for key in performance}
    return {
        "results": default if results is None else results,
        "performance": performance,
        "hardware": hardware or {"cpu": True, "cuda": True, "cuda_version": "12.4", "cuda_devices": 1},
        "metadata": {"model": "bert-base-uncased", "timestamp": "2025-03-01T16:54:12.692089"},
    }


def test_spread_of_runs_on_a_proven_device():
    document = skill({"pipeline_cuda": method("pipeline")})
    document["results"]["pipeline_cuda"]["pipeline_success"] = True
    (row,) = read(document).rows
    timed = at(document, row["source_pointer"])
    assert row["provenance_reason"].startswith("spread_of_runs")
    assert (row["provenance"], row["hardware"], row["hardware_requested"]) == ("measured", "cuda", "cuda")
    assert "cuda 12.4 with 1 device(s)" in row["provenance_reason"]
    assert row["latency_ms_min"] == timed["min_time"] * 1000
    assert (row["n_samples"], row["load_ms"]) == (3, timed["load_time"] * 1000)
    assert row["batch_size"] is None


@pytest.mark.parametrize(
    "change", [{"num_runs": None}, {"num_runs": 2}, {"avg_time": 0.01234567}, {"min_time": 0.0081234567}]
)
def test_spread_that_is_not_of_runs(change):
    document = skill({"pipeline_cpu": {**method("pipeline"), **change}})
    document["results"]["pipeline_cpu"]["pipeline_success"] = True
    assert column(read(document), "provenance") == ["unknown"]


def test_typed_in_spread():
    timed = {"avg_time": 0.05, "min_time": 0.9 * 0.05, "max_time": 1.1 * 0.05, "num_runs": 3}
    document = skill({"pipeline_cuda": timed})
    document["results"]["pipeline_cuda"]["success"] = True
    assert column(read(document), "provenance") == ["simulated"]


def test_methods_that_failed():
    results = {
        "pipeline": {
            "device": "cuda",
            "pipeline_error_type": "missing_dependency",
            "pipeline_test": "Missing: tokenizers",
        },
        "from_pretrained_cuda": {
            "device": "cuda",
            "from_pretrained_success": False,
            "from_pretrained_error": "no such model",
        },
        "openvino": {"device": "openvino", "openvino_success": True},
        "all_hardware": None,
    }
    reading = read(skill({}, results))
    assert column(reading, "error_message") == ["Missing: tokenizers", "no such model"]
    assert column(reading, "hardware_requested") == ["cuda", "cuda"]
    assert pointers(reading) == ["/results/pipeline", "/results/from_pretrained_cuda"]


def test_times_beside_the_results_only():
    timed = method("pipeline")
    entry = {"device": "cpu", "pipeline_success": True, "pipeline_avg_time": timed["avg_time"]}
    document = skill({}, {"pipeline_cpu": entry})
    (row,) = read(document).rows
    assert (row["latency_ms_mean"], row["model_id"]) == (timed["avg_time"] * 1000, "bert-base-uncased")
    assert row["provenance"] == "unknown"


# web_platform_comparison


def side_by_side(**changes):
    row = {
        "model": "bert-base-uncased",
        "webnn": {"time_ms": 15.2, "memory_mb": 35, "success": True, "implementation": "REAL_WEBNN"},
        "webgpu": {
            "time_ms": 108.6,
            "success": False,
            "implementation": "SIMULATED_WEBGPU_TRANSFORMERS_JS",
            "error": "Missing required operators",
        },
    }
    return {"timestamp": "2025-03-02T12:00:00Z", "results_by_modality": {"text": [{**row, **changes}]}}


def test_platforms_side_by_side():
    document = side_by_side(wasm={"time_ms": None, "success": False, "error": "Unsupported model architecture"})
    reading = read(document)
    assert column(reading, "hardware_requested") == ["webnn", "webgpu", "wasm"]
    assert column(reading, "provenance") == ["unknown", "simulated", "none"]
    assert column(reading, "status")[2] == "unsupported"
    assert column(reading, "latency_ms_mean") == [15.2, 108.6, None]
    assert all(at(document, pointer) for pointer in pointers(reading))


def test_time_of_a_failed_attempt_is_not_measured():
    document = side_by_side(webgpu={"time_ms": 108.63, "success": False})
    assert "time_of_failed_attempt" in rules(read(document))


def test_whole_milliseconds_in_a_browser_prove_nothing():
    document = side_by_side(webnn={"time_ms": 150, "success": True}, webgpu=None)
    assert rules(read(document)) == {"rounded_value"}


def test_platforms_by_model():
    document = {"results_by_model": {"bert": {"webnn": {"time_ms": 15.2, "success": True}}}}
    assert column(read(document), "model_id") == ["bert"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda row: {"results": [row]},
        lambda row: {"models": {"bert-base-uncased": row}},
        lambda row: {"comparisons": [{"model": row["model"], "platforms": row}]},
    ],
)
def test_platforms_side_by_side_however_wrapped(wrap):
    document = wrap(side_by_side()["results_by_modality"]["text"][0])
    reading = read(document)
    assert column(reading, "latency_ms_mean") == [15.2, 108.6]
    assert [at(document, pointer)["time_ms"] for pointer in pointers(reading)] == [15.2, 108.6]
    assert set(column(reading, "model_id")) == {"bert-base-uncased"}


# browser_compare


def test_relative_numbers_are_put_aside():
    tests = [{"success": True, "browser": "firefox", "performance": {"improvement_percentage": 51.3}}]
    tests.append({"success": False, "browser": "chrome", "model": "whisper", "error": "crashed", "performance": {}})
    reading = read({"model": "whisper", "tests": tests})
    assert (reading.shape, reading.n_quarantined, len(reading.rows)) == ("browser_compare", 1, 1)
    assert "relative to a baseline" in reading.error


# remote_api_timings


def call(model="llama3-8b-8192", seconds=0.32, queue_s=0.0188, tokens=264, **changes):
    response_s = ticks(seconds)
    rate = tokens / (response_s - queue_s)
    timing = {"response_time": response_s, "queue_time": queue_s, "processing_time": response_s - queue_s}
    return {"model": model, **timing, "tokens": tokens, "tokens_per_second": rate, "success": True, **changes}


def test_calls_of_a_remote_service():
    document = {
        "timestamp": "2025-02-28 20:25:42",
        "models": [call(), call("gemma2-9b-it", 0.5, success=False, error="503")],
    }
    reading = read(document)
    first, second = reading.rows
    assert first["provenance_reason"].startswith("single_timer_with_output")
    assert (first["hardware"], first["hardware_requested"], first["provenance"]) == (None, "remote", "measured")
    assert first["latency_ms_mean"] == document["models"][0]["response_time"] * 1000
    assert first["tokens_per_s"] == document["models"][0]["tokens_per_second"]
    assert (second["status"], second["latency_ms_mean"]) == ("failed", None)


@pytest.mark.parametrize(
    "change",
    [
        {"tokens_per_second": 320.1504458},
        {"tokens": 263},
        {"implementation_type": "REAL"},
        {"status": "Success (REAL)"},
        {"response_time": 0.3212345678},
    ],
)
def test_a_timer_alone_proves_nothing(change):
    assert column(read({"models": [{**call(), **change}]}), "provenance") == ["unknown"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda calls: calls,
        lambda calls: {"results": {entry["model"]: entry for entry in calls}},
        lambda calls: {"provider": "Groq", "calls": calls},
    ],
)
def test_calls_however_wrapped(wrap):
    reading = read(wrap([call(), call("gemma2-9b-it", 0.5)]))
    assert column(reading, "model_id") == ["llama3-8b-8192", "gemma2-9b-it"]
    assert {name.partition(":")[0] for name in column(reading, "hardware_requested")} == {"remote"}


# hardware_test


def tried(**by_hardware):
    return {"model_name": "openai/clip-vit-base-patch32", "results": by_hardware}


def test_one_shot_by_hardware():
    seconds = ticks(0.31)
    document = tried(
        cpu={"success": True, "inference_time": seconds, "output_shape": [1, 512]},
        cuda={"success": False, "error": "CUDA not available"},
        mps={"success": None},
    )
    reading = read(document)
    assert column(reading, "hardware_requested") == ["cpu", "cuda"]
    assert column(reading, "provenance") == ["measured", "none"]
    assert column(reading, "status") == ["ok", "no_hardware"]
    assert reading.rows[0]["latency_ms_mean"] == seconds * 1000


def test_one_shot_without_output_is_not_measured():
    assert column(read(tried(cpu={"success": True, "inference_time": ticks(0.31)})), "provenance") == ["unknown"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda entry: {"cpu": entry},
        lambda entry: {"hardware": {"cpu": entry}},
        lambda entry: {"tests": [{"hardware": "CPU", **entry}]},
        lambda entry: {"results": {"openai/clip-vit-base-patch32": {"cpu": entry}}},
    ],
)
def test_one_shot_however_wrapped(wrap):
    document = {"model": "openai/clip-vit-base-patch32", **wrap({"status": "success", "time": ticks(0.31)})}
    (row,) = read(document).rows
    assert (row["model_id"], row["hardware_requested"]) == ("openai/clip-vit-base-patch32", "cpu")
    assert row["latency_ms_mean"] == at(document, row["source_pointer"])["time"] * 1000


def test_time_without_a_unit_is_put_aside():
    reading = read(tried(cpu={"success": True, "time": 0.31}))
    assert (reading.rows, reading.n_quarantined) == ((), 1)


# no results at all


@pytest.mark.parametrize(
    "document",
    [
        {"results": {"cpu": {"success": True}}, "performance": {}, "metadata": {"model": "gpt2"}},
        {"models": [{"model": "gpt2", "tokens": 8192, "context_window": 8192}]},
        {"tests": [{"name": "queue", "success": True, "time_taken": 1.21}]},
        {"receipts": [{"cpu_time_ms": 12, "wall_time_ms": 40}]},
        {"model_families": {"embedding": {"models_tested": [], "hardware_results": {}}}},
        {"batch_sizes": [1, 2], "model": "bert", "hardware": "cpu"},
    ],
)
def test_status_only_files(document):
    reading = read(document)
    assert (reading.status, reading.n_quarantined) == ("no_results", 0)
    assert reading.error


# anything at all

SHAPES = (
    suite_summary.SHAPE,
    hw_compat_matrix.SHAPE,
    key_model_benchmark.SHAPE,
    skill_hw_bench.SHAPE,
    web_platform_comparison.SHAPE,
    browser_compare.SHAPE,
    remote_api_timings.SHAPE,
    result_collections.BATCH_DIRECT_BENCHMARK,
    result_collections.WEB_PLATFORM_BATCH,
    hardware_test.SHAPE,
)
KEYS = [
    "model_families",
    "models_tested",
    "hardware_results",
    "hardware_compatibility",
    "benchmark_results",
    "latency_ms",
    "throughput",
    "mean_latency",
    "cpu",
    "cuda",
    "webnn",
    "device",
    "model",
    "model_name",
    "model_path",
    "hardware",
    "hardware_key",
    "batch_sizes",
    "batch_results",
    "1",
    "4",
    "results",
    "performance",
    "metadata",
    "avg_time",
    "min_time",
    "max_time",
    "num_runs",
    "pipeline_cuda",
    "pipeline_avg_time",
    "pipeline_success",
    "results_by_modality",
    "text",
    "time_ms",
    "success",
    "status",
    "error",
    "browser",
    "tests",
    "models",
    "response_time",
    "tokens",
    "tokens_per_second",
    "time",
    "inference_time",
    "platform",
    "platform_support",
    "metrics",
    "hardware_types",
    "benchmark_data",
    "implementation",
]
NUMBERS = st.floats() | st.integers(-(10**400), 10**400) | st.sampled_from([0.31, ticks(0.31), 20, 0])
LEAVES = (
    st.none()
    | st.booleans()
    | NUMBERS
    | st.sampled_from(["cpu", "cuda", "gpt2", "success", "error", "", "REAL", "\ud800"])
)
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)
FRAMES = (
    lambda inner: inner,
    lambda inner: {"model_families": {"text": {"models_tested": ["gpt2"], "hardware_results": {"cpu": inner}}}},
    lambda inner: {"model_families": {"text": {"hardware_compatibility": {"cpu": {"benchmark_results": inner}}}}},
    lambda inner: {"model_families": {"text": {"hardware_compatibility": {"cpu": inner}}}},
    lambda inner: {"model": "gpt2", "hardware": "cpu", "batch_sizes": {"1": inner}},
    lambda inner: {
        "metadata": {},
        "performance": {"a_cpu": {"avg_time": 0.31}, "b_cuda": inner},
        "results": {"b_cuda": inner},
    },
    lambda inner: {
        "results_by_modality": {"text": [{"model": "gpt2", "webnn": {"time_ms": 1.5}, "webgpu": inner}, inner]}
    },
    lambda inner: {"tests": [{"browser": "firefox", "performance": {"percentage": 5}}, inner]},
    lambda inner: {"models": [{"model": "gpt2", "response_time": 0.3, "tokens": 7}, inner]},
    lambda inner: {"model": "gpt2", "results": {"cpu": {"success": True, "time": 0.31}, "cuda": inner}},
)


def positive_numbers(document):
    found, waiting = set(), [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting.extend(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.add(value)
    return found


@given(st.sampled_from(FRAMES), DOCUMENTS)
def test_any_document_gives_only_numbers_that_it_holds(frame, inner):
    document = frame(inner)
    held = positive_numbers(document)
    for shape in SHAPES:
        if not shape.recognises(document):
            continue
        assert all(isinstance(remark, str) for remark in shape.remarks(document))
        found = list(shape.read(document))
        assert len({record.pointer for record in found}) == len(found)
        for record in found:
            at(document, pointer_text(record.pointer))
            timing = getattr(record, "timing", None)
            for name in ("mean", "minimum", "maximum", "throughput", "tokens_per_s"):
                value = None if timing is None else getattr(timing, name)
                assert value is None or (value > 0 and value in held)
