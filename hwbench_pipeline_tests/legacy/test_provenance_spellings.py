"""A mark counts in whatever spelling, on the record or around it; what says nothing about the run does not count."""

import json
import random

import pytest

from hwbench_pipeline.legacy.contents import read_content
from hwbench_pipeline.legacy.reading import read_file

MARKS = [
    ("simulated", 1),
    ("is_simulated", "1"),
    ("isSimulated", True),
    ("simulation_mode", True),
    ("use_simulation", True),
    ("simulate", True),
    ("simulation_enabled", "on"),
    ("synthetic", True),
    ("fake", True),
    ("is_fake", "yes"),
    ("emulated", True),
    ("estimated", True),
    ("is_projected", True),
    ("mock_mode", True),
    ("mockMode", True),
    ("is_mock_result", True),
    ("isMockData", True),
    ("cuda_mock", True),
    ("is_real", False),
    ("real_hardware", False),
    ("measured", "no"),
    ("environment", "simulator"),
    ("source", "synthetic"),
    ("result_type", "predicted"),
    ("implementation", "stub"),
    ("runner", "FakeRunner"),
    ("warning", "using simulated values"),
    ("note", "mock"),
    ("note", "simulated"),
    ("disclaimer", "Values are placeholders"),
    ("comment", "latencies were randomly generated"),
    ("source", "fabricated"),
    ("comment", "weights replaced with MagicMock, dry run"),
    ("warning", "This is a SIMULATION, not real hardware"),
    ("model_class", "MagicMock"),
    ("model_impl", "unittest.mock.MagicMock"),
    ("loader", "StubLoader"),
    ("dry_run", True),
    ("dryRun", "yes"),
    ("mode", "dry-run"),
    ("data_source", "random.gauss"),
    ("latency_source", "np.random.normal"),
    ("generated_by", "random"),
    ("benchmark_type", "theoretical estimate"),
    ("kind", "theoretical"),
    ("is_theoretical", True),
    ("hardcoded", True),
    ("model_load", "fallback to stub"),
    ("model_load", "fell back to a fake model"),
    ("warnings", ["results are simulated"]),
    ("warnings", [{"message": "results are simulated"}]),
    ("notes", ["warm-up left out", "Using MagicMock for torch"]),
    ("tags", ["bert", "simulated"]),
    ("command", "python bench.py --simulate"),
    ("command", "SIMULATE=1 python bench.py"),
    ("command", "python bench.py --mode mock --batch 4"),
    ("argv", ["bench.py", "--dry-run"]),
    ("env", {"BENCH_SIMULATE": "1"}),
    ("disclaimer", "synthetic data"),
    ("log", "10:02 torch is missing\n10:02 falling back to a mock\n10:03 done"),
    ("message", "GPU not available, so the timings are estimated"),
    ("info", "latencies are drawn from random.gauss"),
    ("remark", "the numbers are not real"),
    ("remarks", ["none of these values was measured"]),
    ("comment", "no latency here was measured"),
    ("run", {"backend_state": "stubbed out"}),
    ("note", "the backend was mocked-out for this run"),
    ("executed", False),
    ("remarks", {"author": "ci", "text": "placeholder numbers, replace before release"}),
    ("runner", "noop"),
    ("comment", "NOT MEASURED - estimated from FLOPs"),
    ("source", "roofline estimate"),
    ("simulation", {"enabled": True}),
    ("latency_kind", "modeled"),
    ("label", "sim"),
    ("quality_flags", ["not_real"]),
    ("comment", "made-up example"),
    ("note", "example values, not measurements"),
    ("status_message", "ran against a stubbed backend"),
    ("quality", "fake data"),
    ("generator", "numpy.random.default_rng"),
    ("mode", "replay of recorded numbers"),
    ("note", "the latencies were replayed from last year"),
]
NOT_THERE = [("hardware_detected", False), ("device_found", "no"), ("hardware_available", "false")]
NO_MARKS = [
    ("simulated", False),
    ("mock_available", True),
    ("supports_simulation", True),
    ("synthetic_inputs", True),
    ("use_dummy_weights", True),
    ("dataset", "synthetic"),
    ("is_real", True),
    ("estimated_batches", 1),
    ("note", "warm-up left out"),
    ("note", "these are not simulated results"),
    ("note", "warm-up times were not measured"),
    ("note", "no time of the warm-up was measured"),
    ("note", "validation was commented out"),
    ("comment", "no mock implementation was used"),
    ("comment", "no mock, stub or fake was used"),
    ("note", "simulation was disabled, mocks were not used"),
    ("note", "measured on real hardware, not simulated"),
    ("note", "random weights, synthetic inputs of 128 tokens"),
    ("note", "results with random weights"),
    ("note", "the inputs are random tokens"),
    ("note", "not a real-time system"),
    ("task", "fake news detection"),
    ("title", "depth estimation on a flight simulation dataset"),
    ("method", "random"),
    ("quantization", "fake quantization"),
    ("data", "synthetic"),
    ("input_source", "torch.randn"),
    ("weights", "random"),
    ("dry_run", False),
    ("command", "python bench.py --no-simulate --dummy-inputs --model fake-news-bert"),
    ("command", "python simulate_and_bench.py --simulate=false"),
    ("output_keys", ["is_simulated"]),
    ("comment", "estimated time remaining was 3 minutes"),
    ("pip_freeze", ["pytest-mock==3.12"]),
    ("note", "fp16 emulated by fp32"),
    ("simulation", {"enabled": False}),
    ("note", "similar to the measured times of last week"),
    ("warning", "no GPU found, ran on CPU"),
    ("hardware_detected", True),
    ("warnings", ["warm-up left out"]),
    ("mode", "replay"),
    ("traffic", "replayed requests of production"),
    ("input_generator", "numpy.random.default_rng"),
    ("generator", "vllm bench serve"),
]
FAILURES = [("status", "FAIL"), ("status", "crashed"), ("passed", False), ("ok", False), ("valid", False)]


