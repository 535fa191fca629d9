"""warehouse.duckdb: built atomically, asked read-only."""

from __future__ import annotations

import threading

import duckdb
import pytest

from hwbench_pipeline.schema.table import Column, ColumnType, Table
from hwbench_pipeline.schema.tables import CORE_BENCH__ENVIRONMENTS, CORE_BENCH__INFERENCE, OUT__RESULTS, TABLES
from hwbench_pipeline.warehouse.database import QueryError, ask_database, build_database
from hwbench_pipeline.warehouse.location import Cell, database_file
from hwbench_pipeline.warehouse.reading import connect
from hwbench_pipeline.warehouse.writing import WarehouseError, write_run, write_table
from hwbench_pipeline_tests import rows


def build(warehouse, **options):
    with connect() as connection:
        return build_database(warehouse, connection, **options)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_holds_every_table_with_its_types_and_rows(built):
    answer = ask_database(built, "show tables")
    assert [row[0] for row in answer.rows] == sorted(table.name for table in TABLES)
    described = ask_database(built, "describe core_bench__inference")
    assert [row[0] for row in described.rows] == list(CORE_BENCH__INFERENCE.column_names)
    answer = ask_database(built, "select model, samples_ms, peak_memory_mb, started_at from core_bench__inference")
    assert answer.columns == ["model", "samples_ms", "peak_memory_mb", "started_at"]
    ((model, samples, memory, started_at),) = answer.rows
    assert (model, samples, memory) == ("bert", rows.SAMPLES, None)
    assert started_at == rows.STARTED


def test_it_says_what_was_built(built):
    made = build(built)
    assert made.path == built / "warehouse.duckdb"
    assert made.n_rows == {table.name: int(table is CORE_BENCH__INFERENCE) for table in TABLES}
    assert made.unreadable == []
    assert names_in(built) == ["core_bench__inference", "warehouse.duckdb"]


def test_descriptions_and_units_are_comments_in_it(built):
    comments = dict(ask_database(built, "select table_name, comment from duckdb_tables()").rows)
    assert comments == {table.name: table.description for table in TABLES}
    ((comment,),) = ask_database(
        built,
        "select comment from duckdb_columns() where table_name = 'out__results' and column_name = 'peak_memory_mb'",
    ).rows
    assert comment == OUT__RESULTS.column_by_name["peak_memory_mb"].description + " [MB]"
    ((missing,),) = ask_database(
        built, "select count(*) from duckdb_columns() where comment is null and not internal"
    ).rows
    assert missing == 0


def test_a_quote_in_a_description_is_no_sql(tmp_path):
    table = Table("it's", 'A "quoted" table; DROP', (Column("a'b\"c", ColumnType.STRING, "It's; --", unit="m'"),), ())
    made = build(tmp_path, tables=[table])
    with duckdb.connect(str(made.path), read_only=True) as connection:
        assert connection.execute(
            "select column_name, comment from duckdb_columns() where table_name = 'it''s'"
        ).fetchall() == [("a'b\"c", "It's; -- [m']")]


def test_the_old_one_can_be_read_until_the_new_one_is_whole(built):
    """A query that holds the old file open goes on while the new one takes its place."""
    with duckdb.connect(str(database_file(built)), read_only=True) as old:
        write_run(built, CORE_BENCH__INFERENCE, Cell("cpu", "vit"), "r", [rows.measured(model="vit")])
        build(built)
        assert old.execute("select count(*) from core_bench__inference").fetchone() == (1,)
    assert ask_database(built, "select count(*) from core_bench__inference").rows == [(2,)]


def test_who_asks_while_it_is_built_gets_the_old_or_the_new(built):
    done = threading.Event()
    counts, errors = set(), []

    def ask():
        while not done.is_set():
            try:
                counts.add(ask_database(built, "select count(*) from core_bench__inference").rows[0][0])
            except Exception as error:  # noqa: BLE001 - any error is what this test looks for
                errors.append(error)

    reader = threading.Thread(target=ask)
    reader.start()
    for n in range(3):
        write_run(built, CORE_BENCH__INFERENCE, Cell("cpu", "vit"), f"r{n}", [rows.measured(run_id=f"r{n}")])
        build(built)
    done.set()
    reader.join()
    assert errors == []
    assert counts <= {1, 2, 3, 4}
    assert counts


def test_a_failing_build_keeps_the_old_one_and_leaves_nothing_behind(built):
    before = database_file(built).read_bytes()
    bad = Table("bad", "x", (Column("a", ColumnType.STRING, "A."),), ())
    write_table(built, CORE_BENCH__ENVIRONMENTS, [rows.environment()])
    with pytest.raises(duckdb.Error), connect() as connection:
        build_database(built, connection, tables=[*TABLES, bad, bad])  # a table twice
    assert database_file(built).read_bytes() == before
    assert [name for name in names_in(built) if "duckdb" in name] == ["warehouse.duckdb"]
    assert ask_database(built, "select count(*) from core_bench__inference").rows == [(1,)]


