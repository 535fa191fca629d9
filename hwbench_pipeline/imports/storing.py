"""Importing into a warehouse: read what is stored, import, and put the three tables in place together.

Belongs here: how the tables change as one. New tables are written whole into a folder of their own; renaming that folder is
the moment the import happened. The files then move into place one by one, and a process that is killed while they do leaves
the folder behind: the next import moves the rest before it does anything else. Killed before the renaming, nothing happened.
Does not belong here: what the tables hold (`importing`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from hwbench_pipeline.imports.importing import ImportTables, Progress, import_files
from hwbench_pipeline.schema.arrow import arrow_table
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
    CORE_IMPORTS__ENVIRONMENTS,
    CORE_IMPORTS__RESULTS,
    CORE_LEGACY__RESULTS,
    RAW_IMPORTS__FILES,
)
from hwbench_pipeline.schema.tables.imports import IMPORT_FORMATS
from hwbench_pipeline.warehouse.location import table_file
from hwbench_pipeline.warehouse.reading import connect, read_rows, select_table
from hwbench_pipeline.warehouse.writing import WarehouseError, cannot_write, one_writer, write_parquet

LOCK_NAME = "imports"
_BEING_WRITTEN = ".imports.tmp"
_DECIDED = ".imports.decided"
_OTHER_RESULTS = (
    (CORE_LEGACY__RESULTS, "the old results"),
    (CORE_BENCH__INFERENCE, "the bench tables"),
    (CORE_BENCH__TRAINING, "the bench tables"),
)


def import_into(
    warehouse: Path, format_name: str, paths: Sequence[Path], on_progress: Progress | None = None
) -> ImportTables:
    """Import files and folders, read as that format, into the warehouse; rows of other files stay. Returns the new tables.

    Raises `WarehouseError` where a stored table cannot be read (going on without it would lose rows) or written.
    """
    with one_writer(warehouse, LOCK_NAME):
        _finish_interrupted(warehouse)
        stored = stored_tables(warehouse)
        tables = import_files(format_name, paths, stored, _standing_results(warehouse), on_progress)
        _write(warehouse, tables)
    return tables


def import_folders(warehouse: Path, folder: Path) -> ImportTables:
    """Import every format from its own folder below `folder`, named like the format; a folder that is not there has no files.

    Returns the tables, which exist afterwards also where there was nothing to import. Raises as `import_into` does.
    """
    tables = None
    for format_name in IMPORT_FORMATS:
        if (folder / format_name).is_dir():
            tables = import_into(warehouse, format_name, [folder / format_name])
    return tables if tables is not None else import_into(warehouse, IMPORT_FORMATS[0], [])


def stored_tables(warehouse: Path) -> ImportTables:
    """The three tables as they are. Raises `WarehouseError` where one cannot be read."""
    return ImportTables(
        files=_stored(warehouse, RAW_IMPORTS__FILES),
        results=_stored(warehouse, CORE_IMPORTS__RESULTS),
        environments=_stored(warehouse, CORE_IMPORTS__ENVIRONMENTS),
    )


def _stored(warehouse: Path, table: Table) -> list[dict[str, object]]:
    rows, unreadable = read_rows(warehouse, table)
    if unreadable:
        raise WarehouseError(
            f"cannot read the stored {table.name}: {unreadable[0].path}: {unreadable[0].reason}. Fix: delete the import "
            "tables of the warehouse and import all files again; the files themselves are untouched"
        )
    return rows


def _standing_results(warehouse: Path) -> dict[str, str]:
    """The results that stand in tables other than the imports', each with where that is."""
    with connect() as connection:
        return {
            str(identity): place
            for table, place in _OTHER_RESULTS
            for (identity,) in connection.execute(
                f"SELECT result_id FROM ({select_table(connection, warehouse, table)[0]})"
            ).fetchall()
        }


def _write(warehouse: Path, tables: ImportTables) -> None:
    folder = warehouse / _BEING_WRITTEN
    for table, rows in (
        (CORE_IMPORTS__ENVIRONMENTS, tables.environments),
        (CORE_IMPORTS__RESULTS, tables.results),
        (RAW_IMPORTS__FILES, tables.files),
    ):
        write_parquet(arrow_table(table, rows), table_file(folder, table))
    try:
        folder.replace(warehouse / _DECIDED)
        _sync(warehouse)
    except OSError as error:
        raise cannot_write(warehouse / _DECIDED, error) from error
    _finish_interrupted(warehouse)


def _finish_interrupted(warehouse: Path) -> None:
    """Move the tables of a decided import into place; forget one that was never decided."""
    decided = warehouse / _DECIDED
    try:
        for path in sorted(decided.glob("*.parquet")):
            path.replace(warehouse / path.name)
        if decided.exists():
            shutil.rmtree(decided)
        shutil.rmtree(warehouse / _BEING_WRITTEN, ignore_errors=True)
    except OSError as error:
        raise cannot_write(decided, error) from error


def _sync(folder: Path) -> None:
    if os.name == "nt":  # Windows does not open folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
