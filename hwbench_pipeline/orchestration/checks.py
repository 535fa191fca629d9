"""Asset checks: every table keeps its schema, and the old files' records are all accounted for.

Belongs here: making checks of schema tables and of the reconciliation. Does not belong here: the rules themselves
(`schema/`, `legacy.reconciliation`).
"""

import warnings
from typing import Any

import dagster as dg

from hwbench_pipeline.legacy.reconciliation import fix_of, reconcile
from hwbench_pipeline.orchestration.partitions import cell_of, grid
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__ENVIRONMENTS,
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    RAW_LEGACY__FILES,
    TABLES,
)
from hwbench_pipeline.schema.validation import find_problems
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import read_rows

CHECK_NAME = "keeps_schema"
RECONCILIATION_NAME = "records_reconcile"
_SHOWN = 20
_GRID_TABLES = (CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING)


def schema_check_result(warehouse: WarehouseResource, table: Table, cells: list[Cell] | None) -> dg.AssetCheckResult:
    """Check a table, or some cells of it: counts are exact, the first twenty findings are shown."""
    findings: list[str] = []
    n_rows = 0
    for cell in cells if cells is not None else [None]:
        rows, unreadable = read_rows(warehouse.path, table, cell)
        n_rows += len(rows)
        findings += [str(file) for file in unreadable] + [str(problem) for problem in find_problems(table, rows)]
    metadata: dict[str, Any] = {"n_rows": n_rows, "n_findings": len(findings)}
    if findings:
        metadata["findings"] = _first_of(findings)
    description = f"{len(findings)} findings" if findings else "every row keeps the schema and every file is readable"
    return dg.AssetCheckResult(passed=not findings, description=description, metadata=metadata)


def _first_of(findings: list[str]) -> dg.MarkdownMetadataValue:
    shown = [f"* {text}" for text in findings[:_SHOWN]]
    if len(findings) > _SHOWN:
        shown.append(f"* … and {len(findings) - _SHOWN} more")
    return dg.MetadataValue.md("\n".join(shown))


@dg.asset_check(
    name=RECONCILIATION_NAME,
    asset=CORE_LEGACY__RESULTS.name,
    additional_deps=[RAW_LEGACY__FILES.name, CORE_LEGACY__SOURCES.name, CORE_LEGACY__QUARANTINE.name],
    blocking=True,
    description="Records in = rows out + duplicates + quarantined, for every old file; every row has its file and its "
    "origin. Nothing is made of the results until that holds.",
)
def records_reconcile(warehouse: WarehouseResource) -> dg.AssetCheckResult:
    """Compare the legacy tables with each other: counts are exact, the first twenty findings are shown."""
    found = reconcile(warehouse.path)
    findings = [*found.unreadable, *map(str, found.discrepancies)]
    n_wrong = len({each.path for each in found.discrepancies})
    metadata: dict[str, Any] = {
        "n_files": found.n_files,
        "n_records": found.n_records,
        "n_results": found.n_results,
        "n_files_wrong": n_wrong,
    }
    if found.holds:
        description = f"{found.n_records} records of {found.n_files} files are accounted for"
    else:
        metadata["findings"] = _first_of(findings)
        description = f"{n_wrong} of {found.n_files} files do not add up, e.g. {findings[0]}. {fix_of(warehouse.path)}"
    return dg.AssetCheckResult(passed=found.holds, description=description, metadata=metadata)


def _table_check(table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=CHECK_NAME, asset=table.name, blocking=True, description=f"Every row of {table.name} keeps its schema."
    )
    def check(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        return schema_check_result(warehouse, table, None)

    return check


def _grid_check(table: Table) -> dg.AssetChecksDefinition:
    with warnings.catch_warnings():
        # partitioned checks are in preview in Dagster 1.13; without them the last cell to finish owns the status
        warnings.simplefilter("ignore", dg.PreviewWarning)

        @dg.asset_check(
            name=CHECK_NAME,
            asset=table.name,
            blocking=True,
            partitions_def=grid,
            description="Every row of the cell, its history included, keeps the schema.",
        )
        def check(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
            cells = [cell_of(key) for key in context.op_execution_context.partition_keys]
            return schema_check_result(warehouse, table, cells)

    return check


def schema_checks() -> list[dg.AssetChecksDefinition]:
    """One blocking check for each table that is an asset."""
    return [
        _grid_check(table) if table in _GRID_TABLES else _table_check(table)
        for table in TABLES
        if table is not CORE_BENCH__ENVIRONMENTS  # written beside the bench tables, and checked as out__environments
    ]
