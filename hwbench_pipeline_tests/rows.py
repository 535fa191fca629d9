"""Builders of valid rows, so that a test says only what it is about.

Every number here is made up. `measured`, `without_number` and `legacy` give rows of the result tables with the id
of their key; whatever a test changes is part of the row before the id is made.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hwbench_pipeline.bench.statistics import latency_statistics
from hwbench_pipeline.schema.table import Table, sha256_of
from hwbench_pipeline.schema.tables import OUT__COVERAGE, RAW_LEGACY__FILES
from hwbench_pipeline.schema.tables.results import result_id_of

Row = dict[str, Any]

STARTED = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
SAMPLES = [11.0, 12.0, 10.5, 13.25, 11.5, 12.5, 10.75, 11.25, 12.25, 14.0]
ENVIRONMENT_ID = "e" * 32


def later(minutes: float) -> datetime:
    """A time that many minutes after the first run."""
    return STARTED + timedelta(minutes=minutes)


def _with_id(row: Row) -> Row:
    return {"result_id": result_id_of(row)} | row


def own(**changes: Any) -> Row:
    """Identity of a row of our own, without an outcome."""
    model, size = changes.get("model", "bert"), changes.get("model_size", "reference")
    hardware = changes.get("hardware", "cpu")
    return {
        "run_id": "20260102T030405-00000001",
        "source": "hwbench",
        "model_id": f"some/{model}",
        "model": model,
        "architecture": model,
        "category": "text_encoder",
        "model_size": size,
        "config_sha256": sha256_of([model, size]),
        "n_parameters": 1_000_000,
        "backend": "torch",
        "hardware": hardware,
        "hardware_requested": hardware,
        "device_name": f"Test {hardware}",
        "mode": "inference",
        "environment_id": ENVIRONMENT_ID,
        "started_at": STARTED,
    } | changes


def measured(**changes: Any) -> Row:
    """A measurement of our own."""
    samples = changes.get("samples_ms", SAMPLES)
    statistics = latency_statistics(samples)
    mean_ms = statistics["latency_ms_mean"]
    point = {
        "provenance": "measured",
        "provenance_reason": f"{len(samples)} made-up samples",
        "status": "ok",
        "options": "{}",
        "scenario": "forward",
        "precision": "fp32",
        "batch_size": 1,
        "sequence_length": 32,
        "input_shape": "input_ids=1x32",
        "output_max_rel_error": 1e-6,
        "samples_ms": samples,
        "n_samples": len(samples),
        "throughput_items_per_s": None if mean_ms is None else 1000 * (changes.get("batch_size") or 1) / mean_ms,
        "flags": [],
        **statistics,
    }
    return _with_id(own(**(point | changes)))


def without_number(status: str = "failed", **changes: Any) -> Row:
    """A point of ours that was tried and gave no number."""
    why = {
        "provenance": "none",
        "status": status,
        "error_class": "TestError",
        "error_message": f"made-up reason: {status}",
        "precision": "fp32",
        "batch_size": 1,
        "sequence_length": 32,
    }
    return _with_id(own(**(why | changes)))


def whole_cell(status: str = "no_hardware", **changes: Any) -> Row:
    """A row that speaks for a whole cell and size: it has no point."""
    return without_number(
        status,
        **({"precision": None, "batch_size": None, "sequence_length": None, "device_name": None} | changes),
    )


def legacy(**changes: Any) -> Row:
    """A number read from an old file."""
    return _with_id(
        {
            "source": "legacy",
            "source_path": "/old/results.json",
            "source_sha256": "a" * 64,
            "source_pointer": "/0",
            "provenance": "measured",
            "provenance_reason": "varied raw samples",
            "status": "ok",
            "model_id": "bert-base-uncased",
            "model": "bert",
            "category": "text_encoder",
            "hardware": "cpu",
            "hardware_requested": "cpu",
            "mode": "inference",
            "latency_ms_mean": 12.5,
        }
        | changes
    )


def environment(**changes: Any) -> Row:
    """An environment."""
    return {"environment_id": ENVIRONMENT_ID, "machine": "test-machine", "cpu_cores_logical": 2} | changes


def legacy_file(**changes: Any) -> Row:
    """An old file that gave nothing."""
    counts = {column.name: 0 for column in RAW_LEGACY__FILES.columns if column.name.startswith("n_")}
    return {
        "path": "/old/results.json",
        "sha256": "a" * 64,
        "bytes": 2,
        "status": "no_results",
        "error": "it holds no results",
        "first_seen_at": STARTED,
        **counts,
    } | changes


def coverage(state: str = "never_tried", **changes: Any) -> Row:
    """A cell of the coverage table."""
    counts = {column.name: 0 for column in OUT__COVERAGE.columns if column.name.startswith("n_")}
    return {
        "mode": "inference",
        "hardware": "cpu",
        "model": "bert",
        "category": "text_encoder",
        "state": state,
        "newest_measured_at": None,
        "reason": None,
        **counts,
    } | changes


def complete(table: Table, rows: list[Row]) -> list[Row]:
    """The rows as reading them back gives them: every column, missing ones None."""
    return [table.complete(row) for row in rows]
