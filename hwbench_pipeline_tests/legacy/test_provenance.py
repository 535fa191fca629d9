"""Every rule, seen through the rows of whole files."""

import random

import pytest


def provenances(ingested):
    return {row["provenance"] for row in ingested.results}


def test_raw_samples_are_measured(build, put, run):
    put("a.json", build.suite())
    ingested = run()
    assert provenances(ingested) == {"measured"}
    assert all(row["provenance_reason"].startswith("raw_samples:") for row in ingested.results)
    assert len({row["result_id"] for row in ingested.results}) == 4


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ({"is_simulated": True}, "simulated"),
        ({"simulated": "true"}, "simulated"),
        ({"implementation": "SIMULATED_WEBGPU"}, "simulated"),
        ({"deep": [{"is_simulation": True}]}, "simulated"),
        ({"implementation_type": "MOCK"}, "mock"),
        ({"implementation": "(MOCK)"}, "mock"),
        ({"endpoint_type": "MagicMock"}, "mock"),
        ({"transformers_version": "mocked"}, "mock"),
        ({"device": "cuda:0 (mock)"}, "mock"),
        ({"is_simulated": True, "implementation_type": "MOCK"}, "simulated"),
        ({"is_simulated": False}, "measured"),
        ({"note": "no mock was used"}, "measured"),
        ({"model_path": "/tmp/mock/model"}, "measured"),
    ],
)
@pytest.mark.parametrize("place", ["record", "platform"])
def test_markers(build, put, run, marker, expected, place):
    suite = build.suite()
    attempt = suite["benchmarks"]["embedding"]["bert-base-uncased"]["cpu"]
    (attempt["benchmark_results"]["batch_1_seq_32"] if place == "record" else attempt).update(marker)
    put("a.json", suite)
    row = next(row for row in run().results if row["batch_size"] == 1 and row["sequence_length"] == 32)
    if place == "platform" and "deep" in marker:
        expected = "measured"  # lists beside the results are no labels of theirs
    assert row["provenance"] == expected


def test_a_mocked_file_makes_all_its_numbers_mock(build, put, run):
    put("a.json", build.suite(metadata={"transformers_mocked": True}))
    assert provenances(run()) == {"mock"}


def test_simulated_hardware_list_holds_for_the_listed_hardware_only(build, put, run):
    suite = build.suite(build.attempt("cpu"), build.attempt("openvino", 0.02, 9.0), simulated_hardware=["OpenVINO"])
    put("a.json", suite)
    found = {row["hardware_requested"]: row["provenance"] for row in run().results}
    assert found == {"cpu": "measured", "openvino": "simulated"}


@pytest.mark.parametrize(
    ("change", "expected", "rule"),
    [
        ({"latencies": [0.5] * 5, "avg_latency": 0.5, "throughput": 2.0}, "simulated", "samples_are_equal"),
        (
            {"latencies": [0.5, 0.51, 0.52, 0.53], "avg_latency": 0.515, "throughput": None},
            "simulated",
            "samples_follow_formula",
        ),
        ({"throughput": 1.0}, "simulated", "throughput_contradicts_latency"),
        ({"latencies": None, "avg_latency": 0.25, "throughput": 4.0}, "unknown", "rounded_value"),
        ({"latencies": [], "avg_latency": 0.0512345678, "throughput": None}, "unknown", "no_evidence"),
        ({"latencies": [0.05, 0.052, 0.058], "avg_latency": 0.0533333}, "unknown", "no_evidence"),
        ({"latencies": [0.05123456, -1, 0.0512345]}, "unknown", "no_evidence"),
        ({"latencies": "many"}, "unknown", "no_evidence"),
        ({"avg_latency": 0.2345678}, "unknown", "no_evidence"),
        ({"avg_latency": None}, "unknown", "no_evidence"),
        ({"latencies": [1.2345678e-5, 1.3456781e-5], "avg_latency": 1.29e-5, "throughput": None}, "mock", "too_fast"),
    ],
)
def test_values(build, put, run, change, expected, rule):
    suite = build.suite()
    results = suite["benchmarks"]["embedding"]["bert-base-uncased"]["cpu"]["benchmark_results"]
    results["batch_1_seq_32"].pop("throughput")
    results["batch_1_seq_32"].update(change)
    put("a.json", suite)
    row = next(row for row in run().results if row["batch_size"] == 1 and row["sequence_length"] == 32)
    assert (row["provenance"], row["provenance_reason"].split(":")[0]) == (expected, rule)


