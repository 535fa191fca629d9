"""The published tables account for every file and record; tables that were tampered with are found out."""

import shutil

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from hwbench_pipeline.legacy import reading
from hwbench_pipeline.legacy.ingest import ingest_into, undo
from hwbench_pipeline.legacy.publishing import FOLDER
from hwbench_pipeline.legacy.reconciliation import fix_of, reconcile
from hwbench_pipeline.schema.tables import (
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    RAW_LEGACY__FILES,
)
from hwbench_pipeline.warehouse.location import table_file


@pytest.fixture
def warehouse(build, put, run):
    """Two runs, a copy of one of them, an expected copy, a half-read file, and one that cannot be read."""
    document = build.direct(b1=build.batch(3.1, 1), b2=build.batch(6.0, 2))
    put("run.json", document)
    put("copy/run.json", document)
    put("expected/run.json", {**document, "timestamp": "2025-03-06T18:00:00"})
    half = put("half.json", build.direct(b1=build.batch(4.1, 1), b2={"success": True, "avg_latency_ms": 0}))
    put("copy/half.json", half.read_bytes())
    put("broken.json", '{"a": [1')
    put("nothing.json", "{}")
    return run().warehouse


def tamper(warehouse, table, change):
    """Write the table anew with what `change` makes of it; the type of every column stays."""
    path = table_file(warehouse, table).resolve()
    data = pq.read_table(path)
    pq.write_table(change(data).cast(data.schema), path)


def with_column(name, change):
    def _with_column(data):
        return data.set_column(data.schema.get_field_index(name), name, change(data[name]))

    return _with_column


def without(column, text):
    return lambda data: data.filter(pc.invert(pc.match_substring(data[column], text)))


def test_what_was_ingested_reconciles(warehouse):
    found = reconcile(warehouse)
    assert found.holds, [str(each) for each in found.discrepancies]
    assert (found.n_files, found.n_results) == (7, 3)
    assert found.n_records == pc.sum(pq.read_table(table_file(warehouse, RAW_LEGACY__FILES))["n_records"]).as_py() > 3


def test_nothing_ingested_reconciles(tmp_path):
    assert reconcile(tmp_path).holds


def test_a_record_that_is_lost_between_reader_and_tables_is_missed(build, put, tmp_path, monkeypatch):
    rows_of = reading._rows_of

    def lose_the_last(*arguments):
        rows, environments, without_number = rows_of(*arguments)
        return rows[:-1], environments, without_number

    monkeypatch.setattr(reading, "_rows_of", lose_the_last)
    document = build.direct(b1=build.batch(3.1, 1), b2=build.batch(6.0, 2))
    folder = put("run.json", document).parent
    put("z_copy.json", document)
    ingest_into(tmp_path / "lossy", [folder])
    found = reconcile(tmp_path / "lossy")
    assert not found.holds
    assert {each.path.rpartition("/")[2] for each in found.discrepancies} == {"run.json", "z_copy.json"}
    assert any(each.problem.startswith("n_records is 2, expected 1 = 1 rows") for each in found.discrepancies)


def test_batches_from_before_the_readers_count_reconcile(warehouse, put):
    for path in warehouse.glob("legacy_batches/*/contents.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["n_records"]), path)
    before = pq.read_table(table_file(warehouse, RAW_LEGACY__FILES))["n_records"].to_pylist()
    shutil.rmtree(warehouse / FOLDER)
    ingest_into(warehouse, [put("nothing.json", "{}")])
    assert reconcile(warehouse).holds
    assert pq.read_table(table_file(warehouse, RAW_LEGACY__FILES))["n_records"].to_pylist() == before


def test_an_undone_batch_reconciles(warehouse, put, build):
    later = put("later.json", build.direct(b1=build.batch(9.1, 1)))
    before = reconcile(warehouse)
    batch = ingest_into(warehouse, [later.parent]).batch
    assert reconcile(warehouse).n_results == before.n_results + 1
    undo(warehouse, batch.batch_id)
    assert reconcile(warehouse) == before


@pytest.mark.parametrize(
    ("table", "change", "path", "problem"),
    [
        (CORE_LEGACY__RESULTS, without("source_pointer", "/2"), "run.json", "1 rows of core_legacy__results + "),
        (
            CORE_LEGACY__RESULTS,
            without("source_pointer", "/2"),
            "run.json",
            "are of rows that core_legacy__results does not",
        ),
        (
            CORE_LEGACY__RESULTS,
            with_column("provenance", lambda values: pa.array(["measured"] * (len(values) - 1) + ["mock"])),
            "run.json",
            "measured, simulated, mock, unknown, failed are counted",
        ),
        (RAW_LEGACY__FILES, without("path", "in/run.json"), "run.json", "raw_legacy__files has no row for it"),
        (
            RAW_LEGACY__FILES,
            lambda data: pa.concat_tables([data, data.slice(0, 1)]),
            "broken.json",
            "2 rows of raw_legacy__files",
        ),
        (
            RAW_LEGACY__FILES,
            with_column("n_duplicates", lambda values: pc.add(values, 1)),
            "nothing.json",
            "n_records is 0, expected 1 = 0 rows of core_legacy__results + 1 duplicates + 0 quarantined",
        ),
        (
            CORE_LEGACY__SOURCES,
            without("relation", "itself"),
            "run.json",
            "has 0 origins for the row at /batch_results/1",
        ),
        (CORE_LEGACY__SOURCES, without("path", "copy/run.json"), "copy/run.json", "= 0 places in core_legacy__sources"),
        (
            CORE_LEGACY__QUARANTINE,
            without("path", "broken.json"),
            "broken.json",
            "core_legacy__quarantine has no place in it",
        ),
    ],
)
def test_what_was_tampered_with_is_named_and_mended_as_told(warehouse, put, table, change, path, problem):
    tamper(warehouse, table, change)
    found = reconcile(warehouse)
    assert not found.holds
    assert any(each.path.endswith(f"/{path}") and problem in each.problem for each in found.discrepancies), [
        str(each) for each in found.discrepancies
    ]
    assert f"delete the folder {warehouse / FOLDER} and ingest again" in fix_of(warehouse)
    shutil.rmtree(warehouse / FOLDER)
    ingest_into(warehouse, [put("nothing.json", "{}").parent])
    assert reconcile(warehouse).holds


def test_a_missing_and_a_broken_table_are_named(warehouse):
    table_file(warehouse, CORE_LEGACY__SOURCES).resolve().write_bytes(b"PAR1 broken PAR1")
    table_file(warehouse, CORE_LEGACY__QUARANTINE).unlink()
    found = reconcile(warehouse)
    assert not found.holds
    assert f"{table_file(warehouse, CORE_LEGACY__QUARANTINE)} does not exist" in found.unreadable
    assert any(str(table_file(warehouse, CORE_LEGACY__SOURCES)) in text for text in found.unreadable)
