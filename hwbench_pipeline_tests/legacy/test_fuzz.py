"""A short fuzz run; the long one is benchmarks/test_legacy_fuzz.py."""

import json

import pytest

from hwbench_pipeline_tests.benchmarks.legacy_corpus import document_of
from hwbench_pipeline_tests.legacy.fuzzing import draw_damaged, examine_range, read_bytes
from hwbench_pipeline_tests.legacy.rederivation import document_in, faults_of

N_MUTATIONS = 1500


def test_no_crash_and_no_invented_number():
    findings = examine_range(range(N_MUTATIONS), with_real=False)
    print(f"\n{dict(findings.counts)}")
    findings.require_none()
    assert findings.counts["rows"] > N_MUTATIONS // 2, "too few rows to show anything"
    assert findings.counts["marks on measured"] > 10
    assert all(findings.counts[f"files {status}"] > 0 for status in ("ingested", "no_results", "quarantined"))


def test_a_mutation_is_a_function_of_its_number():
    assert all(draw_damaged(n, with_real=False) == draw_damaged(n, with_real=False) for n in range(50))


@pytest.fixture
def direct():
    document = document_of("direct_benchmark", "fixed")
    data = json.dumps(document).encode()
    row = next(row for row in read_bytes(data).rows if row["status"] == "ok")
    return row, document_in(data)


def test_a_row_of_the_file_passes(direct):
    row, document = direct
    assert faults_of(row, document) == []


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("latency_ms_mean", 1.0000001),
        ("latency_ms_p90", 0.5),
        ("throughput_items_per_s", 1000),
        ("peak_memory_mb", 1.01),
        ("batch_size", 7),
    ],
)
def test_a_changed_number_is_found(direct, column, change):
    row, document = direct
    (fault,) = faults_of({**row, column: row[column] * change}, document)
    assert fault.startswith(column)


def test_an_added_number_a_changed_sample_and_a_wrong_pointer_are_found(direct):
    row, document = direct
    assert faults_of({**row, "load_ms": 1234.5}, document)
    assert faults_of({**row, "samples_ms": list(reversed(row["samples_ms"]))}, document)
    assert faults_of({**row, "source_pointer": "/batch_results/9"}, document)


def test_measured_on_a_marked_record_is_found(direct):
    row, document = direct
    next(iter(document["batch_results"].values()))["is_simulated"] = True
    assert any("measured" in fault for fault in faults_of({**row, "provenance": "measured"}, document))
