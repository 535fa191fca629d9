"""Parquet and DuckDB as rows, without touching the file."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hwbench_pipeline.legacy import columnar
from hwbench_pipeline.legacy.columnar import parse_duckdb
from hwbench_pipeline.legacy.documents import UnreadableDocumentError, parse_document


def parquet(table):
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


@pytest.fixture
def database(tmp_path):
    """Bytes of a database made by statements."""

    def _database(*statements):
        path = tmp_path / "source.duckdb"
        with duckdb.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        return path

    return _database


def test_parquet_rows():
    table = pa.table(
        {
            "model": ["bert", None],
            "latency_ms": [1.5, float("inf")],
            "batch": pa.array([1, 2], pa.int8()),
            "when": pa.array([dt.datetime(2025, 3, 1, 18, 38, 48, 444000)] * 2, pa.timestamp("ns")),  # noqa: DTZ001
            "price": pa.array([Decimal("1.25"), None]),
            "samples": [[1.5, 2.5], []],
            "image": [b"\0", b"\1"],
            "config": [{"precision": "fp32"}, {"precision": None}],
        }
    )
    first, second = parse_document(parquet(table), "a.parquet")
    assert first == {
        "model": "bert",
        "latency_ms": 1.5,
        "batch": 1,
        "when": "2025-03-01T18:38:48.444000",
        "price": 1.25,
        "samples": [1.5, 2.5],
        "config": {"precision": "fp32"},
    }
    assert second["config"] == {}
    assert "model" not in second


def test_duckdb_tables_without_views_and_blobs(database):
    path = database(
        "CREATE TABLE performance_results (result_id INTEGER, model VARCHAR, latency_ms DOUBLE, raw BLOB, "
        "created_at TIMESTAMP, big HUGEINT, tags VARCHAR[])",
        "INSERT INTO performance_results VALUES (1, 'bert', 1.5, 'x'::BLOB, '2025-03-03 05:31:01.215', 5, ['a']), "
        "(2, NULL, NULL, NULL, NULL, NULL, NULL)",
        "CREATE VIEW latest AS SELECT * FROM performance_results",
        "CREATE SCHEMA old",
        "CREATE SCHEMA legacy_copy",
        'CREATE TABLE old."odd ""name" (a INTEGER)',
    )
    before = path.read_bytes()
    document = parse_document(before, "old.db")
    assert document["performance_results"] == [
        {
            "result_id": 1,
            "model": "bert",
            "latency_ms": 1.5,
            "created_at": "2025-03-03T05:31:01.215000",
            "big": 5,
            "tags": ["a"],
        },
        {"result_id": 2},
    ]
    assert document['old.odd "name'] == []
    assert set(document) == {"performance_results", 'old.odd "name'}
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["source.duckdb"]


def test_duckdb_that_another_connection_holds(database):
    path = database("CREATE TABLE t AS SELECT 1 AS a")
    with duckdb.connect(path):
        assert parse_duckdb(path.read_bytes()) == {"t": [{"a": 1}]}


def test_a_database_reaches_nothing_outside(database, tmp_path):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    path = database(f"CREATE VIEW v AS SELECT * FROM read_csv('{tmp_path}/secret.csv')", "CREATE TABLE t (a INTEGER)")
    assert parse_duckdb(path.read_bytes()) == {"t": []}


@pytest.mark.parametrize("cut", [13, 5000, 100_000])
def test_a_cut_database_is_refused(database, cut):
    with pytest.raises(UnreadableDocumentError, match=r"DuckDB database that cannot be opened.*Fix: "):
        parse_document(database("CREATE TABLE t AS SELECT range AS a FROM range(100000)").read_bytes()[:cut], "a.db")


def test_a_cut_parquet_is_refused():
    data = parquet(pa.table({"a": [1.5] * 1000}))
    with pytest.raises(UnreadableDocumentError, match=r"Parquet file that cannot be read.*Fix: "):
        parse_document(data[: len(data) // 2], "a.parquet")


def test_what_is_too_big_for_results_is_refused(database, monkeypatch):
    monkeypatch.setattr(columnar, "MOST_CELLS", 10)
    with pytest.raises(UnreadableDocumentError, match=r"11 cells.*Fix: "):
        parse_document(database("CREATE TABLE t AS SELECT range AS a FROM range(11)").read_bytes(), "a.db")
    with pytest.raises(UnreadableDocumentError, match=r"11 cells.*Fix: "):
        parse_document(parquet(pa.table({"a": [1] * 11})), "a.parquet")


def test_rows_that_unpack_to_too_much_are_refused(monkeypatch):
    monkeypatch.setattr(columnar, "_MOST_BYTES", 1000)
    with pytest.raises(UnreadableDocumentError, match=r"once unpacked.*Fix: "):
        parse_document(parquet(pa.table({"a": ["x" * 2000]})), "a.parquet")


def test_time_stamps_of_columns_reach_the_results(put, run, tmp_path):
    moment = dt.datetime(2025, 1, 2, 3, 4, 5, 678000)  # noqa: DTZ001 - columns without a zone are the case
    rows = {"model": ["bert"], "device": ["cpu"], "latency_ms": [12.3456789]}
    for name, kind in (("utc", pa.timestamp("ns", "UTC")), ("naive", pa.timestamp("ms"))):
        put(f"{name}.parquet", parquet(pa.table({**rows, "started_at": pa.array([moment], kind)})))
    with duckdb.connect(tmp_path / "a.duckdb") as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT 'bert' AS model, 'cpu' AS device, 12.5678901 AS latency_ms, "
            "TIMESTAMP '2025-01-02 03:04:05.678' AS started_at"
        )
    put("a.duckdb", (tmp_path / "a.duckdb").read_bytes())
    found = {Path(row["source_path"]).stem: row for row in run().results}
    assert found["utc"]["started_at"] == moment.replace(tzinfo=dt.UTC)
    for name in ("naive", "a"):
        assert found[name]["started_at"] is None
        assert found[name]["started_at_text"].startswith("2025-01-02T03:04:05.678")


def test_a_refusal_says_the_same_each_time(database):
    """The name of the private copy, which differs from time to time, is not in it."""
    cut = database("CREATE TABLE t AS SELECT range AS a FROM range(100000)").read_bytes()[:-5000]
    said = set()
    for _ in range(2):
        with pytest.raises(UnreadableDocumentError) as refused:
            parse_duckdb(cut)
        said.add(str(refused.value))
    assert len(said) == 1
    assert "hwbench-legacy" not in said.pop()
