"""What the rows of one file hold."""

from datetime import UTC, datetime, timedelta, timezone

import pytest


def test_suite_row_in_full(build, put, run):
    attempt = build.attempt()
    put("a.json", build.suite(attempt))
    rows = run(naive_zone=timezone(timedelta(hours=-8))).results
    row = next(row for row in rows if row["source_pointer"].endswith("batch_4_seq_128"))
    samples = attempt["benchmark_results"]["batch_4_seq_128"]["latencies"]
    assert row["source_pointer"] == "/benchmarks/embedding/bert-base-uncased/cpu/benchmark_results/batch_4_seq_128"
    assert row["samples_ms"] == pytest.approx([1000 * sample for sample in samples])
    assert row["latency_ms_mean"] == pytest.approx(1000 * sum(samples) / len(samples))
    assert (row["latency_ms_min"], row["latency_ms_max"]) == (1000 * min(samples), 1000 * max(samples))
    assert (row["n_samples"], row["latency_ms_p99"], row["precision"], row["model_size"]) == (10, None, None, None)
    assert (row["model_id"], row["model"], row["scenario"], row["load_ms"]) == (
        "bert-base-uncased",
        "bert",
        "forward",
        3100.0,
    )
    assert row["started_at"] > datetime(2025, 1, 2, 11, 4, 5, tzinfo=UTC)
    assert row["started_at_text"] == attempt["timestamp"]


def test_environment(build, put, run):
    put("a.json", build.suite())
    (environment,) = run().environments
    assert environment["machine"] == "test-machine"
    assert environment["cpu_name"] == environment["device_name"] == "Test CPU"
    assert environment["memory_total_mb"] == 66800.0


def test_pointer_escapes_model_names(build, put, run):
    put("a.json", build.suite(build.attempt(model="a/b~c")))
    assert all("/a~1b~0c/cpu/" in row["source_pointer"] for row in run().results)


def test_units_follow_the_throughput_not_the_field(build, put, run):
    attempt = build.attempt()
    for result in attempt["benchmark_results"].values():
        result["latencies"] = [1000 * sample for sample in result["latencies"]]
        result["avg_latency"] *= 1000
    put("a.json", build.suite(attempt))
    assert max(row["latency_ms_mean"] for row in run().results) < 2000


def test_direct_benchmark(build, put, run, file_of):
    put("a.json", build.direct(b1=build.batch(3.1, 1), b2={"success": False, "error": "boom"}, b4=7))
    ingested = run()
    file = file_of(ingested, "a.json")
    assert (file["n_records"], file["n_measured"], file["n_failed"], file["n_quarantined"]) == (3, 1, 1, 1)
    assert "/batch_results/4 put aside" in file["error"]
    ok, failed = sorted(ingested.results, key=lambda row: row["batch_size"])
    assert ok["peak_memory_mb"] == pytest.approx(533.89453125 * 1.048576)
    assert "resident set size" in ok["memory_method"]
    assert (failed["status"], failed["error_message"], failed["latency_ms_mean"]) == ("failed", "boom", None)


def test_direct_run_that_failed_before_any_batch(build, put, run):
    document = {**build.direct(), "batch_results": {}, "success": False, "error": "no such model"}
    put("a.json", document)
    (row,) = run().results
    assert (row["source_pointer"], row["error_message"]) == ("/error", "no such model")


def test_web_result(build, put, run):
    put("a.json", build.web())
    (row,) = run().results
    assert (row["provenance"], row["batch_size"], row["latency_ms_mean"]) == ("simulated", None, 90)
    put("a.json", build.web(status="error", error="WebGPU adapter not found", metrics={}))
    (row,) = run().results
    assert (row["status"], row["provenance"]) == ("no_hardware", "none")


def test_attempt_that_failed_to_load(build, put, run):
    attempt = {"status": "failed", "error": "MemoryError: load", "model_name": "big", "hardware": "cpu"}
    put("a.json", build.suite(attempt))
    (row,) = run().results
    assert (row["status"], row["error_class"], row["batch_size"]) == ("out_of_memory", "MemoryError", None)


@pytest.mark.parametrize("bad", [0, -1, "fast", None, [], True])
def test_a_latency_that_is_no_number_is_put_aside(build, put, run, file_of, bad):
    suite = build.suite()
    results = suite["benchmarks"]["embedding"]["bert-base-uncased"]["cpu"]["benchmark_results"]
    results["batch_1_seq_32"] = {"status": "completed", "avg_latency": bad, "latencies": [bad]}
    put("a.json", suite)
    file = file_of(run(), "a.json")
    assert (file["n_records"], file["n_measured"], file["n_quarantined"]) == (4, 3, 1)


def test_zone_from_the_file_itself(build, put, run):
    local = datetime(2025, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=-8)))
    put("a.json", build.suite(build.attempt(), clock={"time": local.timestamp(), "local_time": "2025-01-02T03:04:05"}))
    assert {row["started_at"].replace(microsecond=0) for row in run().results} == {local}
