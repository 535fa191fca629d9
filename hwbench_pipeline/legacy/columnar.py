"""Parquet files and DuckDB databases as rows, so that shapes see them like JSON lists of flat objects.

Belongs here: reading both without trusting or touching them. Does not belong here: text formats (`documents`,
`tabular`) or what a column means (`shapes/`). Binary columns hold no quantity and are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from hwbench_pipeline.legacy.document_errors import UnreadableDocumentError
from hwbench_pipeline.legacy.private_copies import private_folder
from hwbench_pipeline.legacy.tabular import MOST_CELLS
from hwbench_pipeline.schema.duckdb_sql import identifier

_ROWS_AT_ONCE = 1000
_MOST_BYTES = 512 * 1024 * 1024
_DEEPEST_TYPE = 3
_OPAQUE_TYPES = ("BLOB", "BIT", "INTERVAL", "UNION", "GEOMETRY", "VARIANT")
_TIMES_OF_DAY = frozenset({"TIME", "TIME_NS", "TIME WITH TIME ZONE", "TIMETZ"})
_COPY = "legacy_copy"  # DuckDB calls a database by the name of its file
_TABLES = (
    "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary "
    "AND database_name = current_database() ORDER BY ALL"
)


def parse_parquet(data: bytes) -> list[dict[str, Any]]:
    """The rows of a Parquet file as objects by column name, NULL cells absent.

    Raises UnreadableDocumentError for a broken file and for one that is too big to be a table of results.
    """
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        _require_size(file.metadata.num_rows, file.metadata.num_columns)
        _require_distinct(file.schema_arrow.names)
        names = [field.name for field in file.schema_arrow if _is_readable(field.type)]
        return list(_rows(file.iter_batches(_ROWS_AT_ONCE, columns=names)))
    except UnreadableDocumentError:
        raise
    except Exception as error:  # noqa: BLE001 - a library that reads hostile bytes raises what it likes
        raise UnreadableDocumentError(
            f"a Parquet file that cannot be read: {_said(error)}; expected a complete one. "
            "Fix: restore it from its writer or backup"
        ) from None


def parse_duckdb(data: bytes) -> dict[str, list[dict[str, Any]]]:
    """The tables of a DuckDB database, each a list of rows as objects by column name, NULL cells absent.

    A private copy is opened read-only, without access to anything else: the original is neither locked nor changed,
    whoever holds it. Views are not looked at: they repeat rows of tables. Raises UnreadableDocumentError for a broken
    file and for one that is too big to be a database of results.
    """
    copy: Path | None = None
    try:
        with private_folder() as folder:
            copy = folder / f"{_COPY}.duckdb"
            copy.write_bytes(data)
            options: dict[str, str | bool | int | float | list[str]] = {
                "enable_external_access": False,
                "autoload_known_extensions": False,
                "autoinstall_known_extensions": False,
                "lock_configuration": True,
                "threads": 1,
            }
            with duckdb.connect(copy, read_only=True, config=options) as connection:
                return _tables(connection)
    except UnreadableDocumentError:
        raise
    except Exception as error:  # noqa: BLE001 - a library that reads hostile bytes raises what it likes
        # the private copy's name differs from time to time, and means nothing to the reader
        said = _said(error).replace(f'"{copy}"', "it").replace(str(copy), "it")
        raise UnreadableDocumentError(
            f"a DuckDB database that cannot be opened: {said}; expected a complete one that DuckDB "
            f"{duckdb.__version__} reads. Fix: restore it from a backup, or export it with the version that wrote it"
        ) from None


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {}
    n_cells = 0
    for schema, table in connection.execute(_TABLES).fetchall():
        place = f"{identifier(_COPY)}.{identifier(schema)}.{identifier(table)}"
        ((n_rows,),) = connection.execute(f"SELECT count(*) FROM {place}").fetchall()
        # of this table alone: `duckdb_columns()` first binds every system view, which takes longer than all the rest
        columns = [
            name
            for name, type_name, *_ in connection.execute(f"DESCRIBE {place}").fetchall()
            if not type_name.upper().startswith(_OPAQUE_TYPES) and type_name.upper() not in _TIMES_OF_DAY
        ]
        n_cells += n_rows * max(len(columns), 1)
        _require_size(n_cells, 1)
        name = table if schema == "main" else f"{schema}.{table}"
        listed = ", ".join(map(identifier, columns))
        tables[name] = (
            list(_rows(connection.sql(f"SELECT {listed} FROM {place}").to_arrow_reader(_ROWS_AT_ONCE)))
            if columns
            else []
        )
    return tables


def _require_distinct(names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise UnreadableDocumentError(
            "a Parquet file with two columns of one name, expected one column per name. Fix: rename or remove one"
        )


def _require_size(n_rows: int, n_columns: int) -> None:
    if n_rows * n_columns > MOST_CELLS:
        raise UnreadableDocumentError(
            f"tables of {n_rows * n_columns} cells, expected at most {MOST_CELLS}: more is no table of results. "
            "Fix: export the result tables alone"
        )


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    n_bytes = 0
    for batch in batches:
        n_bytes += batch.nbytes
        if n_bytes > _MOST_BYTES:
            raise UnreadableDocumentError(
                f"tables of more than {_MOST_BYTES} bytes once unpacked, expected less. Fix: export the result tables alone"
            )
        columns = [[_plain(value) for value in _without_nanoseconds(column).to_pylist()] for column in batch.columns]
        for cells in zip(*columns, strict=True):
            yield {name: cell for name, cell in zip(batch.schema.names, cells, strict=True) if cell is not None}


def _is_readable(kind: pa.DataType, depth: int = 0) -> bool:
    if depth > _DEEPEST_TYPE:
        return False
    if pa.types.is_struct(kind):
        return all(_is_readable(kind.field(position).type, depth + 1) for position in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_dictionary(kind):
        return _is_readable(kind.value_type, depth + 1)
    return (
        pa.types.is_primitive(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
    ) and not pa.types.is_interval(kind)


def _without_nanoseconds(column: pa.Array) -> pa.Array:
    """Nanosecond time stamps as microseconds, which Python's own type can hold."""
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column


def _plain(value: Any, depth: int = 0) -> Any:
    """A cell as JSON would hold it; None for what JSON has no word for."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if depth > _DEEPEST_TYPE:
        return None
    if isinstance(value, list):
        return [_plain(member, depth + 1) for member in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(member, depth + 1) for key, member in value.items() if member is not None}
    return None


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:400] if lines else type(error).__name__
