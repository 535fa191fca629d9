"""Files that `hwbench import` reads are named as such by an ingest, and nothing odd is made of them."""

from __future__ import annotations

import csv
import io

import pytest

from hwbench_pipeline.legacy.living_formats import living_format_of
from hwbench_pipeline.legacy.reconciliation import reconcile

LATENCY = {"unit": "s", "values": [0.011, 0.012], "count": 2, "mean": 0.0115}
TARGET = {"memory": {"unit": "MB", "max_ram": 500.0}, "latency": LATENCY}
RUN = {"config": {"name": "bert", "backend": {"name": "pytorch", "model": "bert-base", "device": "cpu"}}}
SUMMARY = {"Submitter": "A", "Scenario": "Offline", "Performance_Result": 12.5, "Performance_Units": "Samples/s"}


def table(*names):
    written = io.StringIO()
    csv.writer(written).writerows([names, [f"{position}.5" for position in range(len(names))]])
    return written.getvalue()


FILES = [
    ("run.json", {**RUN, "report": {"load_model": TARGET, "forward": TARGET}}, "optimum-benchmark"),
    ("report.json", {"load_model": TARGET, "forward": TARGET}, "optimum-benchmark"),
    ("report.csv", table("forward.latency.unit", "forward.latency.count", "forward.latency.mean"), "optimum-benchmark"),
    ("first.csv", table("model", "forward.latency(s)", "forward.throughput(samples/s)"), "optimum-benchmark"),
    ("timm.csv", table("model", "infer_samples_per_sec", "infer_step_time", "infer_batch_size"), "timm"),
    ("summary.json", [{"Submitter": None}, SUMMARY], "mlperf"),
    ("bundle.json", {"format": "hwbench-bundle", "version": 1, "results": [{"latency_ms_mean": 4.0}]}, "bundle"),
]


@pytest.mark.parametrize(
    ("name", "content", "expected"), FILES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_it_is_named_with_the_call_that_reads_it(put, run, file_of, name, content, expected):
    path = put(name, content)
    ingested = run()
    file = file_of(ingested, name)
    assert (file["status"], file["shape"]) == ("quarantined", None)
    assert file["n_records"] == file["n_quarantined"]
    assert file["error"].endswith(f"Fix: hwbench import {expected} {path}")
    assert ingested.results == []
    assert reconcile(ingested.warehouse).holds


@pytest.mark.parametrize(
    "document",
    [
        {"bert": {"latency": {"value": 3.1, "unit": "ms"}, "hardware": "cpu"}},
        {"forward": {"latency": {"value": 3.1, "unit": "ms"}}},
        {"model": "bert", "hardware": "cpu", "traceback": "ValueError"},
        {"report": {"latency_ms": 3.1}, "config": {"backend": {}}},
        {"format": "json", "Submitter": "A"},
        [{"model": "bert", "step_time": 3.1}],
        *(
            [],
            {},
            None,
            1.5,
            "text",
            [[["deep"]]],
            [None],
            {"": {"latency": []}},
            {"forward": {"latency": {"unit": 1}}},
        ),
    ],
)
def test_what_only_looks_alike_is_left_to_the_other_readers(document):
    assert living_format_of(document) is None
