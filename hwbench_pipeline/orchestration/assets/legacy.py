"""Old result files: one pass makes the account of files, the results, their places, the quarantine and the environments."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import dagster as dg

from hwbench_pipeline.legacy.ingest import ingest_into
from hwbench_pipeline.orchestration.metadata import asset_spec
from hwbench_pipeline.orchestration.resources import LegacyFilesResource, WarehouseResource
from hwbench_pipeline.reports.tables import markdown_table
from hwbench_pipeline.schema.duckdb_sql import identifier, literal
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import (
    CORE_LEGACY__ENVIRONMENTS,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    RAW_LEGACY__FILES,
)
from hwbench_pipeline.warehouse.location import table_file
from hwbench_pipeline.warehouse.reading import connect

_COUNTED_BY = (
    (RAW_LEGACY__FILES, "status"),
    (CORE_LEGACY__RESULTS, "provenance"),
    (CORE_LEGACY__SOURCES, "relation"),
    (CORE_LEGACY__QUARANTINE, "reason_kind"),
    (CORE_LEGACY__ENVIRONMENTS, "os"),
)


_spec = partial(asset_spec, group_name="legacy", kinds={"json", "parquet"})


@dg.multi_asset(
    name="legacy_ingest",
    specs=[
        _spec(RAW_LEGACY__FILES),
        _spec(CORE_LEGACY__RESULTS, RAW_LEGACY__FILES),
        _spec(CORE_LEGACY__SOURCES, CORE_LEGACY__RESULTS, RAW_LEGACY__FILES),
        _spec(CORE_LEGACY__QUARANTINE, RAW_LEGACY__FILES),
        _spec(CORE_LEGACY__ENVIRONMENTS, CORE_LEGACY__RESULTS),
    ],
)
def legacy_ingest(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, legacy_files: LegacyFilesResource
) -> Iterator[dg.MaterializeResult]:
    """Read the legacy folder into the tables; what stands in them from other folders stays."""
    ingested = ingest_into(warehouse.path, [legacy_files.path])
    files_by_change = {**ingested.changes, "unchanged": ingested.n_unchanged}
    changes = ", ".join(f"{count} {change}" for change, count in files_by_change.items())
    context.log.info("batch %s: %s", ingested.batch.batch_id, changes)
    for table, column in _COUNTED_BY:
        counts = _counted(warehouse, table, column)
        metadata: dict[str, Any] = {
            "dagster/row_count": sum(n_rows for _, n_rows in counts),
            "batch_id": ingested.batch.batch_id,
            f"rows_by_{column}": dg.MetadataValue.md(markdown_table((column, "rows"), counts)),
        }
        if table is RAW_LEGACY__FILES:
            shown = markdown_table(("change", "files"), files_by_change.items())
            metadata["files_by_change"] = dg.MetadataValue.md(shown)
        yield dg.MaterializeResult(asset_key=table.name, metadata=metadata)


def _counted(warehouse: WarehouseResource, table: Table, column: str) -> list[tuple[str, int]]:
    path = literal(str(table_file(warehouse.path, table)))
    with connect() as connection:
        return connection.execute(
            f"SELECT coalesce({identifier(column)}, 'None'), count(*) FROM read_parquet({path}) GROUP BY 1 ORDER BY 1"
        ).fetchall()
