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
]
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
    ("comment", "no mock implementation was used"),
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


@pytest.mark.parametrize("mark", MARKS, ids=str)
def test_a_marked_number_is_not_measured(tmp_path, mark):
    assert provenance(tmp_path, on_record=[mark]) in ("simulated", "mock")
    assert provenance(tmp_path, around=[("metadata", dict([mark]))]) in ("simulated", "mock")


@pytest.mark.parametrize("field", NO_MARKS, ids=str)
def test_what_says_nothing_about_the_run_is_no_mark(tmp_path, field):
    assert provenance(tmp_path, on_record=[field]) == "measured"
    assert provenance(tmp_path, around=[("metadata", dict([field]))]) == "measured"


@pytest.mark.parametrize("field", FAILURES, ids=str)
def test_a_time_of_a_failed_attempt_is_not_measured(tmp_path, field):
    assert provenance(tmp_path, on_record=[field]) == "unknown"
