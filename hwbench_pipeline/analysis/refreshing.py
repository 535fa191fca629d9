"""Bringing every out__ table and the database up to date with the core tables, in one call.

Belongs here: the order of the steps for the command line, which has no Dagster. Does not belong here: the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from hwbench_pipeline.analysis.consolidation import consolidate_environments, consolidate_results, current_results
from hwbench_pipeline.analysis.coverage import COUNTED_COLUMNS, coverage_rows
from hwbench_pipeline.analysis.failures import Cluster, clusters
from hwbench_pipeline.catalog.names import MODELS
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.schema.duckdb_sql import identifier, literal
from hwbench_pipeline.schema.tables import OUT__COVERAGE, OUT__RESULTS, TABLES
from hwbench_pipeline.warehouse.database import BuiltDatabase, build_database
from hwbench_pipeline.warehouse.location import database_file
from hwbench_pipeline.warehouse.reading import UnreadableFile, connect, select_table, table_files
from hwbench_pipeline.warehouse.writing import write_table

_MEMORY_LIMIT = "400MB"


@dataclass(frozen=True)
class Refreshed:
    """The database that was built, and every file that had to be left out."""

    database: BuiltDatabase
    unreadable: list[UnreadableFile]


def _coverage_of(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return coverage_rows(results, hardware=hardware_keys(), categories={model.key: model.category for model in MODELS})


def write_coverage(warehouse: Path) -> list[dict[str, Any]]:
    """Count coverage of the whole grid from out__results and write out__coverage. Returns its rows."""
    with connect() as connection:
        sql, _ = select_table(connection, warehouse, OUT__RESULTS)
        narrow = ", ".join(identifier(name) for name in COUNTED_COLUMNS)
        results = connection.sql(f"SELECT {narrow} FROM ({sql}) WHERE is_current").to_arrow_table().to_pylist()
    rows = _coverage_of(results)
    write_table(warehouse, OUT__COVERAGE, rows)
    return rows


def coverage_now(warehouse: Path) -> tuple[list[dict[str, Any]], list[UnreadableFile]]:
    """Coverage counted from the core tables as they are, writing nothing; and the files left out."""
    with connect() as connection:
        results, unreadable = current_results(warehouse, connection)
    return _coverage_of(results), unreadable


def failures_now(warehouse: Path) -> list[Cluster]:
    """The failures of our own current rows by cause, from the core tables as they are, writing nothing."""
    with connect() as connection:
        results, _ = current_results(warehouse, connection)
    return clusters(results)


def unite(warehouse: Path) -> list[UnreadableFile]:
    """Unite results and environments and count coverage. Returns the files that were left out."""
    with connect() as connection:
        return _unite(warehouse, connection)


def refresh(warehouse: Path) -> Refreshed:
    """Unite results and environments, count coverage, build the database."""
    with connect() as connection:
        unreadable = _unite(warehouse, connection)
        database = build_database(warehouse, connection)
    return Refreshed(database, list(dict.fromkeys(unreadable + database.unreadable)))


def _unite(warehouse: Path, connection: duckdb.DuckDBPyConnection) -> list[UnreadableFile]:
    connection.execute(f"SET memory_limit = {literal(_MEMORY_LIMIT)}")
    connection.execute(f"SET temp_directory = {literal(str(warehouse / '.spill'))}")
    unreadable = consolidate_results(warehouse, connection).unreadable
    unreadable += consolidate_environments(warehouse, connection).unreadable
    write_coverage(warehouse)
    return unreadable


def refresh_if_older(warehouse: Path) -> list[UnreadableFile]:
    """`refresh` unless the database was built after the last change of every table it is made from.

    Returns the files that were left out; none where nothing was done.
    """
    database = database_file(warehouse)
    if database.is_file():
        built_at = database.stat().st_mtime_ns
        sources = (
            path for table in TABLES if not table.name.startswith("out__") for path in table_files(warehouse, table)
        )
        if all(path.stat().st_mtime_ns < built_at for path in sources):
            return []
    return refresh(warehouse).unreadable
