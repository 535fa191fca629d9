"""Reading tables through DuckDB, in memory.

Belongs here: finding a table's files, leaving out those that cannot be read (and saying so), and giving a table as
a DuckDB relation, rows, or pandas. Does not belong here: joining tables into answers (`analysis/`).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hwbench_pipeline.schema.arrow import arrow_schema, typed_pandas
from hwbench_pipeline.schema.duckdb_sql import cast_columns, identifier, literal
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import TABLES, table_named
from hwbench_pipeline.warehouse.location import Cell, part_file, table_file, table_folder


@dataclass(frozen=True)
class UnreadableFile:
    """A file of the warehouse that cannot be read, and what to do about it.

    `is_closed` tells a file, or a folder, that this user may not read from one that is broken.
    """

    path: Path
    reason: str
    is_closed: bool = False

    def __str__(self) -> str:
        if self.is_closed:
            return f"left out {self.path}: {self.reason}. Fix: make it readable for this user"
        cell = Cell.of_file(self.path)
        mode = "training" if "core_bench__training" in self.path.parts else "inference"
        again = (
            f"`hwbench bench --hardware {cell.hardware} --model {cell.model} --mode {mode}` measures the cell again"
            if cell
            else "the step that made it writes it again"
        )
        return f"left out {self.path}: {self.reason}. Fix: delete it; {again}"


class UnreadableFileWarning(UserWarning):
    """A file was left out of a table because it cannot be read."""


def table_files(warehouse: Path, table: Table, cell: Cell | None = None) -> list[Path]:
    """The Parquet files of a table, or of one cell of it, in name order; empty if nobody has written it.

    A folder that this user may not list stands for the files in it: nothing is left out in silence.
    """
    if cell is not None:
        return _files_under(cell.folder(warehouse, table))
    whole = table_file(warehouse, table)
    return ([whole] if whole.is_file() else []) + _files_under(table_folder(warehouse, table))


def _files_under(folder: Path) -> list[Path]:
    closed: list[Path] = []

    def note(error: OSError) -> None:
        if isinstance(error, PermissionError):
            closed.append(Path(error.filename))

    found = [
        Path(root, name)
        for root, _, names in os.walk(folder, onerror=note)
        for name in names
        if name.endswith(".parquet") and not name.startswith(".")
    ]
    return sorted(found + closed)


def find_unreadable(table: Table, paths: Sequence[Path]) -> list[UnreadableFile]:
    """Those of the table's files whose Parquet footer cannot be read, or that lack a column every row must have."""
    required = {column.name for column in table.columns if not column.nullable}
    found = []
    for path in paths:
        try:
            lacking = required - set(pq.read_schema(path).names)
            if lacking:
                reason = f"an older version wrote it, without {', '.join(sorted(lacking))}"
                found.append(UnreadableFile(path, reason))
        except PermissionError:
            found.append(UnreadableFile(path, "permission denied", is_closed=True))
        except (OSError, pa.ArrowException) as error:
            found.append(_broken(path, error))
    return found


def _broken(path: Path, error: Exception) -> UnreadableFile:
    return UnreadableFile(path, " ".join(str(error).split())[:200])