def provenance(tmp_path, on_record=(), around=()):
    """The provenance of the one number of a direct benchmark with the given fields."""
    draw = random.Random(3)
    samples = [1000 * draw.randrange(45_000, 60_000) / 2**22 for _ in range(10)]
    batch = {"success": True, "avg_latency_ms": sum(samples) / 10, "latencies_ms": samples, **dict(on_record)}
    document = {"model": "bert-base-uncased", "hardware": "cpu", "batch_results": {"1": batch}, **dict(around)}
    path = tmp_path / "direct.json"
    path.write_text(json.dumps(document))
    (row,) = read_file(path, read_content(path), None).rows
    return row["provenance"]


def provenances_of_rows(tmp_path, around=(), before=()):
    """The provenances of three records of no known shape, in a list below the given fields, behind the given objects."""
    draw = random.Random(5)
    rows = []
    for batch_size in (1, 2, 4):
        samples = [draw.randrange(45_000, 60_000) / 2**22 for _ in range(20)]
        row = {"model": "gpt2", "hardware": "cpu", "batch_size": batch_size, "latencies_s": samples}
        rows.append({**row, "latency_mean_s": sum(samples) / 20})
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([*before, *rows] if before else {**dict(around), "results": rows}))
    found = read_file(path, read_content(path), None).rows
    assert len(found) == 3
    return {row["provenance"] for row in found}


@pytest.mark.parametrize("mark", MARKS, ids=str)
def test_a_marked_number_is_not_measured(tmp_path, mark):
    assert provenance(tmp_path, on_record=[mark]) in ("simulated", "mock")
    assert provenance(tmp_path, around=[("metadata", dict([mark]))]) in ("simulated", "mock")


@pytest.mark.parametrize("field", NO_MARKS, ids=str)
def test_what_says_nothing_about_the_run_is_no_mark(tmp_path, field):
    assert provenance(tmp_path, on_record=[field]) == "measured"
    assert provenance(tmp_path, around=[("metadata", dict([field]))]) == "measured"


@pytest.mark.parametrize("field", NOT_THERE, ids=str)
def test_a_time_on_hardware_that_was_not_there_is_not_measured(tmp_path, field):
    assert provenance(tmp_path, on_record=[field]) == "unknown"
    assert provenance(tmp_path, around=[("metadata", dict([field]))]) == "unknown"


@pytest.mark.parametrize("mark", MARKS, ids=str)
def test_a_mark_above_a_list_of_results_holds_for_each(tmp_path, mark):
    assert provenances_of_rows(tmp_path, around=[mark]) == {"simulated"} or provenances_of_rows(
        tmp_path, around=[mark]
    ) == {"mock"}


@pytest.mark.parametrize("field", NO_MARKS, ids=str)
def test_what_says_nothing_about_the_run_is_no_mark_above_a_list_of_results(tmp_path, field):
    assert provenances_of_rows(tmp_path, around=[field]) == {"measured"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cuda timings are simulated", {"measured"}),
        ("GPU latencies are estimates", {"measured"}),
        ("cuda not found, returning simulated latencies", {"simulated"}),
        ("all timings are simulated, cuda is missing", {"simulated"}),
        ("cpu and cuda results are simulated", {"simulated"}),
    ],
)
def test_a_text_around_that_speaks_of_some_platforms_is_about_these(tmp_path, text, expected):
    assert provenances_of_rows(tmp_path, around=[("warnings", [text])]) == expected


def test_a_line_without_a_number_among_records_is_about_all_of_them(tmp_path):
    assert provenances_of_rows(tmp_path, before=[{"disclaimer": "synthetic data"}]) == {"simulated"}
    assert provenances_of_rows(tmp_path, before=[{"note": "warm-up left out"}]) == {"measured"}


@pytest.mark.parametrize("field", FAILURES, ids=str)
def test_a_time_of_a_failed_attempt_is_not_measured(tmp_path, field):
    assert provenance(tmp_path, on_record=[field]) == "unknown"
