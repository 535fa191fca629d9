"""Bundles: what is written comes back, and a row that was changed is refused."""

from __future__ import annotations

import gzip
import json

import pytest

from hwbench_pipeline.analysis.refreshing import refresh
from hwbench_pipeline.hardware.environment import environment_id_of
from hwbench_pipeline.imports.bundle import _contradiction
from hwbench_pipeline.imports.bundle_format import (
    bundle_document,
    list_digest,
    result_table,
    row_digest,
    typed_row,
    write_bundle,
)
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE, OUT__ENVIRONMENTS, OUT__RESULTS
from hwbench_pipeline.schema.validation import SchemaError
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import write_run
from hwbench_pipeline_tests import rows

_DESCRIPTION = {"machine": "laptop", "cpu_cores_logical": 4, "memory_total_mb": 16000.0}
ENVIRONMENT = {"environment_id": environment_id_of(_DESCRIPTION), **_DESCRIPTION}
SAMPLES_MEAN = sum(rows.SAMPLES) / len(rows.SAMPLES)


def own_rows():
    identity = {"environment_id": ENVIRONMENT["environment_id"], "throughput_items_per_s": 1000 / SAMPLES_MEAN}
    failed = rows.without_number(batch_size=2, environment_id=ENVIRONMENT["environment_id"])
    return [rows.measured(**identity), failed]


@pytest.fixture
def document():
    return json.loads(json.dumps(bundle_document(own_rows(), [ENVIRONMENT])))


@pytest.mark.parametrize("name", ["b.json", "b.json.gz"])
def test_a_written_bundle_is_imported_with_ids_and_environment(bring, tmp_path, name):
    path = write_bundle(tmp_path / name, own_rows(), [ENVIRONMENT])
    tables = bring("bundle", path)
    assert [row["result_id"] for row in tables.results] == [row["result_id"] for row in own_rows()]
    first = tables.results[0]
    assert (first["source"], first["run_id"], first["provenance"]) == ("bundle", own_rows()[0]["run_id"], "measured")
    assert first["started_at"] == rows.STARTED
    assert first["samples_ms"] == rows.SAMPLES
    assert [row["environment_id"] for row in tables.environments] == [ENVIRONMENT["environment_id"]]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_a_bundle_reaches_the_united_tables_once(bring, tmp_path):
    warehouse = tmp_path / "w"
    bring("bundle", write_bundle(tmp_path / "b.json", own_rows(), [ENVIRONMENT]), warehouse=warehouse)
    refresh(warehouse)
    assert len(read_rows(warehouse, OUT__RESULTS)[0]) == 2
    assert [row["n_results"] for row in read_rows(warehouse, OUT__ENVIRONMENTS)[0]] == [1]
    # the runs themselves arrive too: they are not counted twice, before and after another import
    write_run(warehouse, CORE_BENCH__INFERENCE, Cell("cpu", "bert"), "r", own_rows())
    refresh(warehouse)
    assert {row["source"] for row in read_rows(warehouse, OUT__RESULTS)[0]} == {"hwbench"}
    tables = bring("bundle", tmp_path / "b.json", warehouse=warehouse)
    assert (tables.results, tables.files[0]["n_duplicates"]) == ([], 2)


def _altered(path, document):
    """A copy of a bundle whose first row somebody edited."""
    copy = json.loads(json.dumps(document))
    copy["results"][0]["latency_ms_p50"] = 1.0
    path.write_text(json.dumps(copy))
    return path


@pytest.mark.parametrize("first", ["good", "altered", "both"])
def test_the_rows_of_a_bundle_are_credited_to_the_intact_file(bring, tmp_path, document, first):
    good = write_bundle(tmp_path / "b.json", own_rows(), [ENVIRONMENT])
    altered = _altered(tmp_path / "a.json", document)
    bring("bundle", *{"good": [good], "altered": [altered], "both": []}[first])
    tables = bring("bundle", good, altered)
    assert {row["source_path"] for row in tables.results} == {str(good)}
    assert [(file["n_duplicates"], file["n_quarantined"]) for file in tables.files] == [(1, 1), (0, 0)]


@pytest.mark.parametrize("names", [("a.json", "b.json"), ("b.json", "a.json")])
def test_the_rows_of_a_bundle_stay_with_the_file_that_brought_them(bring, tmp_path, names):
    for name, logged in zip(names, (["x"], ["y"]), strict=True):
        tables = bring("bundle", write_bundle(tmp_path / name, own_rows(), [ENVIRONMENT], log=logged))
    assert {row["source_path"] for row in tables.results} == {str(tmp_path / names[0])}