def use_utc(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Make a connection speak UTC, whatever the machine's zone. Returns it."""
    connection.execute("SET TimeZone = 'UTC'")  # not accepted in the connection's config
    return connection


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB connection that speaks UTC and never looks for extensions on the network."""
    return use_utc(
        duckdb.connect(":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    )


def select_table(
    connection: duckdb.DuckDBPyConnection, warehouse: Path, table: Table, cell: Cell | None = None
) -> tuple[str, list[UnreadableFile]]:
    """SQL that selects a table, or one cell of it, from its files, with exactly the schema's columns and types.

    Returns the SQL and the files that had to be left out. A table without files gives no rows.
    Columns that older files lack are NULL.
    """
    return _select(connection, table, table_files(warehouse, table, cell))


def _select(
    connection: duckdb.DuckDBPyConnection, table: Table, paths: Sequence[Path]
) -> tuple[str, list[UnreadableFile]]:
    unreadable = find_unreadable(table, paths)
    bad = {file.path for file in unreadable}
    good = [path for path in paths if path not in bad]
    try:
        return _checked_scan(connection, table, good), unreadable
    except duckdb.Error:  # a footer may be whole where the data are not: find the file, at the price of reading each
        broken = []
        for path in good:
            try:
                _checked_scan(connection, table, [path])
            except duckdb.Error as error:
                broken.append(_broken(path, error))
        if not broken:
            raise
        bad = {file.path for file in broken}
        return _checked_scan(connection, table, [path for path in good if path not in bad]), unreadable + broken


def _checked_scan(connection: duckdb.DuckDBPyConnection, table: Table, paths: Sequence[Path]) -> str:
    """SQL that selects the table from these files. Raises `duckdb.Error` where it cannot be read to the end."""
    if not paths:
        return f"SELECT {cast_columns(table, ())} WHERE false"
    # what a row says stands in the row: no folder's name, `cell_hardware=…` or any other, becomes a column
    scan = (
        f"read_parquet([{', '.join(literal(str(path)) for path in paths)}], "
        "union_by_name = true, hive_partitioning = false)"
    )
    present = {str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()}
    sql = f"SELECT {cast_columns(table, present)} FROM {scan}"
    connection.execute(f"SELECT bit_xor(hash(scanned)) FROM ({sql}) AS scanned").fetchall()
    return sql


def register_tables(
    connection: duckdb.DuckDBPyConnection, warehouse: Path, tables: Sequence[Table] = TABLES
) -> list[UnreadableFile]:
    """Create one view per table. Returns the files that had to be left out."""
    unreadable: list[UnreadableFile] = []
    for table in tables:
        sql, bad = select_table(connection, warehouse, table)
        connection.execute(f"CREATE OR REPLACE VIEW {identifier(table.name)} AS {sql}")
        unreadable += bad
    return unreadable


def read_arrow(warehouse: Path, table: Table, cell: Cell | None = None) -> tuple[pa.Table, list[UnreadableFile]]:
    """A table, or one cell of it, as pyarrow with exactly the schema's types, and the files left out."""
    return _read(table, table_files(warehouse, table, cell))


def _read(table: Table, paths: Sequence[Path]) -> tuple[pa.Table, list[UnreadableFile]]:
    with connect() as connection:
        sql, unreadable = _select(connection, table, paths)
        return connection.sql(sql).to_arrow_table().cast(_nullable(arrow_schema(table))), unreadable


def _nullable(schema: pa.Schema) -> pa.Schema:
    # what was written was checked; a file of an older schema may lack what is required now, and must stay readable
    return pa.schema([field.with_nullable(nullable=True) for field in schema], metadata=schema.metadata)


def read_rows(
    warehouse: Path, table: Table, cell: Cell | None = None
) -> tuple[list[dict[str, Any]], list[UnreadableFile]]:
    """A table, or one cell of it, as Python rows, and the files left out."""
    data, unreadable = read_arrow(warehouse, table, cell)
    return data.to_pylist(), unreadable


def read_part(warehouse: Path, table: Table, part: str) -> tuple[list[dict[str, Any]], list[UnreadableFile]]:
    """One part of a table that `write_part` wrote, as Python rows, and the file if it was left out; none if it is not there."""
    path = part_file(warehouse, table, part)
    data, unreadable = _read(table, [path] if path.exists() else [])
    return data.to_pylist(), unreadable


def read_pandas(name: str, warehouse: Path) -> pd.DataFrame:
    """A table as a typed DataFrame. Warns `UnreadableFileWarning` for each file left out.

    Raises KeyError for an unknown name, FileNotFoundError where the table has no files.
    """
    table = table_named(name)
    if not table_files(warehouse, table):
        raise FileNotFoundError(
            f"{table.name} is not in {warehouse} yet. Fix: run `hwbench demo`, `hwbench ingest` or `hwbench bench` "
            "first, or name the right folder with warehouse=… or HWBENCH_WAREHOUSE"
        )
    data, unreadable = read_arrow(warehouse, table)
    for file in unreadable:
        warnings.warn(str(file), UnreadableFileWarning, stacklevel=3)
    return typed_pandas(data)
