"""Imported results: one pass over the folders of living formats makes the account of files, the results, the environments."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import dagster as dg

from hwbench_pipeline.imports.storing import import_folders
from hwbench_pipeline.orchestration.metadata import asset_spec
from hwbench_pipeline.orchestration.resources import ImportFilesResource, WarehouseResource
from hwbench_pipeline.reports.tables import markdown_table
from hwbench_pipeline.schema.tables import CORE_IMPORTS__ENVIRONMENTS, CORE_IMPORTS__RESULTS, RAW_IMPORTS__FILES

_spec = partial(asset_spec, group_name="imports", kinds={"json", "csv", "parquet"})


@dg.multi_asset(
    name="import_results",
    specs=[
        _spec(RAW_IMPORTS__FILES),
        _spec(CORE_IMPORTS__RESULTS, RAW_IMPORTS__FILES),
        _spec(CORE_IMPORTS__ENVIRONMENTS, RAW_IMPORTS__FILES),
    ],
)
def import_results(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, import_files: ImportFilesResource
) -> Iterator[dg.MaterializeResult]:
    """Read every format's folder into the three tables; what stands in them from other folders stays."""
    tables = import_folders(warehouse.path, import_files.path)
    context.log.info("%d files, %d result rows", len(tables.files), len(tables.results))
    for table, rows, column in (
        (RAW_IMPORTS__FILES, tables.files, "status"),
        (CORE_IMPORTS__RESULTS, tables.results, "provenance"),
        (CORE_IMPORTS__ENVIRONMENTS, tables.environments, "device_name"),
    ):
        counted = sorted(Counter(str(row[column]) for row in rows).items())
        yield dg.MaterializeResult(
            asset_key=table.name,
            metadata={
                "dagster/row_count": len(rows),
                f"rows_by_{column}": dg.MetadataValue.md(markdown_table((column, "rows"), counted)),
            },
        )
