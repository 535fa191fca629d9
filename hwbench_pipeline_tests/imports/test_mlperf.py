"""MLPerf summaries: units and directions, whole systems, mixed types, what the round says against a row."""

from __future__ import annotations

import json

import pytest

from hwbench_pipeline_tests.imports.conftest import options, reported, said


def result(**changes):
    """A row as summary_results.json has it, with made-up numbers."""
    return {
        "ID": "v9.0-0007",
        "Submitter": "Some Lab",
        "Availability": "available",
        "Category": "closed",
        "Suite": "datacenter",
        "System": "Box 8",
        "Platform": "8xBox",
        "UsedModel": "bert-99",
        "Model": "bert-99",
        "Scenario": "Offline",
        "Accuracy": "F1: 90.1",
        "Nodes": 1,
        "Processor": "Some CPU 32",
        "host_processors_per_node": 2,
        "host_processor_core_count": 32.0,
        "Accelerator": "NVIDIA H100-SXM-80GB",
        "a#": 8.0,
        "Location": "closed/Some Lab/results/8xBox/bert-99/Offline",
        "Software": "TensorRT 99",
        "operating_system": "Some OS",
        "Notes": "",
        "compliance": 1,
        "errors": 0,
        "version": "v9.0",
        "inferred": 0,
        "has_power": False,
        "weight_data_types": "int8",
        "p#": 2,
        "Performance_Result": 24173.2,
        "Performance_Units": "Samples/s",
    } | changes


def test_a_throughput_is_that_of_the_whole_system(read):
    (row,) = read("mlperf", [result()]).rows
    assert row["throughput_items_per_s"] == 24173.2
    assert (row["model_id"], row["model"], row["scenario"]) == ("bert-99", "bert", "Offline")
    assert (row["hardware"], row["device_name"]) == ("cuda", "8 x NVIDIA H100-SXM-80GB")
    assert options(row)["n_accelerators"] == 8
    assert options(row)["weight_data_types"] == "int8"
    assert (row["precision"], row["batch_size"], row["latency_ms_mean"]) == (None, None, None)
    assert row["source_pointer"] == "/0"
    assert row["provenance"] == "measured"
    assert "of 8 accelerators" in row["provenance_reason"]
    assert reported(row)["Accuracy"] == "F1: 90.1"


@pytest.mark.parametrize(
    ("scenario", "value", "unit", "column", "expected"),
    [
        ("Offline", "3062.72", "Tokens/s", "tokens_per_s", 3062.72),
        ("Server", 10.5, "Queries/s", "throughput_items_per_s", 10.5),
        ("SingleStream", 1.25, "Latency (ms)", "latency_ms_p90", 1.25),
        ("MultiStream", 8.5, "Latency (ms)", "latency_ms_p99", 8.5),
        ("SingleStream", 1_250_000, "Latency (ns)", "latency_ms_p90", 1.25),
    ],
)
def test_a_unit_decides_column_and_direction(read, scenario, value, unit, column, expected):
    (row,) = read("mlperf", [result(Scenario=scenario, Performance_Result=value, Performance_Units=unit)]).rows
    numbers = {
        name: row[name] for name in ("tokens_per_s", "throughput_items_per_s", "latency_ms_p90", "latency_ms_p99")
    }
    assert {name: number for name, number in numbers.items() if number is not None} == {column: pytest.approx(expected)}
    assert ("lower is better" in said(row)) == ("Latency" in unit)
    assert row["batch_size"] == (1 if scenario == "SingleStream" else None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Performance_Units": "Furlongs/s"}, "'Furlongs/s'"),
        ({"Performance_Units": "Latency (ms)"}, "'Offline'"),  # which statistic would it be?
        ({"Performance_Result": None}, "an accuracy only"),
        ({"Performance_Result": ""}, "an accuracy only"),
        ({"Performance_Result": 0}, "expected a number above zero"),
        ({"Performance_Result": True}, "expected a number above zero"),
        ({"Performance_Result": float("nan")}, "expected a number above zero"),
    ],
)
def test_what_is_not_understood_is_put_aside_with_what_was_seen(read, changes, reason):
    reading = read("mlperf", [result(**changes), result(Scenario="Server")])
    assert (len(reading.rows), reading.n_quarantined) == (1, 1)
    assert reason in reading.error


def test_mixed_types_are_read_and_named(read):
    (row,) = read("mlperf", [result(**{"a#": "4", "Nodes": "2", "host_processor_core_count": "56"})]).rows
    assert options(row)["n_accelerators"] == 8
    assert row["device_name"] == "8 x NVIDIA H100-SXM-80GB"
    assert "B11" in said(row)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Accelerator": "", "a#": ""}, (None, None)),
        ({"Accelerator": "AMD Instinct MI300X", "a#": 1}, ("rocm", "AMD Instinct MI300X")),
        ({"Accelerator": "Some TPU", "a#": None}, (None, "Some TPU")),
    ],
)
def test_an_empty_accelerator_proves_no_cpu(read, changes, expected):
    (row,) = read("mlperf", [result(**changes)]).rows
    assert (row["hardware"], row["device_name"]) == expected
    assert row["provenance"] == "measured"
    assert "accelerator" in row["provenance_reason"] or expected[0] == "rocm"


@pytest.mark.parametrize("changes", [{"inferred": 1}, {"inferred": "1"}, {"inferred": True}, {"errors": 3}])
def test_an_inferred_or_faulty_row_is_not_measured(read, changes):
    (row,) = read("mlperf", [result(**changes)]).rows
    assert row["provenance"] == "unknown"


def test_energy_is_taken_per_query_only(read):
    power = {
        "has_power": True,
        "Power_Result": 250.0,
        "Power_Units": "millijoules/Stream",
        "Performance_Units": "Latency (ms)",
    }
    watts = result(has_power=True, Power_Result=1234.5, Power_Units="Watts")
    first, second = read("mlperf", [result(Scenario="SingleStream", **power), watts]).rows
    assert first["energy_j"] == pytest.approx(0.25)
    assert second["energy_j"] is None
    assert reported(second)["Power_Result"] == 1234.5


def test_one_run_under_both_accuracy_targets_counts_once(bring, tmp_path):
    path = tmp_path / "summary_results.json"
    path.write_text(
        json.dumps([result(), result(Model="bert-99.9", UsedModel="bert-99.9"), result(Performance_Result=1.0)])
    )
    tables = bring("mlperf", path)
    (file,) = tables.files
    assert (file["n_records"], file["n_measured"], file["n_duplicates"]) == (3, 2, 1)


@pytest.mark.parametrize("document", [{}, [], [1], {"config": {}}, [{"Submitter": "x"}], "text"])
def test_other_json_holds_no_results(read, document):
    reading = read("mlperf", document)
    assert reading.status == "no_results"
