"""Old result files: one pass makes the account of files, the results and the environments they describe."""

from collections.abc import Iterator

import dagster as dg

from hwbench_pipeline.legacy.storing import ingest_into
from hwbench_pipeline.orchestration.metadata import OWNERS, code_version, definition_metadata
from hwbench_pipeline.orchestration.resources import LegacyFilesResource, WarehouseResource
from hwbench_pipeline.reports.tables import markdown_table
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import CORE_LEGACY__ENVIRONMENTS, CORE_LEGACY__RESULTS, RAW_LEGACY__FILES


def _spec(table: Table, *deps: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        table.name,
        deps=[dep.name for dep in deps],
        description=table.description,
        group_name="legacy",
        kinds={"json", "parquet"},
        owners=OWNERS,
        code_version=code_version(table),
        metadata=definition_metadata(table, deps),
    )


@dg.multi_asset(
    name="legacy_ingest",
    specs=[
        _spec(RAW_LEGACY__FILES),
        _spec(CORE_LEGACY__RESULTS, RAW_LEGACY__FILES),
        _spec(CORE_LEGACY__ENVIRONMENTS, RAW_LEGACY__FILES),
    ],
)
def legacy_ingest(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, legacy_files: LegacyFilesResource
) -> Iterator[dg.MaterializeResult]:
    """Read the legacy folder into the three tables; what stands in them from other folders stays."""
    ingested = ingest_into(warehouse.path, [legacy_files.path])
    context.log.info("%d files, %d result rows", len(ingested.files), len(ingested.results))
    for table, rows, column in (
        (RAW_LEGACY__FILES, ingested.files, "status"),
        (CORE_LEGACY__RESULTS, ingested.results, "provenance"),
        (CORE_LEGACY__ENVIRONMENTS, ingested.environments, "os"),
    ):
        yield dg.MaterializeResult(
            asset_key=table.name,
            metadata={
                "dagster/row_count": len(rows),
                f"rows_by_{column}": dg.MetadataValue.md(markdown_table((column, "rows"), _counted(rows, column))),
            },
        )


def _counted(rows: list[dict[str, object]], column: str) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[str(row[column])] = counts.get(str(row[column]), 0) + 1
    return sorted(counts.items())
