"""Uniting every source into out__results and out__environments.

Belongs here: which row is current, and one query per united table. Does not belong here: reading source files.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from hwbench_pipeline.schema.arrow import arrow_schema
from hwbench_pipeline.schema.duckdb_sql import cast_columns, identifier, literal
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__ENVIRONMENTS,
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
    CORE_IMPORTS__ENVIRONMENTS,
    CORE_IMPORTS__RESULTS,
    CORE_LEGACY__ENVIRONMENTS,
    CORE_LEGACY__RESULTS,
    OUT__ENVIRONMENTS,
    OUT__RESULTS,
)
from hwbench_pipeline.schema.tables.results import BOUNDED_ERROR_CLASSES, MEMORY_LIMIT_OPTION
from hwbench_pipeline.warehouse.location import table_file
from hwbench_pipeline.warehouse.reading import UnreadableFile, connect, register_tables, select_table
from hwbench_pipeline.warehouse.writing import replacing

RESULT_SOURCES: tuple[Table, ...] = (
    CORE_LEGACY__RESULTS,
    CORE_IMPORTS__RESULTS,
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
)
ENVIRONMENT_SOURCES: tuple[Table, ...] = (
    CORE_LEGACY__ENVIRONMENTS,
    CORE_IMPORTS__ENVIRONMENTS,
    CORE_BENCH__ENVIRONMENTS,
)

_ROWS_PER_GROUP = 16_384

CONTRADICTING_MEDIANS = 2.0
"""A run whose median is this many times that of another run, which should have given the same number, was disturbed by
something, whatever its own samples say: what disturbs only makes slower. The same factor as between a median and its fastest
sample (`bench.judging`)."""

CELL_COLUMNS = ("source", "hardware", "mode", "model", "config_sha256")
POINT_COLUMNS = (
    *CELL_COLUMNS,
    *("device_name", "variant", "precision", "batch_size", "sequence_length", "sound_s", "recipe"),
)
_SCENARIO = "coalesce(scenario, CASE mode WHEN 'training' THEN 'train_step' ELSE 'forward' END)"
"""What names a point that can be measured again, with its scenario, which rows without a number did not always state. Of its
runs the newest is current, unless it was disturbed and another one was not; the others are its history."""
_MEMORY_LIMIT = (
    f"CASE WHEN error_class IN ({', '.join(map(literal, BOUNDED_ERROR_CLASSES))}) "
    f"THEN coalesce(json_extract_string(options, '$.{MEMORY_LIMIT_OPTION}'), 'not stated') END"
)
"""What names a point within a limit that somebody set: another question than the same point without one. Rows of the time
before options stated the limit share one history."""
_POINT = f"{', '.join(identifier(name) for name in POINT_COLUMNS)}, {_SCENARIO}, {_MEMORY_LIMIT}"


@dataclass(frozen=True)
class Consolidated:
    """What a consolidation step wrote, and the files it had to leave out."""

    path: Path
    n_rows: int
    unreadable: list[UnreadableFile] = field(default_factory=list)


def _union(sources: Sequence[Table]) -> str:
    return " UNION ALL BY NAME ".join(f"SELECT * FROM {identifier(table.name)}" for table in sources)


def _columns(names: Sequence[str]) -> str:
    return ", ".join(identifier(name) for name in names)


# a run that stands in the bench tables themselves is not counted again from a bundle that carries it
_OWN_IDS = " UNION ALL ".join(
    f"SELECT result_id FROM {identifier(table.name)} WHERE source = 'hwbench'"
    for table in (CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING)
)

# nor is a row whose file was exported from a result that stands here
_STANDING_IDS = " UNION ALL ".join(f"SELECT result_id FROM {identifier(table.name)}" for table in RESULT_SOURCES)

_UNITED = f"""
SELECT * FROM ({_union(RESULT_SOURCES)})
WHERE NOT (source = 'bundle' AND result_id IN ({_OWN_IDS}))
    AND (exported_result_id IS NULL OR exported_result_id NOT IN ({_STANDING_IDS}))