def test_a_bundle_holds_the_environments_that_its_rows_name_and_no_other(read, document):
    other = _DESCRIPTION | {"machine": "idle"}
    idle = {"environment_id": environment_id_of(other), **other}
    assert bundle_document(own_rows(), [idle, ENVIRONMENT])["environments"] == [ENVIRONMENT]
    document["environments"].append(json.loads(json.dumps(idle)))
    reading = read("bundle", document)
    assert (reading.status, len(reading.rows), list(reading.environments)) == (
        "ingested",
        2,
        [ENVIRONMENT["environment_id"]],
    )
    assert "/environments/1: no row names it" in reading.error


def test_two_bundles_with_the_same_run_count_it_once(bring, tmp_path):
    write_bundle(tmp_path / "a.json", own_rows()[:1], [ENVIRONMENT])
    write_bundle(tmp_path / "b.json", own_rows(), [ENVIRONMENT])
    tables = bring("bundle", tmp_path / "a.json", tmp_path / "b.json")
    assert len(tables.results) == 2
    assert [file["n_duplicates"] for file in tables.files] == [0, 1]


@pytest.mark.parametrize(
    "change",
    [
        lambda document: [document[name].pop() for name in ("results", "row_sha256")],
        lambda document: [document[name].append(document[name][0]) for name in ("results", "row_sha256")],
        lambda document: [document[name].reverse() for name in ("results", "row_sha256")],
        lambda document: document.update(rows_sha256=None),
        lambda document: document.pop("rows_sha256"),
        lambda document: [document["results"].pop(), document["row_sha256"].pop(), document.pop("rows_sha256")],
    ],
)
def test_a_bundle_with_rows_taken_out_or_put_in_is_refused_whole(bring, tmp_path, document, change):
    change(document)
    path = tmp_path / "b.json"
    path.write_text(json.dumps(document))
    tables = bring("bundle", path)
    assert tables.results == []
    assert tables.files[0]["status"] == "quarantined"
    assert "rows were taken out, put in or moved" in tables.files[0]["error"]


def _resigned(document):
    """The row's digest made anew, as somebody who knows the format would."""
    row = document["results"][0]
    document["row_sha256"][0] = row_digest(typed_row(result_table(row), row))
    document["rows_sha256"] = list_digest(document["row_sha256"])


@pytest.mark.parametrize(
    ("change", "resigns", "reason"),
    [
        (lambda row: row.update(latency_ms_mean=1.0, latency_ms_min=1.0), False, "it was changed after it was written"),
        (lambda row: row.update(latency_ms_mean=11.0), True, "its samples give"),
        (lambda row: row.update(throughput_items_per_s=1e6), True, "batch size and samples give"),
        (lambda row: row.update(samples_ms=[1.0] * 10), True, "its samples give"),
        (lambda row: row.update(model="vit", config_sha256="0" * 64), True, "the natural key gives"),
        (lambda row: row.update(provenance="predicted"), True, "provenance is predicted"),
        (lambda row: row.update(samples_ms=None, n_samples=None), True, "lacks samples_ms"),
        (lambda row: row.update(surprise=1), True, "not a column"),
        (lambda row: row.update(batch_size="8"), True, "batch_size"),
        (lambda row: row.update(environment_id="f" * 32), True, "not in the bundle"),
        (lambda row: row.update(started_at="yesterday"), True, "started_at"),
    ],
)
def test_a_changed_row_is_refused_and_the_others_stay(read, document, change, resigns, reason):
    change(document["results"][0])
    if resigns:
        _resigned(document)
    reading = read("bundle", document)
    assert [row["status"] for row in reading.rows] == ["failed"]
    assert reading.n_quarantined == 1
    assert reason in reading.error


