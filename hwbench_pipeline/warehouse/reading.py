"""Reading tables through DuckDB, in memory.

Belongs here: finding a table's files, leaving out those that cannot be read (and saying so), and giving a table as
a DuckDB relation, rows, or pandas. Does not belong here: joining tables into answers (`analysis/`).
"""

from __future__ import annotations

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
from hwbench_pipeline.warehouse.location import Cell, table_file, table_folder

# hive values are text whatever they look like: a model named 1e5 stays a name
_CELL_KEYS = ", hive_partitioning = true, hive_types = {'cell_hardware': VARCHAR, 'cell_model': VARCHAR}"


@dataclass(frozen=True)
class UnreadableFile:
    """A file of the warehouse that cannot be read, and what to do about it."""

    path: Path
    reason: str

    def __str__(self) -> str:
        cell = Cell.of_file(self.path)
        again = (
            f"`hwbench bench --hardware {cell.hardware} --model {cell.model}` measures the cell again"
            if cell
            else "the step that made it writes it again"
        )
        return f"left out {self.path}: {self.reason}. Fix: delete it; {again}"


class UnreadableFileWarning(UserWarning):
    """A file was left out of a table because it cannot be read."""


def table_files(warehouse: Path, table: Table, cell: Cell | None = None) -> list[Path]:
    """The Parquet files of a table, or of one cell of it, in name order; empty if nobody has written it."""
    if cell is not None:
        return sorted(cell.folder(warehouse, table).glob("run=*.parquet"))
    whole = table_file(warehouse, table)
    return ([whole] if whole.is_file() else []) + sorted(
        path for path in table_folder(warehouse, table).glob("**/*.parquet") if not path.name.startswith(".")
    )


def find_unreadable(paths: Sequence[Path]) -> list[UnreadableFile]:
    """Those of the files whose Parquet footer cannot be read."""
    found = []
    for path in paths:
        try:
            pq.read_metadata(path)
        except (OSError, pa.ArrowException) as error:
            found.append(UnreadableFile(path, " ".join(str(error).split())[:200]))
    return found


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
    paths = table_files(warehouse, table, cell)
    unreadable = find_unreadable(paths)
    bad = {file.path for file in unreadable}
    good = [path for path in paths if path not in bad]
    if not good:
        return f"SELECT {cast_columns(table, ())} WHERE false", unreadable
    keys = _CELL_KEYS if Cell.of_file(good[0]) else ""
    scan = f"read_parquet([{', '.join(literal(str(path)) for path in good)}], union_by_name = true{keys})"
    present = {str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()}
    return f"SELECT {cast_columns(table, present)} FROM {scan}", unreadable


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
    with connect() as connection:
        sql, unreadable = select_table(connection, warehouse, table, cell)
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