def test_closed_formula_over_batch(build, put, run):
    batches = {f"b{b}": {"success": True, "avg_latency_ms": 10.12345678 + 2.5 * b} for b in (1, 2, 8)}
    put("a.json", build.direct(**batches))
    assert {row["provenance_reason"].split(":")[0] for row in run().results} == {"latency_follows_batch_formula"}


def test_one_constant_in_different_rows(build, put, run):
    batches = {f"b{b}": {"success": True, "avg_latency_ms": 12.3456789} for b in (1, 2)}
    put("a.json", build.direct(**batches))
    assert {row["provenance_reason"].split(":")[0] for row in run().results} == {"same_constant_repeats"}


def test_round_spread(build, put, run):
    mean = 12.3456789
    batch = {"success": True, "avg_latency_ms": mean, "min_latency_ms": 0.9 * mean, "max_latency_ms": 1.1 * mean}
    put("a.json", build.direct(b1=batch))
    assert {row["provenance_reason"].split(":")[0] for row in run().results} == {"spread_is_typed_in"}


def test_samples_that_are_another_devices_samples_times_a_factor(build, put, run):
    suite = build.suite(build.attempt("cpu"), build.attempt("openvino"))
    by_hardware = suite["benchmarks"]["embedding"]["bert-base-uncased"]
    for key, result in by_hardware["openvino"]["benchmark_results"].items():
        source = by_hardware["cpu"]["benchmark_results"][key]
        result["latencies"] = [0.8 * sample for sample in source["latencies"]]
        result["avg_latency"] = 0.8 * source["avg_latency"]
        result["throughput"] = source["throughput"] / 0.8
    put("a.json", suite)
    assert provenances(run()) == {"simulated"}


def test_real_label_is_no_evidence(build, put, run):
    put("a.json", build.web(is_simulation=False, platform_support={"available": True}))
    (row,) = run().results
    assert row["provenance"] == "unknown"
    assert "'REAL_WEBGPU' is no evidence" in row["provenance_reason"]
    put("a.json", build.web(is_simulation=False, platform_support={}, metrics={"inference_time_ms": 81.2345678}))
    (row,) = run().results
    assert row["provenance"] == "unknown"


def rule_of(build, run, put, samples_ms, **changes):
    batch = {
        "success": True,
        "avg_latency_ms": sum(samples_ms) / len(samples_ms),
        "latencies_ms": samples_ms,
        **changes,
    }
    put("a.json", build.direct(b1=batch))
    (row,) = run().results
    return row["provenance"], row["provenance_reason"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda draw: 1000 * draw.gauss(0.05, 0.005), "its samples lie on the grid of no clock"),
        (lambda draw: draw.gauss(50, 5), "its samples lie on the grid of no clock"),
        (lambda draw: draw.lognormvariate(3, 0.1), "its samples lie on the grid of no clock"),
        (lambda draw: round(draw.gauss(150, 5), 4), "its samples lie on the grid of no clock"),
        (lambda draw: round(draw.gauss(50, 5), 2), "fewer than two distinct samples have the precision of a clock"),
        (lambda draw: 1000 * round(draw.gauss(0.05, 0.005), 6), "fewer than two distinct samples have the precision"),
    ],
)
def test_samples_that_no_clock_gave(build, run, put, make, said):
    draw = random.Random(11)
    provenance, reason = rule_of(build, run, put, [make(draw) for _ in range(30)])
    assert provenance == "unknown"
    assert said in reason


def test_one_made_up_sample_among_those_of_a_clock(build, run, put):
    samples = build.samples(50, units_per_s=1000)
    assert rule_of(build, run, put, samples)[0] == "measured"
    assert rule_of(build, run, put, [*samples, 51.23456789012345])[0] == "unknown"


def test_a_rounded_number_may_be_real(build, run, put):
    put("a.json", [{"model": "bert-base-uncased", "device": "cpu", "batch_size": 1, "latency_ms": 6.83}])
    (row,) = run().results
    assert row["provenance"] == "unknown"
    assert row["provenance_reason"].startswith("rounded_value: it was rounded to at most 3 significant digits")


def test_a_rounded_number_beside_a_made_up_series(build, run, put):
    batches = {
        "1": {"latency_ms": 20, "throughput": 50, "success": "true"},
        "4": {"latency_ms": 50, "throughput": 200, "success": "true"},
    }
    put("a.json", {"model_path": "bert-base-uncased", "hardware_key": "cpu", "batch_sizes": batches})
    rules = {row["batch_size"]: row["provenance_reason"].split(":")[0] for row in run().results}
    assert rules == {1: "beside_invented_values", 4: "throughput_contradicts_latency"}
