"""Shapes that nobody wrote a module for: what is certain is read, what is not is put aside, nothing is guessed."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwbench_pipeline.legacy.contents import FileContent, read_content
from hwbench_pipeline.legacy.documents import parse_document
from hwbench_pipeline.legacy.json_values import finite_number
from hwbench_pipeline.legacy.reading import read_file
from hwbench_pipeline.legacy.records import Record, Unreadable
from hwbench_pipeline.legacy.shapes import generic
from hwbench_pipeline.legacy.tabular import cell_value
from hwbench_pipeline.legacy.units import MS_PER
from hwbench_pipeline.schema.tables import table_named
from hwbench_pipeline.schema.validation import find_problems

STATISTICS = ("mean", "minimum", "maximum", "std", "p50", "p90", "p95", "p99")


def read(document):
    found = list(generic.read(document))
    records = [place for place in found if isinstance(place, Record)]
    return records, [place for place in found if isinstance(place, Unreadable)]


def only(document):
    (record,), aside = read(document)
    assert aside == []
    return record


def put_aside(document, *words):
    records, aside = read(document)
    assert records == []
    assert aside
    for word in words:
        assert word in aside[0].reason
    return aside


BASE = {"model": "resnet50", "device": "cuda", "batch_size": 8}


@pytest.mark.parametrize(
    ("fields", "mean_ms"),
    [
        ({"latency_ms": 12.331}, 12.331),
        ({"avgLatencyMs": 12.331}, 12.331),
        ({"latency (ms)": 12.331}, 12.331),
        ({"inference_time_s": 0.012331}, 12.331),
        ({"mean_time_seconds": 0.012331}, 12.331),
        ({"ms_per_iteration": 12.331}, 12.331),
        ({"latency_us": 12331.0}, 12.331),
        ({"latency": 12.331, "latency_unit": "ms"}, 12.331),
        ({"latency": {"mean": 12.331, "unit": "ms"}}, 12.331),
        ({"latency_ms": {"avg": 12.331, "p95": 14.2}}, 12.331),
        ({"latency": {"mean_ms": 12.331}}, 12.331),
        ({"latency": "12.331 ms"}, 12.331),
        ({"metric": "latency", "value": 12.331, "unit": "ms"}, 12.331),
        ({"metric": {"name": "avg_inference_latency(ms)", "benchmark_values": [12.331]}}, 12.331),
        ({"latency": 0.012331, "throughput": 648.77}, 12.331),  # proven: 8 / 0.012331 s
        ({"latency": 12.331, "throughput_items_per_second": 648.77}, 12.331),
        ({"metrics": {"latency_ms": 12.331}}, 12.331),
    ],
)
def test_latency_with_a_certain_unit(fields, mean_ms):
    record = only({**BASE, **fields})
    assert record.timing.mean * MS_PER[record.timing.declared_unit] == pytest.approx(mean_ms)
    assert (record.model_id, record.claimed_hardware, record.configuration.batch_size) == ("resnet50", "cuda", 8)
    assert record.precision is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"latency": 12.3}, "latency=12.3 without a unit"),
        ({"latency": 12.3, "throughput": 1.0}, "unit of its latency is not certain"),
        ({"throughput": 12.3}, "throughput=12.3 without a unit"),
        ({"prefill_latency_ms": 10.1, "decode_latency_ms": 5.1}, "several latencies"),
        ({"latency_ms": 10.1, "inference_time_ms": 5.1}, "different values"),
        ({"time_ms": 10.1}, "need not be one call"),
        ({"predicted_latency_ms": 10.1}, "foretold"),
        ({"latencies_ms": [1.5, 2.5], "batch_sizes": [1, 2]}, "one value for each"),
        ({"latency_ms": [1.5, 2.5]}, "one value for each"),
        ({"latency_ms": {"small": 1.5, "large": 2.5}}, "small, large"),
        ({"qps": 100.5}, "qps=100.5 without a unit"),
        ({"latency_ms": 1.5, "error": "CUDA error"}, "reports an error"),
    ],
)
def test_what_is_uncertain_is_put_aside(fields, words):
    put_aside({**BASE, **fields}, words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": None}, "no model; hardware 'cuda'"),
        ({"model": "Unknown"}, "no model"),
        ({"model": 7}, "no model"),
        ({"device": None}, "model 'resnet50'; no hardware"),
        ({"device": None, "platform": "Linux"}, "no hardware"),
        ({"device": None, "backend": "pytorch"}, "no hardware"),
        ({"device": "auto"}, "no hardware"),
    ],
)
def test_without_model_or_hardware_nothing_is_a_record(changes, words):
    put_aside({**BASE, **changes, "latency_ms": 12.3}, "latency_ms=12.3", words)


def test_one_model_by_keys():
    document = {
        "results": {"bert-base-uncased": {"cpu": {"mean_ms": 1}, "cuda": {"batch_4_seq_32": {"latency_ms": 3.25}}}}
    }
    (record,), (aside,) = read(document)
    assert (aside.pointer[-1], aside.reason) == ("cpu", "saw mean_ms of a quantity that nothing names")
    assert record.pointer == ("results", "bert-base-uncased", "cuda", "batch_4_seq_32")
    assert (record.model_id, record.claimed_hardware) == ("bert-base-uncased", "cuda")
    assert (record.configuration.batch_size, record.configuration.sequence_length) == (4, 32)


def test_nested_statistics_with_configuration():
    record = only(
        {
            "model": {"name": "gpt2"},
            "device": "cuda",
            "config": {"batch_size": 2, "seq_len": 128, "dtype": "torch.float16", "iterations": 20},
            "latency": {"mean": 0.0123456, "p50": 0.012, "unit": "s"},
            "throughput": {"value": 162.0, "unit": "samples/s"},
            "memory": {"peak_mb": 1234.5},
        }
    )
    assert (record.timing.mean, record.timing.p50, record.timing.throughput) == (0.0123456, 0.012, 162.0)
    assert (record.timing.declared_unit, record.timing.n_samples, record.precision) == ("s", 20, "fp16")
    assert (record.memory.amount, record.memory.declared_unit) == (1234.5, "mb")
    assert record.configuration.sequence_length == 128


def test_llmfit():
    record = only(
        {
            "tool": "llmfit",
            "submittedAtUnix": 1740000000,
            "hardware": {"hwClass": "gpu", "hardwareName": "RTX 4090", "vramGb": 24, "os": "linux"},
            "results": [
                {"model": "llama-3-8b", "numRuns": 3, "avgTps": 51.2331, "avgTtftMs": 120.331, "avgTotalMs": 9}
            ],
        }
    )
    assert (record.model_id, record.claimed_hardware, record.started_at) == ("llama-3-8b", "RTX 4090", 1740000000)
    assert (record.timing.tokens_per_s, record.timing.first_token, record.timing.mean) == (51.2331, 120.331, None)


def test_torchbench_names_neither_unit_nor_model_field():
    put_aside({"name": "x", "metrics": {"test_train[resnet50-cuda]_latency": 12.331}}, "without a unit", "no model")


def test_transformers_js_statistics_name_no_quantity():
    stats = {"min": 1.1, "max": 3.3, "mean": 2.2, "median": 2.1, "p90": 3, "p95": 3.2, "p99": 3.3}
    put_aside({"setupTime": 1, "stats": {"forward": stats}}, "quantity that nothing names")


def test_pytorch_oss_ci_names_no_hardware():
    document = {
        "benchmark": {"name": "ExecuTorch", "mode": "inference", "dtype": "fp16"},
        "model": {"name": "mobilenet_v3", "backend": "xnnpack"},
        "metric": {"name": "avg_inference_latency(ms)", "benchmark_values": [4.2]},
        "runners": [{"name": "linux", "type": "m5"}],
    }
    put_aside(document, "model 'mobilenet_v3'; no hardware")


def test_mlperf_rows_name_what_they_count():
    row = {"Model": "resnet", "Accelerator": "NVIDIA H100", "Performance_Result": 1234.5}
    assert only([{**row, "Performance_Units": "Samples/s"}]).timing.throughput == 1234.5
    assert only([{**row, "Performance_Units": "Tokens/s"}]).timing.tokens_per_s == 1234.5
    put_aside([{**row, "Performance_Units": "Queries/s"}], "Performance_Result=1234.5 without a unit")


def test_optimum_benchmark_report():
    document = {
        "config": {
            "backend": {"name": "pytorch", "model": "gpt2", "device": "cpu"},
            "scenario": {"input_shapes": {"batch_size": 2, "sequence_length": 16}},
        },
        "report": {
            "load": {"latency": {"unit": "s", "values": [1.2], "mean": 1.2}},
            "forward": {
                "memory": {"unit": "MB", "max_ram": 900.1},
                "latency": {"unit": "s", "values": [0.0123, 0.0124], "mean": 0.01235},
                "throughput": {"unit": "samples/s", "value": 161.9},
            },
        },
    }
    record = only(document)
    assert (record.scenario, record.timing.samples, record.timing.throughput) == ("forward", [0.0123, 0.0124], 161.9)
    assert (record.configuration.batch_size, record.backend) == (2, "pytorch")
    assert any("/report/load" in remark for remark in generic.remarks(document))


def test_one_record_per_platform_column():
    records, aside = read([{"model": "vit", "cpu_latency_ms": 12.5, "cuda_latency_ms": 3.25}])
    assert [(record.claimed_hardware, record.timing.mean, record.pointer) for record in records] == [
        ("cpu", 12.5, ("0", "cpu_latency_ms")),
        ("cuda", 3.25, ("0", "cuda_latency_ms")),
    ]
    assert aside == []


def test_several_throughputs_and_bare_tokens():
    record = only({"model": "llama-3-8b", "gpu": "RTX 4090", "tokens_per_second": 51.25, "peak_memory_gb": 15.5})
    assert (record.timing.mean, record.timing.tokens_per_s, record.memory.declared_unit) == (None, 51.25, "gb")


@pytest.mark.parametrize(
    "document",
    [
        {"vocab": {**{f"word{i}": i for i in range(1000)}, "latency": 5, "throughput": 7, "mock": 9}},
        {"model": "bert", "hw_requirements": {"latency_ms": 5, "device": "cpu"}},
        {"latency_threshold_ms": 5, "latency_improvement_percent": 12.5, "speedup": 2.0},
        {"device": "cuda", "total_memory_gb": 24, "available_memory_mb": 100},
        {"max_memory_bytes": 4294967296},
        {"steps": [{"name": "load", "duration_seconds": 4.5}]},
        {"batch_size": 8, "model": "bert", "device": "cpu"},
        {"tests": [{"model": "bert", "hardware": "cpu", "status": "failed"}]},
        {"model": "bert", "hardware": "cpu", "error": "no such file"},
    ],
)
def test_what_is_no_result(document):
    assert read(document) == ([], [])


def test_a_published_models_card_is_no_result():
    card = {"model_id": "gpt2", "downloads": 5, "likes": 2, "license": "mit", "inference_time_ms": 12.5}
    assert read([card]) == ([], [])
    assert "published model" in generic.remarks([card])[0]


def test_zeros_are_no_numbers():
    rows = [{"model": "bert", "hardware": "cpu", "batch_size": 1, "latency_avg": 0.0, "throughput": 0.0}] * 3
    assert [place.reason for place in put_aside(rows)] == [
        "no number above zero: saw latency_avg=0, throughput=0; model 'bert'; hardware 'cpu'"
    ] * 3
    nameless = [{**row, "model": "unknown"} for row in rows]
    assert generic.recognises(nameless)
    assert read(nameless) == ([], [])
    assert generic.remarks(nameless) == ["/0 and 2 more places: every quantity is zero: nothing was measured"]


def test_failed_attempts_of_a_table():
    rows = [
        {"model_id": "bert", "hardware": "cpu", "batch_size": 1, "error": "name 'np' is not defined"},
        {"model_id": "bert", "hardware": "cuda", "latency_ms": 0.0, "status": "failed"},
        {"model_id": "bert", "hardware": "cuda", "latency_ms": None, "success": False, "error": "CUDA out of memory"},
    ]
    records, aside = read(rows)
    assert [record.failure.status for record in records] == ["failed", "failed", "out_of_memory"]
    assert [record.pointer for record in records] == [("0",), ("1",), ("2",)]
    assert aside == []


def test_a_failed_row_among_results_has_no_numbers_of_its_own():
    rows = [
        {"model": "bert", "platform": "webgpu", "inference_time_ms": 12.3456, "success": True},
        {"model": "bert", "platform": "webgpu", "success": False, "error_message": "WebGPU adapter not found"},
    ]
    records, aside = read(rows)
    assert [record.failure and record.failure.status for record in records] == [None, "no_hardware"]
    assert aside == []
    assert read(rows[1:]) == ([], [])


def test_a_summary_that_repeats_rows_is_not_counted_again():
    row = {"model": "bert", "device": "cpu", "latency_ms": 10.123456}
    document = {"results": [row], "summary": {"bert": {"cpu": {"avg_latency_ms": 10.123456}}}}
    assert only(document).pointer == ("results", "0")
    assert generic.remarks(document) == ["/summary/bert/cpu: repeats /results/0"]
    document["summary"]["bert"]["cpu"]["avg_latency_ms"] = 11.5
    records, _ = read(document)
    assert [record.flags for record in records] == [(), ("is_aggregate",)]


DATABASE = {
    "models": [{"model_id": 1, "model_name": "bert-base-uncased"}],
    "hardware_platforms": [{"hardware_id": 1, "hardware_type": "cpu", "platform": "Linux", "memory_gb": 62}],
    "performance_results": [
        {"result_id": 5, "model_id": 1, "hardware_id": 1, "batch_size": 2, "precision": "fp32", "latency_ms": 3.25}
    ],
    "batch_results": [{"batch_id": 1, "result_id": 5, "latency_ms": 3.5}],
}


def test_rows_of_a_database_are_joined_with_what_they_refer_to():
    record = only(DATABASE)
    assert (record.model_id, record.claimed_hardware, record.precision) == ("bert-base-uncased", "cpu", "fp32")
    assert record.pointer == ("performance_results", "0")
    assert generic.remarks(DATABASE) == ["/batch_results/0: details a record of another table"]


def test_a_table_of_a_database_that_is_not_here():
    record = only(DATABASE["performance_results"])
    assert (record.model_id, record.claimed_hardware, record.timing.mean) == (None, None, 3.25)
    assert "numbers of a database" in generic.remarks(DATABASE["performance_results"])[0]


def test_rows_in_the_tables(put, run, file_of):
    put("a.csv", "model,device,batch_size,avg_latency_ms,throughput_items_per_second\nbert,cpu,1,55.227264,133.26736\n")
    put(
        "b.csv",
        "model,device,latency_ms_mean,latency_ms_p50,latency_ms_p90,latency_ms_p99,iterations\nvit,cpu,5.25431,9.5,4.5,30,10\n",
    )
    put("c.jsonl", '{"model": "t5-small", "device": "cpu", "median_latency_ms": 3.2512345}\n' * 2)
    rows = {(row["source_path"][-5:], row["source_pointer"]): row for row in run().results}
    assert rows["a.csv", "/0"]["provenance"] == "simulated"
    contradicting = rows["b.csv", "/0"]
    assert contradicting["provenance_reason"].startswith("statistics_contradict")
    assert contradicting["latency_ms_mean"] == 5.25431
    assert {contradicting[f"latency_ms_{name}"] for name in ("p50", "p90", "p99")} == {None}
    assert "latency_ms_p50 9.5, latency_ms_p90 4.5, latency_ms_p99 30" in contradicting["provenance_reason"]
    assert [rows["jsonl", f"/{line}"]["latency_ms_p50"] for line in (0, 1)] == [3.2512345, 3.2512345]


def test_a_percentile_that_is_a_round_multiple_of_the_mean(put, run):
    put("a.csv", "model,device,latency_ms,latency_p95_ms\n" + "bert,cpu,83.449531049742,100.1394372596904\n")
    (row,) = run().results
    assert row["provenance_reason"].startswith("percentile_is_typed_in")


def test_json_lines_of_a_known_shape(build, put, run, file_of):
    documents = [build.suite(), {"note": "between"}, build.direct(b2=build.batch(4.1, 2))]
    put("a.jsonl", "\n".join(map(json.dumps, documents)))
    ingested = run()
    assert file_of(ingested, "a.jsonl")["shape"] == "collection"
    pointers = {row["source_pointer"] for row in ingested.results}
    assert "/2/batch_results/2" in pointers
    assert sum(pointer.startswith("/0/benchmarks/") for pointer in pointers) == 4


KEYS = (
    "model model_name model_id name hardware device platform backend batch_size latency latency_ms avg_latency_s p50 p95_ms latency_p50_ms latency_p90_ms latency_p99_ms min_latency_ms max_latency_ms "
    "mean min unit throughput throughput_items_per_second tokens_per_second tps ttft_ms memory_mb peak_memory_gb memory "
    "metrics results summary cpu cuda_latency_ms bert status error success metric value samples latencies_ms iterations "
    "load load_time_ms result_id hardware_id config dtype total_time_seconds x "
    "samples_us times values p50_ms mean_ms tpot_ms p99_ttft_ms itl_ms e2el_ms output_throughput energy_j loss"
)
KEY = st.sampled_from(KEYS.split())
LEAF = (
    st.sampled_from(
        [
            "bert",
            "resnet50",
            "cpu",
            "cuda",
            "Linux",
            "ms",
            "s",
            "fp16",
            "failed",
            "12.5 ms",
            "7.25",
            "1,234.5",
            "6,83",
            "237.5 samples/s",
            "",
        ]
    )
    | st.floats(1e-3, 1e4)
    | st.integers(-3, 100)
    | st.sampled_from([None, True, False, math.nan, math.inf, 10**400, "\ud800"])
)
DOCUMENT = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=8),
    max_leaves=40,
)
RECORD = st.dictionaries(KEY, LEAF, max_size=12)


def numbers_within(value):
    """Every number below a place, also those in text."""
    waiting, numbers = [value], set()
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found
        else:
            number = finite_number(
                cell_value(found.split()[0].replace(",", "")) if isinstance(found, str) and found.split() else found
            )
            if number is not None:
                numbers.add(number)
    return numbers


def at(document, pointer):
    for part in pointer:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


@given(DOCUMENT | st.lists(RECORD, max_size=3) | RECORD)
def test_no_document_raises_and_every_number_stands_at_its_pointer(document):
    for place in generic.read(document):
        target = at(document, place.pointer)
        if isinstance(place, Unreadable) or place.timing is None:
            continue
        timing = place.timing
        stated = numbers_within(target)
        factors = {MS_PER[unit] / MS_PER[timing.declared_unit] for unit in MS_PER}
        for name in (*STATISTICS, "first_token", "output_token"):
            value = getattr(timing, name)
            assert value is None or any(
                math.isclose(value, number * factor) for number in stated for factor in factors
            ), name
        assert {timing.throughput, timing.tokens_per_s} <= stated | {None}
        if place.memory is not None:
            assert place.memory.amount in stated


@given(st.lists(st.dictionaries(KEY, st.text(max_size=8), min_size=2, max_size=6), min_size=1, max_size=4))
def test_no_table_raises_in_the_whole_reading(rows):
    data = "\n".join(json.dumps(row) for row in rows).encode()
    assert isinstance(parse_document(data, "a.jsonl"), list | dict)
    assert read_file(Path("/a.jsonl"), FileContent(data, "0" * 64), None).status


@given(
    st.lists(
        RECORD.map(lambda row: {"model": "bert", "device": "cpu", "latency_ms": 5.25, **row}), min_size=1, max_size=4
    )
)
def test_every_row_keeps_the_schema(rows):
    table = table_named("core_legacy__results")
    for document in (rows, {"results": rows}):
        data = json.dumps(document).encode()
        reading = read_file(Path("/a.json"), FileContent(data, "0" * 64), None)
        assert find_problems(table, reading.rows) == []
        found = list(generic.read(parse_document(data, "a.json")))
        assert len(reading.rows) + reading.n_quarantined == len(found)


def test_deep_documents_are_walked_without_recursion():
    document = leaf = {}
    for _ in range(20_000):
        leaf["results"] = {}
        leaf = leaf["results"]
    leaf |= {"model": "bert", "device": "cpu", "latency_ms": 3.25}
    assert len(only(document).pointer) == 20_000


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-5.0", '"OOM"', '"nan"', "0", "0.0", "true", "false", "null", '"n/a"', '""', '"fast"']
)
def test_a_record_whose_number_is_none_is_put_aside_and_counted(tmp_path, value):
    path = tmp_path / "runs.json"
    path.write_text(
        '[{"model": "gpt2", "device": "cpu", "latency_ms": 45.5123},'
        f' {{"model": "gpt2", "device": "cpu", "batch_size": 2, "latency_ms": {value}}}]'
    )
    reading = read_file(path, read_content(path), None)
    assert (len(reading.rows), reading.n_quarantined) == (1, 1)
    (place,) = reading.quarantined
    assert place.pointer == ("1",)
    assert "no number above zero: saw latency_ms=" in place.reason


@pytest.mark.parametrize("value", ["null", '"n/a"', "true", "0"])
def test_a_number_that_is_absent_is_put_aside_where_model_and_hardware_are_named(tmp_path, value):
    path = tmp_path / "run.json"
    path.write_text(f'{{"model": "gpt2", "device": "cpu", "latency_ms": {value}}}')
    reading = read_file(path, read_content(path), None)
    assert (reading.status, reading.n_records, reading.n_quarantined) == ("quarantined", 1, 1)
    path.write_text(f'{{"device": "cpu", "latency_ms": {value}}}')
    assert read_file(path, read_content(path), None).status == "no_results"


@pytest.mark.parametrize(
    ("other", "saw"),
    [
        ({"model": "gpt2", "device": "cpu", "batch_size": 8}, "saw none at all"),
        ({"model": "gpt2", "device": "cpu", "batch_size": 8, "status": "ok"}, "saw none at all"),
        ("latency 3 ms", "saw 'latency 3 ms' in a list of records"),
        (None, "saw None in a list of records"),
        (45.6781, "saw 45.6781 in a list of records"),
    ],
)
def test_what_stands_among_records_without_a_quantity_is_counted(other, saw):
    row = {"model": "gpt2", "device": "cpu", "latency_ms": 45.6781}
    for document in ([row, other], {"results": [row, other]}):
        records, aside = read(document)
        assert len(records) == 1
        assert [place.pointer[-1] for place in aside] == ["1"]
        assert saw in aside[0].reason
    assert read([row, {"device": "cpu", "cores": 8}])[1] == []


@pytest.mark.parametrize("fields", [{"loss": 1.5}, {"perplexity": 20.5, "eval_loss": 1.5}, {"val_loss": 0.2}])
def test_a_loss_is_no_word_for_training(fields):
    assert row_of({**BASE, "latency_ms": 45.6781, **fields})["mode"] is None
    assert row_of({**BASE, "train_latency_ms": 45.6781, **fields})["mode"] == "training"


def row_of(document):
    reading = read_file(Path("/in/a.json"), FileContent(json.dumps(document).encode(), "0" * 64), None)
    (row,) = reading.rows
    assert reading.quarantined == ()
    return row


def test_a_throughput_that_contradicts_the_latency_reaches_the_rules():
    row = row_of({**BASE, "latency_ms": 12.3312345, "throughput": 100.5})
    assert row["provenance_reason"].startswith("throughput_contradicts_latency")
    assert (row["provenance"], row["throughput_items_per_s"]) == ("simulated", 100.5)


@pytest.mark.parametrize(
    "fields",
    [
        {"throughput": 81.0949},  # calls per second: one over the latency
        {"request_throughput": 100.5},
        {"qps": 100.5},
        {"throughput": 100.5, "concurrency": 4},
    ],
)
def test_a_rate_of_something_else_contradicts_nothing_and_is_named(fields):
    row = row_of({**BASE, "latency_ms": 12.3312345, **fields})
    assert (row["provenance"], row["throughput_items_per_s"], row["tokens_per_s"]) == ("unknown", None, None)
    key, value = next(iter(fields.items()))
    assert f"stated beside and not stored: {key}={value:g} without a unit" in row["provenance_reason"]


def test_a_throughput_of_the_input_tokens():
    row = row_of({**BASE, "seq_len": 128, "latency_ms": 12.3312345, "throughput": 8 * 128 / 0.0123312345})
    assert (row["throughput_items_per_s"], row["tokens_per_s"]) == (None, pytest.approx(83041.2, rel=1e-5))


@pytest.mark.parametrize("name", ["throughput", "throughput_items_per_second"])
def test_a_unit_that_the_throughput_settles_against_the_name_is_said(name):
    row = row_of({**BASE, "latency_ms": 0.0123312345, name: 648.75})
    assert row["latency_ms_mean"] == pytest.approx(12.3312345)
    assert "its times are taken as s, not as ms: its throughput follows" in row["provenance_reason"]
    assert "taken as" not in row_of({**BASE, "latency_ms": 12.3312345, name: 648.75})["provenance_reason"]


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        ({"throughput": "237.5 samples/sec"}, "throughput_items_per_s", 237.5),
        ({"throughput": "1,237.5 images per second"}, "throughput_items_per_s", 1237.5),
        ({"speed": {"throughput": "51.25 tok/s"}}, "tokens_per_s", 51.25),
        ({"throughput": "60 fps"}, "throughput_items_per_s", 60.0),
        ({"latency_ms": "1,234.5"}, "latency_ms_mean", 1234.5),
        ({"latency": "1,234,567 us"}, "latency_ms_mean", 1234.567),
        ({"P50 (ms)": 12.5, "P95 (ms)": 15.5}, "latency_ms_p95", 15.5),
        ({"p50_ms": 12.5, "p99_ms": 15.5, "mean_ms": 13.25}, "latency_ms_mean", 13.25),
        ({"latency_ms": 12.5, "p99_ms": 15.5}, "latency_ms_p99", 15.5),
        ({"latency": 12.5, "latency_p95": 15.5, "unit": "ms"}, "latency_ms_p95", 15.5),
        ({"ttft_ms": 12.5}, "first_token_ms", 12.5),
        ({"tpot_ms": 12.5}, "time_per_output_token_ms", 12.5),
        ({"mean_tpot_ms": 12.5, "p99_tpot_ms": 20.5}, "time_per_output_token_ms", 12.5),
        ({"time_per_output_token_s": 0.0125}, "time_per_output_token_ms", 12.5),
        ({"first_token_s": 0.0125}, "first_token_ms", 12.5),
        ({"tok_s": 12.5}, "tokens_per_s", 12.5),
        ({"median_e2el_ms": 12.5}, "latency_ms_p50", 12.5),
        ({"latency_s": 2.5, "mean_tpot_ms": 12.5}, "time_per_output_token_ms", 12.5),
        ({"samples": [12331, 12400], "unit": "us"}, "samples_ms", [12.331, 12.4]),
        ({"values": [12331, 12400], "units": "microseconds"}, "samples_ms", [12.331, 12.4]),
        ({"times": [0.012331, 0.0124], "unit": "s"}, "samples_ms", [12.331, 12.4]),
        ({"samples_us": [12331, 12400]}, "samples_ms", [12.331, 12.4]),
        ({"metric": "latency", "values": [12.331, 12.4], "unit": "ms"}, "samples_ms", [12.331, 12.4]),
        ({"latency_ms": 12.3655, "samples_us": [12331, 12400]}, "samples_ms", [12.331, 12.4]),
    ],
)
def test_no_value_is_lost_for_how_it_is_written(fields, column, value):
    assert row_of({**BASE, **fields})[column] == pytest.approx(value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"energy_j": 3.25}, "energy_j=3.25"),
        ({"avg_power_w": 215.5}, "avg_power_w=215.5"),
        ({"mean_itl_ms": 12.5}, "mean_itl_ms=12.5"),
        ({"inter_token_latency_ms": 12.5}, "inter_token_latency_ms=12.5"),
        ({"total_time_s": 12.5}, "total_time_s=12.5"),
        ({"latency_p95": 15.5}, "latency_p95=15.5 without a unit"),
        (
            {"items_per_second": "1,234"},
            "not read: items_per_second='1,234': whether its comma is a decimal or a thousands one is not certain",
        ),
    ],
)
def test_what_has_no_column_or_no_certain_value_is_named_in_the_reason(fields, said):
    row = row_of({**BASE, "latency_ms": 12.3312345, **fields})
    assert row["latency_ms_mean"] == 12.3312345
    assert said in row["provenance_reason"]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"model": "bert", "peak_memory_mb": 812.5}, ["peak_memory_mb=812.5", "model 'bert'", "no hardware"]),
        ({"model": "bert", "elapsed_time_ms": 812.5}, ["elapsed_time_ms=812.5", "no hardware"]),
        ({**BASE, "latency_ms": "1,234"}, ["latency_ms='1,234'", "a decimal or a thousands one"]),
        ({"model": "bert", "latency_ms": "6,83"}, ["latency_ms='6,83'", "no hardware"]),
        ({**BASE, "latency": "12.5 parsecs"}, ["latency='12.5 parsecs'"]),
        ({**BASE, "queue": {"p50_ms": 12.5, "p95_ms": 15.5}}, ["the times of 'queue'"]),
    ],
)
def test_nothing_uncertain_vanishes(document, words):
    put_aside(document, *words)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"total_time_ms": 812.5}, ["total_time_ms=812.5", "no model; no hardware"]),
        ({"model": "bert", "total_time_ms": 812.5}, ["total_time_ms=812.5", "model 'bert'; no hardware"]),
        ({"peak_memory_mb": 812.5}, ["peak_memory_mb=812.5", "memory alone"]),
        ({**BASE, "energy_j": 3.25}, ["energy_j=3.25", "no column"]),
    ],
)
def test_what_is_no_record_is_named_for_the_user(document, words):
    reading = read_file(Path("/in/a.json"), FileContent(json.dumps(document).encode(), "0" * 64), None)
    assert (reading.status, reading.rows) == ("no_results", ())
    assert all(word in reading.error for word in words)


SERVED = {
    "date": "20240612-215931",
    "backend": "vllm",
    "model_id": "meta-llama/Llama-2-7b-hf",
    "num_prompts": 1000,
    "request_rate": "inf",
    "duration": 123.4,
    "completed": 1000,
    "total_output_tokens": 185616,
    "request_throughput": 8.125,
    "output_throughput": 1503.25,
    "total_token_throughput": 3000.5,
    "mean_ttft_ms": 120.5,
    "median_ttft_ms": 110.25,
    "p99_ttft_ms": 400.5,
    "mean_tpot_ms": 12.5,
    "p99_tpot_ms": 14.5,
    "mean_itl_ms": 12.25,
    "mean_e2el_ms": 2500.5,
    "median_e2el_ms": 2400.5,
    "p99_e2el_ms": 5500.5,
    "input_lens": [217, 218],
    "errors": ["", ""],
}


def test_a_serving_benchmark(put, run):
    put("a.jsonl", "\n".join(json.dumps({**SERVED, "gpu": "A100", "duration": second}) for second in (1.5, 2.5)))
    rows = run().results
    assert [row["source_pointer"] for row in rows] == ["/0", "/1"]
    row = rows[0]
    assert (row["latency_ms_mean"], row["latency_ms_p50"], row["latency_ms_p99"]) == (2500.5, 2400.5, 5500.5)
    assert (row["first_token_ms"], row["time_per_output_token_ms"]) == (120.5, 12.5)
    assert (row["tokens_per_s"], row["throughput_items_per_s"]) == (1503.25, None)
    assert (row["backend"], row["mode"], row["batch_size"]) == ("vllm", "inference", None)
    for said in ("request_throughput=8.125", "total_token_throughput=3000.5", "p99_ttft_ms=400.5", "mean_itl_ms=12.25"):
        assert said in row["provenance_reason"]


def test_a_serving_benchmark_names_no_hardware():
    put_aside(SERVED, "output_throughput=1503.25", "model 'meta-llama/Llama-2-7b-hf'; no hardware")


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({"latency_ms": 12.5}, None),
        ({"inference_time_ms": 12.5}, "inference"),
        ({"latency_ms": 12.5, "ttft_ms": 3.5}, "inference"),
        ({"output_tokens_per_second": 12.5}, "inference"),
        ({"tokens_per_second": 12.5}, None),
        ({"prefill": {"latency_ms": 12.5}}, "inference"),
        ({"scenario": "text generation", "latency_ms": 12.5}, "inference"),
        ({"step_time_ms": 12.5}, "training"),
        ({"latency_ms": 12.5, "loss": 0.25}, None),
        ({"latency_ms": 12.5, "train_loss": 0.25}, "training"),
        ({"latency_ms": 12.5, "backward_ms": 7.5, "forward_calls": 3}, "training"),
        ({"training": {"latency_ms": 12.5}}, "training"),
        ({"train_loss": 0.25, "inference_time_ms": 12.5}, None),
        ({"latency_ms": 12.5, "training": False, "gpu_generation": "Ampere"}, None),
        ({"test_type": "inference", "latency_ms": 12.5, "loss": 0.25}, "inference"),
    ],
)
def test_the_mode_is_what_the_records_own_words_say(changes, mode):
    records, _ = read({**BASE, **changes})
    assert [record.mode for record in records] == [mode]


def test_a_failed_attempt_with_the_time_it_took_is_a_failure():
    record = only({**BASE, "error": "CUDA error", "total_time_s": 4.5})
    assert (record.failure.error_message, record.timing) == ("CUDA error", None)


@pytest.mark.parametrize(
    ("fields", "mean_ms"),
    [
        ({"latency_\N{MICRO SIGN}s": 1234.5}, 1.2345),
        ({"latency (\N{GREEK SMALL LETTER MU}s)": 1234.5}, 1.2345),
        ({"latency": "950.5 \N{MICRO SIGN}s"}, 0.9505),
        ({"latency": "950.5 \N{GREEK SMALL LETTER MU}s"}, 0.9505),
        ({"mean": "12.345 ms", "p95": "15.2 ms", "throughput": "81.0 items/s"}, 12.345),
    ],
    ids=str,
)
def test_the_sign_for_micro_is_part_of_its_unit(fields, mean_ms):
    timing = only({**BASE, **fields}).timing
    assert timing.mean * MS_PER[timing.declared_unit] == pytest.approx(mean_ms)


def test_a_unit_in_letters_of_another_alphabet_is_no_second():
    put_aside({**BASE, "latency_\N{CYRILLIC SMALL LETTER EM}s": 42.3456}, "without a unit")


@pytest.mark.parametrize(
    ("name", "unit"),
    [("Memory (GiB)", "gib"), ("memoryUsageMiB", "mib"), ("peak_memory_kib", "kib"), ("peak_memory_KiB", "kib")],
)
def test_binary_units_of_memory(name, unit):
    memory = only({**BASE, "latency_ms": 12.331, name: 1.5}).memory
    assert (memory.amount, memory.declared_unit) == (1.5, unit)


def test_platforms_that_failed_beside_those_that_ran():
    (first, second), aside = read(
        {"model": "gpt2", "results": {"cpu": {"latency_ms": 42.331}, "webgpu": {"error": "no WebGPU adapter found"}}}
    )
    assert aside == []
    assert (first.claimed_hardware, first.failure) == ("cpu", None)
    assert (second.pointer, second.claimed_hardware) == (("results", "webgpu"), "webgpu")
    assert second.failure.status == "no_hardware"


def test_precisions_as_keys():
    document = {
        "gpt2": {"cpu": {"batch_8": {"fp32": {"mean_ms": 30.125, "p95_ms": 33.5}, "FP16": {"mean_ms": 20.125}}}}
    }
    (record,), (aside,) = read(document)
    assert (record.precision, record.timing.mean, record.configuration.batch_size) == ("fp32", 30.125, 8)
    assert aside.pointer[-1] == "FP16"  # a mean of what?


def test_a_word_that_may_mean_something_else_is_no_precision():
    assert only({"gpt2": {"cpu": {"single": {"latency_ms": 30.125}}}}).precision is None


def test_the_device_that_was_wanted_beside_the_one_that_ran():
    record = only({"model": "gpt2", "requested_device": "cuda", "actual_device": "cpu", "latency_ms": 52.375})
    assert (record.claimed_hardware, record.recorded_device) == ("cuda", "cpu")
    row = row_of({"model": "gpt2", "requested_device": "cuda", "actual_device": "cpu", "latency_ms": 52.375})
    assert (row["hardware_requested"], row["hardware"]) == ("cuda", "cpu")


def test_providers_of_onnx_runtime_are_platforms():
    record = only({"model": "gpt2", "execution_provider": "CUDAExecutionProvider", "latency_ms": 5.125})
    assert record.claimed_hardware == "CUDAExecutionProvider"
    assert row_of({"model": "gpt2", "provider": "CPUExecutionProvider", "latency_ms": 42.375})["hardware"] == "cpu"


@pytest.mark.parametrize("times", [{"mean_ns": 12420581.75}, {"min_ns": 12345678, "max_ns": 12445678}], ids=str)
def test_times_that_nothing_names_are_put_aside(times):
    put_aside({"model": "gpt2", "device": "cpu", **times}, "of a quantity that nothing names")
    assert read({"note": "no model, no hardware", **times}) == ([], [])


def test_a_mark_in_a_description_within_a_description():
    document = {
        "config": {"name": "a", "options": {"use_mock": True}},
        "results": {"gpt2": {"cpu": {"latency_ms": 22.375}}},
    }
    assert row_of(document)["provenance"] == "mock"


def test_a_pytest_benchmark_without_parameters_is_put_aside(tmp_path):
    path = tmp_path / "benchmarks.json"
    stats = {"mean": 0.0125, "rounds": 7}
    path.write_text(
        json.dumps({"machine_info": {}, "benchmarks": [{"name": "test_bert", "params": None, "stats": stats}]})
    )
    reading = read_file(path, read_content(path), None)
    assert (reading.shape, reading.status, reading.n_quarantined) == ("pytest_benchmark", "quarantined", 1)
    assert "no model; no hardware" in reading.quarantined[0].reason


@pytest.mark.parametrize(
    ("fields", "mean_ms"),
    [
        ({"lat_ns": 11_873_423}, 11.873423),
        ({"lat_ms": 4.2}, 4.2),
        ({"avg_lat_us": 4200}, 4.2),
        ({"lat_p50_ms": 4.2}, None),
    ],
)
def test_lat_with_a_unit_of_time_is_a_latency(fields, mean_ms):
    timing = only(BASE | fields).timing
    if mean_ms is None:
        assert timing.p50 == 4.2
    else:
        assert timing.mean * MS_PER[timing.declared_unit] == pytest.approx(mean_ms)


def test_lat_without_a_unit_is_a_latitude_as_well():
    assert read(BASE | {"lat": 48.137, "lon": 11.575}) == ([], [])


@pytest.mark.parametrize(
    "document",
    [
        {"latency_ms": {"cpu": {"bert-base-uncased": 23.71, "gpt2": 101.2}, "cuda": {"gpt2": 8.77}}},
        {"latency_ms": {"0": 23.71, "1": 101.2}, "model": {"0": "bert-base-uncased", "1": "gpt2"}},
    ],
)
def test_a_quantity_by_names_that_may_mean_anything_is_put_aside(document):
    (aside,) = put_aside(document, "what these keys stand for is not certain")
    assert aside.pointer == ("latency_ms",)


@pytest.mark.parametrize(("columns", "rows"), [("columns", "data"), ("header", "rows")])
def test_a_table_of_names_and_cells_is_put_aside_with_its_columns(columns, rows):
    document = {columns: ["model", "device", "latency_ms"], rows: [["bert-base-uncased", "cpu", 23.81]]}
    (aside,) = put_aside({"run": document}, "saw the columns latency_ms over 1 rows", 'orient="records"')
    assert aside.pointer == ("run", rows)
    assert read({columns: ["model", "colour"], rows: [["bert-base-uncased", "red"]]}) == ([], [])
    assert read({columns: ["latency_ms", 3], rows: [[1.5, 2]]}) == ([], [])
    assert read({columns: ["latency_ms"], rows: [{"latency": "none"}]})[0] == []


def test_a_tracked_metric_without_its_run_is_put_aside():
    metric = {"key": "latency_ms", "value": 23.61, "timestamp": 1714644672120}
    put_aside({"run": {"info": {"run_id": "ab"}, "data": {"metrics": [metric]}}}, "saw", "no model; no hardware")


def test_running_out_of_memory_is_an_attempt_whatever_else_is_said():
    document = {
        "model": "llama-7b",
        "device": "cpu",
        "status": "error",
        "error": "CUDA out of memory. Tried to allocate",
    }
    record = only(document)
    assert record.failure.status == "out_of_memory"
    assert record.timing is None
    assert read({**document, "error": "No module named 'torch'"}) == ([], [])
    assert read({"device": "cpu", "status": "error", "error": "CUDA out of memory"}) == ([], [])


SAMPLES_MS = [23.411, 22.987, 24.203]


@pytest.mark.parametrize(
    "beside",
    [{"mean_ms": 23.5337, "p95_ms": 24.1238}, {"mean": 23.5337, "p95": 24.1238}, {"avg": 23.5337, "p95": 24.1238}],
)
def test_statistics_beside_the_one_list_of_times_are_its_own(beside):
    timing = only({**BASE, "latencies_ms": SAMPLES_MS, **beside}).timing
    assert (timing.samples, timing.mean, timing.p95) == (SAMPLES_MS, 23.5337, 24.1238)


def test_statistics_of_something_else_are_not_those_of_the_list():
    timing = only({**BASE, "latencies_ms": SAMPLES_MS, "mean": 0.0235, "p95": 0.0241}).timing
    assert (timing.samples, timing.mean, timing.p95) == (SAMPLES_MS, None, None)


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        ({"first_inference_ms": 99.5}, "first_inference_ms", 99.5),
        ({"first_inference_time_ms": 99.5}, "first_inference_ms", 99.5),
        ({"firstCallLatency_s": 0.0995}, "first_inference_ms", 99.5),
        ({"compile_time_s": 2.5}, "compile_ms", 2500.0),
        ({"compile_ms": 2500.5}, "compile_ms", 2500.5),
        ({"compilation_time_ms": 2500.5}, "compile_ms", 2500.5),
        ({"warmup_iterations": 7}, "n_warmup", 7),
        ({"config": {"num_warmup": 0}}, "n_warmup", 0),
        ({"warm-up runs": 3}, "n_warmup", 3),
        ({"warmup": True}, "n_warmup", None),
        ({"load_time_s": 1.25, "model_load_time_ms": 1250}, "load_ms", 1250.0),
        ({"load_time_s": 0.0312345}, "load_ms", 31.2345),
        ({"tpot_ms": 18.0, "latency_ms": None, "latency_s": 0.45}, "time_per_output_token_ms", 18.0),
        ({"latency_ms": None, "latency_s": 0.0312345}, "latency_ms_mean", 31.2345),
    ],
)
def test_what_is_stated_apart_from_steady_state_has_its_column(fields, column, value):
    row = row_of({**BASE, "latency_ms": 45.6781, **fields})
    assert row[column] == value
    assert "not stored" not in row["provenance_reason"]


@pytest.mark.parametrize(
    ("fields", "stored", "told"),
    [
        ({"load_time_s": 1.25, "model_load_time_ms": 900}, None, "load_time_s=1.25, model_load_time_ms=900"),
        ({"memory_gib": 1.5, "memory_footprint_mb": 9}, ("peak_memory_mb", 9.0), "memory_gib=1.5"),
        ({"tokenization_ms": 1.5}, None, "tokenization_ms=1.5"),
        ({"warmup_ms": 51.5}, None, "warmup_ms=51.5"),
        ({"first_inference_ms": 99.5, "first_call_s": 2.5}, None, "first_inference_ms=99.5, first_call_s=2.5"),
    ],
)
def test_what_is_stated_and_not_stored_is_told(fields, stored, told):
    row = row_of({**BASE, "latency_ms": 45.6781, **fields})
    assert f"not stored: {told}: " in row["provenance_reason"]
    assert stored is None or row[stored[0]] == stored[1]


def test_a_record_of_memory_alone_has_no_samples_that_speak_against_it():
    row = row_of({"model": "gpt2", "hardware": "cpu", "peak_memory_mb": 1234.5})
    assert "it has no raw samples" in row["provenance_reason"]


def test_the_whole_document_has_a_name_where_it_is_put_aside(tmp_path):
    path = tmp_path / "run.json"
    path.write_text('{"model": "gpt2", "latency_ms": 45.6781}')
    assert (read_file(path, read_content(path), None).error or "").startswith("the document put aside: saw ")


@pytest.mark.parametrize(
    ("fields", "memory_mb"),
    [
        ({"memory_mb": 2050.5}, 2050.5),
        ({"gpu_memory_mb": 2050.5}, 2050.5),
        ({"memory_usage_mb": 2050.5}, 2050.5),
        ({"Memory (MiB)": 100}, 104.8576),
    ],
)
def test_memory_that_is_no_capacity_is_that_of_the_run_that_states_it(fields, memory_mb):
    assert row_of({"model": "gpt2", "hardware": "cpu", **fields})["peak_memory_mb"] == memory_mb


def test_memory_of_a_machine_is_no_result():
    assert read({"model": "Tesla T4", "device": "cuda", "memory_mb": 15109.75}) == ([], [])
    assert read({"model": "gpt2", "hardware": "cpu", "system": {"memory_gb": 62.25}}) == ([], [])
    put_aside({"model": "gpt2", "hardware": "cuda", "gpu_memory_mb": 2048}, "or is what the device has, is not certain")


def test_one_column_is_memory_used_or_a_capacity_in_all_of_its_rows():
    def rows(*amounts):
        return [
            {"model": "gpt2", "device": "cuda", "bs": n, "GPU Mem (MiB)": amount} for n, amount in enumerate(amounts, 1)
        ]

    assert len(read(rows(2048, 2050))[0]) == 2
    assert len(put_aside(rows(2048, 24576), "or is what the device has, is not certain")) == 2


def test_objects_of_one_call_each_are_the_samples_of_one_record():
    times = [4.2412345, 4.2512345, 4.2812345]
    for key in ("samples", "runs", "raw_iterations"):
        calls = [{"iteration": n, "latency_ms": time} for n, time in enumerate(times)]
        record = only({"model": "t5-small", "hardware": "cpu", "latency_ms_mean": sum(times) / 3, key: calls})
        assert (record.timing.samples, record.timing.declared_unit) == (times, "ms")
    assert row_of({"model": "t5-small", "hardware": "cpu", "samples": calls})["n_samples"] == 3


@pytest.mark.parametrize("more", [{"batch_size": 4}, {"model": "gpt2"}, {"throughput": 10.5}])
def test_objects_that_say_more_than_one_call_are_records_of_their_own(more):
    calls = [{"latency_ms": 4.2412345, **more}, {"latency_ms": 4.2512345, **more}]
    assert len(read({"model": "t5-small", "hardware": "cpu", "runs": calls})[0]) == 2


@pytest.mark.parametrize(("names", "is_told"), [({}, True), ({"model": "gpt2", "hardware": "cpu"}, False)])
def test_who_names_model_and_hardware_is_not_told_to(tmp_path, names, is_told):
    path = tmp_path / "run.json"
    stated = {"mean_ms": 12.5, "p95_ms": 13.5} if names else {"latency_ms": 12.5, "model": "gpt2"}
    path.write_text(json.dumps({**names, "block": [{"mean_ns": 12.5}], **({} if names else stated)}))
    reading = read_file(path, read_content(path), None)
    assert reading.status == "quarantined"
    assert ("add the fields model and hardware" in (reading.error or "")) is is_told
