"""The consolidated `warehouse.duckdb`, for people who want to open it.

Belongs here: building the file, atomically, from the tables' Parquet files, and asking it questions read-only.
Does not belong here: any other writer; the file has exactly one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from hwbench_pipeline.schema.duckdb_sql import column_definitions, comments, identifier, literal
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import TABLES
from hwbench_pipeline.warehouse.location import database_file
from hwbench_pipeline.warehouse.reading import UnreadableFile, find_unreadable, select_table, table_files, use_utc
from hwbench_pipeline.warehouse.writing import WarehouseError, cannot_write, replacing


@dataclass(frozen=True)
class BuiltDatabase:
    """What a build made: the file, the rows of each table, and the files that had to be left out."""

    path: Path
    n_rows: dict[str, int]
    unreadable: list[UnreadableFile]


def build_database(
    warehouse: Path, connection: duckdb.DuckDBPyConnection, tables: Sequence[Table] = TABLES
) -> BuiltDatabase:
    """Build `warehouse.duckdb` from every table's files; readers see the old file until the new one is whole.

    `connection` is an in-memory one (see `reading.connect`); the new file is attached to it while it is filled.
    """
    path = database_file(warehouse)
    n_rows: dict[str, int] = {}
    unreadable: list[UnreadableFile] = []
    with replacing(path) as temporary:
        try:
            connection.execute(f"ATTACH {literal(str(temporary))} AS building")
        except duckdb.IOException as error:
            raise cannot_write(path, error) from error
        try:
            for table in tables:
                sql, bad = select_table(connection, warehouse, table)
                unreadable += bad
                name = f"building.{identifier(table.name)}"
                connection.execute(f"CREATE TABLE {name} ({column_definitions(table)})")
                connection.execute(f"INSERT INTO {name} {sql}")
                for statement in comments(table, name):
                    connection.execute(statement)
                counted = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
                n_rows[table.name] = counted[0] if counted else 0
        finally:
            connection.execute("DETACH building")
    return BuiltDatabase(path, n_rows, unreadable)


@dataclass(frozen=True)
class Answer:
    """What a query gave, and what the reader should know about the database it came from."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    database_built_at: datetime
    newer_files: int
    unreadable: list[UnreadableFile]


class QueryError(Exception):
    """The question cannot be answered; the message says why and what to do."""


_QUERY_FIX = (
    "Fix: ask one SELECT over the tables (`show tables` lists them, `describe out__results` the columns of one); the "
    "database is only read, and no other file is"
)


def ask_database(warehouse: Path, sql: str) -> Answer:
    """Run one SQL statement on `warehouse.duckdb`, read-only and with external access off.

    Raises `QueryError` for SQL that DuckDB refuses, `WarehouseError` where there is no database yet.
    """
    path = database_file(warehouse)
    if not path.is_file():
        raise WarehouseError(
            f"there is no {path}. Fix: `hwbench demo`, `hwbench ingest` and `hwbench bench` build it; "
            "for another folder use --warehouse"
        )
    try:
        connection = use_utc(duckdb.connect(str(path), read_only=True, config={"enable_external_access": False}))
        connection.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        raise WarehouseError(
            f"cannot open {path}: {_one_line(error)}. Fix: delete it; the next `hwbench bench` or `hwbench ingest` "
            "builds it again from the Parquet files"
        ) from error
    with connection:
        try:
            n_statements = len(connection.extract_statements(sql))
            if n_statements != 1:
                raise QueryError(f"takes one SQL statement, got {n_statements or 'no'} SQL statements. {_QUERY_FIX}")
            cursor = connection.execute(sql)
            columns = _unique([str(column[0]) for column in cursor.description or ()])
            rows = cursor.fetchall()
        except duckdb.Error as error:
            raise QueryError(f"{_one_line(error)}. {_QUERY_FIX}") from error
    built_at = path.stat().st_mtime
    n_newer, unreadable = 0, []
    for table in TABLES:
        newer = [file for file in table_files(warehouse, table) if file.stat().st_mtime > built_at]
        n_newer += len(newer)
        unreadable += find_unreadable(table, newer)
    return Answer(columns, rows, datetime.fromtimestamp(built_at, UTC), n_newer, unreadable)


def _unique(names: list[str]) -> list[str]:
    """The names with a number behind those that came before: `a, a` is `a, a_1`, so that no value is lost."""
    taken: list[str] = []
    for name in names:
        candidates = (name if n == 0 else f"{name}_{n}" for n in itertools.count())
        taken.append(next(candidate for candidate in candidates if candidate not in taken))
    return taken


def _one_line(error: Exception) -> str:
    """The message without the marks that point below a line of SQL, and without its full stop."""
    return " ".join(re.sub(r"\^+", "", str(error)).split()).rstrip(".!? ")