"""

_IS_OWN = "source IN ('hwbench', 'bundle')"
_SETTINGS = _columns(("status", "harness_version", "environment_id", "options"))
"""What two runs of a point share that should give the same number; a run that ended otherwise is another answer."""

# A row without batch size speaks for its whole cell and size (no hardware, training unsupported): it is current only
# while nothing newer is known there, and it makes no measurement outdated.
# Other work on the machine makes calls slower for as long as it goes on, and samples taken then may agree well with each
# other: such a run takes no place of an undisturbed one that should give the same number.
_CURRENT_RESULTS = f"""
WITH united AS ({_UNITED}),
placed AS (
    SELECT *,
        list_contains(coalesce(flags, []), 'loaded_machine') AS is_disturbed,
        row({_SETTINGS}) IS NOT DISTINCT FROM first_value(row({_SETTINGS})) OVER (
            PARTITION BY {_POINT} ORDER BY started_at DESC, run_id DESC
        ) AS has_newest_settings,
        min(latency_ms_p50) FILTER (NOT list_contains(coalesce(flags, []), 'faster_than_roofline')) OVER (
            PARTITION BY {_POINT}, {_SETTINGS}
        ) AS fastest_median_ms
    FROM united WHERE {_IS_OWN}
)
SELECT * REPLACE (
        CASE
            WHEN latency_ms_p50 > {CONTRADICTING_MEDIANS} * fastest_median_ms
            THEN list_append(coalesce(flags, []), 'slower_than_other_run')
            ELSE flags
        END AS flags
    ),
    CASE
        WHEN batch_size IS NULL THEN started_at = max(started_at) OVER (PARTITION BY {_columns(CELL_COLUMNS)})
        ELSE run_id = first_value(run_id) OVER (
            PARTITION BY {_POINT} ORDER BY has_newest_settings DESC, is_disturbed, started_at DESC, run_id DESC
        )
    END AS is_current
FROM placed
UNION ALL BY NAME
SELECT *, true AS is_current FROM united WHERE NOT {_IS_OWN}
ORDER BY source, hardware, model, mode, started_at, source_path, source_pointer, result_id
"""

_ENVIRONMENTS = f"""
SELECT environments.*, (
    SELECT count(*) FROM {identifier(OUT__RESULTS.name)} AS results
    WHERE results.environment_id = environments.environment_id AND results.provenance = 'measured'
) AS n_results
FROM (SELECT DISTINCT ON (environment_id) * FROM ({_union(ENVIRONMENT_SOURCES)})) AS environments
ORDER BY environment_id
"""


def _write_selected(connection: duckdb.DuckDBPyConnection, warehouse: Path, table: Table, sql: str) -> Consolidated:
    """Write what a query gives as the table, in pieces: the rows of every source need not fit into memory."""
    schema, n_rows, path = arrow_schema(table), 0, table_file(warehouse, table)
    selected = connection.sql(f"SELECT {cast_columns(table, table.column_names)} FROM ({sql})")
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for batch in selected.to_arrow_reader(_ROWS_PER_GROUP):
            writer.write_table(pa.Table.from_batches([batch]).cast(schema))
            n_rows += batch.num_rows
    return Consolidated(path, n_rows)


def current_results(
    warehouse: Path, connection: duckdb.DuckDBPyConnection
) -> tuple[list[dict[str, Any]], list[UnreadableFile]]:
    """The rows that out__results would have now, without writing it, and the files left out."""
    unreadable = register_tables(connection, warehouse, RESULT_SOURCES)
    data = connection.sql(f"SELECT {cast_columns(OUT__RESULTS, OUT__RESULTS.column_names)} FROM ({_CURRENT_RESULTS})")
    return data.to_arrow_table().to_pylist(), unreadable


def current_environments(
    warehouse: Path, connection: duckdb.DuckDBPyConnection
) -> tuple[list[dict[str, Any]], list[UnreadableFile]]:
    """Every environment once, as the core tables are now, and the files left out."""
    unreadable = register_tables(connection, warehouse, ENVIRONMENT_SOURCES)
    data = connection.sql(f"SELECT DISTINCT ON (environment_id) * FROM ({_union(ENVIRONMENT_SOURCES)})")
    return data.to_arrow_table().to_pylist(), unreadable


def consolidate_results(warehouse: Path, connection: duckdb.DuckDBPyConnection) -> Consolidated:
    """Write out__results from every source; files that cannot be read are left out and named."""
    unreadable = register_tables(connection, warehouse, RESULT_SOURCES)
    written = _write_selected(connection, warehouse, OUT__RESULTS, _CURRENT_RESULTS)
    return Consolidated(written.path, written.n_rows, unreadable)


def consolidate_environments(warehouse: Path, connection: duckdb.DuckDBPyConnection) -> Consolidated:
    """Write out__environments, each environment once, with how many measurements stand on it."""
    unreadable = register_tables(connection, warehouse, (*ENVIRONMENT_SOURCES, OUT__RESULTS))
    written = _write_selected(connection, warehouse, OUT__ENVIRONMENTS, _ENVIRONMENTS)
    return Consolidated(written.path, written.n_rows, unreadable)


def results_of_runs(warehouse: Path, run_ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """What out__results knows of these runs' rows beside other runs, by result_id: their `flags`, and whether each `is_current`."""
    with connect() as connection:
        sql, _ = select_table(connection, warehouse, OUT__RESULTS)
        found = connection.execute(
            f"SELECT result_id, flags, is_current FROM ({sql}) WHERE source = 'hwbench' AND run_id IN (SELECT unnest(?))",
            [list(run_ids)],
        ).fetchall()
    return {result_id: {"flags": flags, "is_current": is_current} for result_id, flags, is_current in found}
