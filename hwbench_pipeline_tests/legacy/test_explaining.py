"""Each record of a file is explained: its rule, its evidence, and what was put aside."""

from __future__ import annotations

import json
from pathlib import Path

from hwbench_pipeline.legacy.explaining import FAILED_ATTEMPT, explain

SAMPLES_MS = [1000 * ticks / 2**22 for ticks in (51_781, 54_475, 52_663)]  # as the system's clock gives them


def _direct(path: Path, batches: dict[str, object]) -> Path:
    path.write_text(json.dumps({"model": "bert-base-uncased", "hardware": "cpu", "batch_results": batches}))
    return path


def test_measured_simulated_and_failed_records_name_their_rule(tmp_path: Path) -> None:
    mean = sum(SAMPLES_MS) / len(SAMPLES_MS)
    path = _direct(
        tmp_path / "direct.json",
        {
            "1": {"success": True, "avg_latency_ms": mean, "latencies_ms": SAMPLES_MS},
            "2": {"success": True, "avg_latency_ms": 20.0, "latencies_ms": [20.0, 20.0, 20.0]},
            "4": {"success": False, "error": "RuntimeError: out of memory"},
        },
    )
    explanation = explain(path)
    assert explanation.status == "ingested"
    measured, simulated, failed = explanation.records
    assert (measured.pointer, measured.provenance, measured.rule) == ("/batch_results/1", "measured", "raw_samples")
    assert measured.quantities["latency_ms_mean"] == mean
    assert (simulated.provenance, simulated.rule) == ("simulated", "samples_are_equal")
    assert "3 times 20 ms" in simulated.evidence
    assert (failed.provenance, failed.rule, failed.quantities) == ("none", FAILED_ATTEMPT, {})
    assert "out of memory" in failed.evidence


def test_every_stored_quantity_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    stated = {"latency_ms": 45.6781, "p50_ms": 44.5, "p90_ms": 50.5, "p95_ms": 51.5, "load_ms": 99.5, "iterations": 10}
    path.write_text(json.dumps({"model": "gpt2", "hardware": "cpu", **stated}))
    (record,) = explain(path).records
    assert record.quantities == {
        "latency_ms_mean": 45.6781,
        "latency_ms_p50": 44.5,
        "latency_ms_p90": 50.5,
        "latency_ms_p95": 51.5,
        "load_ms": 99.5,
        "n_samples": 10,
    }


def test_file_without_results_says_why(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text('{"model": ')
    explanation = explain(path)
    assert (explanation.status, explanation.records) == ("quarantined", ())
    assert "truncated JSON" in (explanation.error or "")
    assert explain(tmp_path / "absent.json").status == "quarantined"
