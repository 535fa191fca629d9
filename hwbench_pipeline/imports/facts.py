"""When two imported rows are one fact: the same run, listed or stored more than once.

Belongs here: the identity of a fact, by format. Does not belong here: which of its rows stays (`importing`).
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from typing import Any

from hwbench_pipeline.legacy.json_values import significant_digits
from hwbench_pipeline.schema.table import sha256_of

_DIGITS_OF_A_CLOCK = 8
"""Digits from which a single sample is as good as a fingerprint."""
_ACCURACY_TARGETS = ("-99.9", "-99")


def fact_of(row: Mapping[str, Any]) -> Hashable | None:
    """The identity of what a row says happened; None where nothing tells two such runs apart."""
    source = row["source"]
    if source == "bundle":
        return ("bundle", row["result_id"])
    if source == "optimum_benchmark":
        return _by_samples(row)
    if source == "mlperf":
        return _by_submission(row)
    return _by_line(row) if source == "timm" else None


def _by_samples(row: Mapping[str, Any]) -> Hashable | None:
    """One run's report stands in benchmark.json, benchmark_report.json and .csv: its samples are its fingerprint."""
    samples = row.get("samples_ms")
    if not samples or (len(samples) == 1 and significant_digits(samples[0]) < _DIGITS_OF_A_CLOCK):
        return None
    return ("optimum", row["scenario"], sha256_of([f"{sample:.12g}" for sample in samples]))


def _by_submission(row: Mapping[str, Any]) -> Hashable | None:
    """One run of a system that meets both accuracy targets is listed under both names (llama2-70b-99, -99.9)."""
    options, reported = (json.loads(row[name] or "{}") for name in ("options", "reported_values"))
    if not isinstance(options, dict) or not isinstance(reported, dict):
        return None
    identity = [options.get(name) for name in ("submitter", "category", "platform")]
    if None in identity or row["model_id"] is None or reported.get("Accuracy") is None:
        return None
    model = row["model_id"]
    for suffix in _ACCURACY_TARGETS:
        model = model.removesuffix(suffix)
    numbers = [reported.get(name) for name in ("Performance_Result", "Performance_Units", "Accuracy")]
    return ("mlperf", row["harness_version"], *identity, model, row["scenario"], sha256_of(numbers))


def _by_line(row: Mapping[str, Any]) -> Hashable | None:
    """A line that stands twice in one table: the same model, batch and image size with the same numbers."""
    names = ("mode", "model_id", "batch_size", "input_shape", "latency_ms_mean", "throughput_items_per_s")
    return ("timm", row["source_sha256"], *(row[name] for name in names))


def originality_of(row: Mapping[str, Any]) -> int:
    """Orders the places of one fact: below others a place that says more, here the model."""
    return 0 if row["model_id"] is not None else 1
