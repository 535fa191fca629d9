"""Ingesting into a warehouse: read what is stored, ingest, write the three tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from pathlib import Path

from hwbench_pipeline.legacy.ingest import Ingested, Previous, Progress, ingest
from hwbench_pipeline.schema.table import Row, Table
from hwbench_pipeline.schema.tables import CORE_LEGACY__ENVIRONMENTS, CORE_LEGACY__RESULTS, RAW_LEGACY__FILES
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import WarehouseError, one_writer, write_table


def ingest_into(
    warehouse: Path,
    paths: Sequence[Path],
    *,
    naive_zone: tzinfo | None = None,
    on_progress: Progress | None = None,
) -> Ingested:
    """Ingest files and folders into the warehouse's legacy tables; rows of other files stay.

    Raises FileNotFoundError for a path that is not there, `WarehouseError` where a stored table cannot be read:
    going on without it would lose rows.
    """
    with one_writer(warehouse, "legacy"):
        previous = Previous(
            files=_stored(warehouse, RAW_LEGACY__FILES),
            results=_stored(warehouse, CORE_LEGACY__RESULTS),
            environments=_stored(warehouse, CORE_LEGACY__ENVIRONMENTS),
        )
        ingested = ingest(paths, previous, naive_zone=naive_zone, on_progress=on_progress)
        # results before the account of files: a crash in between leaves files to be read again, never rows without one
        write_table(warehouse, CORE_LEGACY__ENVIRONMENTS, ingested.environments)
        write_table(warehouse, CORE_LEGACY__RESULTS, ingested.results)
        write_table(warehouse, RAW_LEGACY__FILES, ingested.files)
    return ingested


def _stored(warehouse: Path, table: Table) -> list[Row]:
    rows, unreadable = read_rows(warehouse, table)
    if unreadable:
        raise WarehouseError(
            f"cannot read the stored {table.name}: {unreadable[0].path}: {unreadable[0].reason}. Fix: delete the legacy "
            "tables of the warehouse and ingest all old files again; the old files themselves are untouched"
        )
    return list(rows)