def test_the_same_connection_can_build_again_after_a_failure(built):
    bad = Table("bad", "x", (Column("a", ColumnType.STRING, "A."),), ())
    with connect() as connection:
        with pytest.raises(duckdb.Error):
            build_database(built, connection, tables=[bad, bad])
        assert build_database(built, connection).n_rows["core_bench__inference"] == 1


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("COPY out__results TO '{outside}'", "disabled by configuration"),
        ("COPY (SELECT 1) TO '{outside}' (FORMAT parquet)", "disabled by configuration"),
        ("EXPORT DATABASE '{outside}'", "disabled by configuration"),
        ("SELECT * FROM read_csv('{secret}')", "disabled by configuration"),
        ("SELECT * FROM read_text('{secret}')", "disabled by configuration"),
        ("SELECT * FROM read_parquet('{secret}')", "disabled by configuration"),
        ("SELECT * FROM glob('{folder}/*')", "disabled by configuration"),
        ("SELECT * FROM '{secret}'", "disabled by configuration"),
        ("ATTACH '{outside}' AS other", "disabled by configuration"),
        ("ATTACH ':memory:' AS other", "read-only"),
        ("INSTALL httpfs", "disabled"),
        ("LOAD httpfs", "disabled"),
        ("SET enable_external_access = true", "locked"),
        ("SET TimeZone = 'America/New_York'", "locked"),
        ("RESET lock_configuration", "locked"),
        ("CREATE TABLE mine (a INT)", "read-only"),
        ("CREATE OR REPLACE VIEW out__results AS SELECT 1", "read-only"),
        ("INSERT INTO core_bench__environments (environment_id) VALUES ('x')", "read-only"),
        ("UPDATE core_bench__inference SET provenance = 'measured'", "read-only"),
        ("DELETE FROM core_bench__inference", "read-only"),
        ("DROP TABLE core_bench__inference", "read-only"),
        ("selec 1", "syntax error"),
        ("SELECT nosuch FROM out__results", '"nosuch" not found'),
        ("SELECT * FROM nosuch", "nosuch does not exist"),
        ("SELECT 'a'::INT", "Could not convert"),
        ("", "no SQL statement"),
        ("  ;  ", "no SQL statement"),
        ("-- nothing", "no SQL statement"),
        ("SELECT 1; SELECT 2", "2 SQL statements"),
        ("SELECT 1; DROP TABLE core_bench__inference", "2 SQL statements"),
    ],
)
def test_it_can_only_be_read_and_nothing_else_can(built, tmp_path, sql, said):
    secret, outside = tmp_path / "secret.csv", tmp_path / "outside"
    secret.write_text("a,b\n1,2\n")
    before = database_file(built).read_bytes()
    with pytest.raises(QueryError) as caught:
        ask_database(built, sql.format(secret=secret, outside=outside, folder=tmp_path))
    message = str(caught.value)
    assert said in message
    assert "Fix: " in message
    assert "\n" not in message
    assert not outside.exists()
    assert database_file(built).read_bytes() == before
    assert ask_database(built, "select count(*) from core_bench__inference").rows == [(1,)]


def test_columns_of_the_same_name_are_all_there(built):
    answer = ask_database(built, "select 1 as a, 2 as a, 3 as a_1, 4 as a")
    assert len(set(answer.columns)) == 4
    assert answer.columns[0] == "a"
    assert answer.rows == [(1, 2, 3, 4)]


def test_no_database_says_how_to_get_one(tmp_path):
    with pytest.raises(WarehouseError, match=r"there is no .*warehouse\.duckdb\. Fix: .*hwbench demo"):
        ask_database(tmp_path / "nowhere", "select 1")


@pytest.mark.parametrize("content", [b"", b"this is no database", b"\x00" * 20_000])
def test_a_broken_database_says_how_to_mend_it(built, content):
    database_file(built).write_bytes(content)
    with pytest.raises(WarehouseError, match=r"cannot open .*warehouse\.duckdb: .*Fix: delete it; ") as caught:
        ask_database(built, "select 1")
    assert "\n" not in str(caught.value)


def test_a_truncated_database_says_how_to_mend_it(built):
    path = database_file(built)
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises((WarehouseError, QueryError), match="Fix: "):
        ask_database(built, "select * from core_bench__inference")


def test_newer_files_and_broken_ones_are_told(built):
    assert ask_database(built, "select 1").newer_files == 0
    path = write_run(built, CORE_BENCH__INFERENCE, Cell("cpu", "vit"), "r", [rows.measured(model="vit")])
    answer = ask_database(built, "select 1")
    assert (answer.newer_files, answer.unreadable) == (1, [])
    path.write_bytes(path.read_bytes()[:100])
    answer = ask_database(built, "select 1")
    assert (answer.newer_files, [file.path for file in answer.unreadable]) == (1, [path])
    assert answer.rows == [(1,)]