def test_a_changed_environment_takes_its_rows_with_it(read, document):
    document["environments"][0]["machine"] = "supercomputer"
    reading = read("bundle", document)
    assert (reading.status, reading.n_quarantined) == ("quarantined", 2)
    assert "not the hash" in reading.error


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda document: document["environments"][0].update(machine="supercomputer"), "not the hash"),
        (lambda document: document["environments"].clear(), "not in the bundle"),
        (lambda document: document.update(environments=None), "/environments is no list"),
        (lambda document: document["environments"].append(1), "/environments/1 is no object"),
        (lambda document: document["environments"][0].update(surprise=1), "not a column"),
        (lambda document: document["results"].reverse(), "changed after it was written"),
        (lambda document: document["results"][0].update(harness_version="9"), "changed after it was written"),
        (lambda document: document["row_sha256"].pop(), "lists of one length"),
        (lambda document: document.pop("rows_sha256"), "rows_sha256"),
        (lambda document: document.update(log=["other"]), "/log is not the one"),
        (lambda document: document.pop("log_sha256"), "/log is not the one"),
        (lambda document: [document.pop(name) for name in ("log", "log_sha256")], "/log is not the one"),
        (lambda document: document.update(version=2), "of a newer hwbench"),
        (lambda document: document.update(format="other"), 'without "format"'),
    ],
)
def test_whatever_is_wrong_the_message_ends_with_one_fix(read, document, change, expected):
    change(document)
    error = read("bundle", document).error
    assert expected in error
    assert error.count("Fix:") == 1
    assert "none needed" not in error
    assert ". Fix: " in error.splitlines()[-1]
    assert not error.rpartition(". Fix: ")[2].endswith(("and", ";"))


@pytest.mark.parametrize("content", [b"", b" \n", b"plain text", b"\x1f\x8b"])
def test_a_file_that_is_no_bundle_says_which_to_name(read, content):
    error = read("bundle", content).error
    assert "empty" in error or content.strip()
    assert error.count("Fix:") == 1
    assert "none needed" not in error


def test_an_empty_bundle_says_that_it_is_empty(read):
    reading = read("bundle", bundle_document([], []))
    assert (reading.status, reading.error.count("Fix:")) == ("no_results", 1)


def test_numbers_that_lost_their_point_are_the_same_numbers(read, document):
    document["environments"][0]["memory_total_mb"] = 16000
    document["results"][0]["samples_ms"][0] = 11
    assert read("bundle", document).n_quarantined == 0


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ({"format": "other"}, "no_results"),
        ({"format": "hwbench-bundle", "version": 99}, "quarantined"),
        ({"format": "hwbench-bundle", "version": 1, "results": [{}], "row_sha256": []}, "quarantined"),
        ({"format": "hwbench-bundle", "version": 1, "results": [1, None, []], "row_sha256": [1, 2, 3]}, "quarantined"),
        ({"format": "hwbench-bundle", "version": 1, "results": [], "row_sha256": []}, "quarantined"),
        (bundle_document([], []), "no_results"),
        (gzip.compress(b"{}")[:-9], "quarantined"),
        (b"\x1f\x8bnonsense", "quarantined"),
        (gzip.compress(b"plain text"), "no_results"),
    ],
)
def test_what_is_no_bundle_says_why(read, content, status):
    reading = read("bundle", content)
    assert (reading.status, reading.rows) == (status, ())
    assert reading.error


def test_a_bundle_is_not_written_of_invalid_rows(tmp_path):
    with pytest.raises(SchemaError):
        write_bundle(
            tmp_path / "b.json",
            [rows.measured(environment_id=ENVIRONMENT["environment_id"], n_samples=3)],
            [ENVIRONMENT],
        )
    with pytest.raises(ValueError, match="lacks the environments"):
        write_bundle(tmp_path / "b.json", own_rows(), [])
    assert list(tmp_path.iterdir()) == []


def test_writing_needs_the_base_install_only():
    import subprocess
    import sys

    block = "import sys\nfor name in ('pyarrow', 'duckdb', 'pandas', 'dagster', 'torch'): sys.modules[name] = None\n"
    subprocess.run([sys.executable, "-c", f"{block}import hwbench_pipeline.imports.bundle_format"], check=True)


def test_a_bundle_carries_its_log_and_tells_a_changed_one(read, document):
    document = json.loads(json.dumps(bundle_document(own_rows(), [ENVIRONMENT], log=["cpu × bert: load", "measured"])))
    assert document["log"] == ["cpu × bert: load", "measured"]
    assert read("bundle", document).error is None or "log" not in read("bundle", document).error
    document["log"].pop()
    assert "/log is not the one" in read("bundle", document).error


def test_a_bundle_of_a_newer_schema_says_so(read, document):
    document["version"] += 1
    assert "of a newer hwbench" in read("bundle", document).error
    document["version"] = "one"
    assert "newer" not in read("bundle", document).error


@pytest.mark.parametrize(("share", "holds"), [(0.85, True), (0.1, False)])
def test_a_stream_on_a_machine_of_one_core_has_one_request_in_flight(share, holds):
    """Between two of them there is time in which none is under way."""
    row = rows.measured(variant="throughput", options='{"in_flight": 1}')
    row["throughput_items_per_s"] *= share
    assert (_contradiction(row) is None) is holds
