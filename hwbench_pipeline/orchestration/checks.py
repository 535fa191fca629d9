"""Asset checks: every table keeps its schema, the old files' records are all accounted for, nothing became slower.

Belongs here: making checks of schema tables, of the reconciliation and of the regressions. Does not belong here: the rules
themselves (`schema/`, `legacy.reconciliation`, `analysis.regressions`).
"""

import warnings
from typing import Any

import dagster as dg

from hwbench_pipeline.analysis.answering import alarms
from hwbench_pipeline.legacy.reconciliation import fix_of, reconcile
from hwbench_pipeline.orchestration.partitions import cell_of, grid
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.reports.comparison import alarm_lines
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__ENVIRONMENTS,
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    CORE_REGRESSIONS__ACCEPTED,
    OUT__REGRESSIONS,
    RAW_LEGACY__FILES,
    TABLES,
)
from hwbench_pipeline.schema.validation import find_problems
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import read_rows

CHECK_NAME = "keeps_schema"
RECONCILIATION_NAME = "records_reconcile"
_SHOWN = 20
_LONGEST_DESCRIPTION = 500
_GRID_TABLES = (CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING)
_NOT_MADE_BY_RUNS = (
    CORE_BENCH__ENVIRONMENTS,  # written beside the bench tables, and checked as out__environments
    CORE_REGRESSIONS__ACCEPTED,  # written by people, and checked when it is written
)
_ALARM_CHECKS = {
    "no_critical_regressions": (
        "critical",
        dg.AssetCheckSeverity.ERROR,
        "Nothing takes over 25 % more time than it did.",
    ),
    "no_high_regressions": ("high", dg.AssetCheckSeverity.ERROR, "Nothing takes 15 to 25 % more time than it did."),
    "no_moderate_regressions": (
        "moderate",
        dg.AssetCheckSeverity.WARN,
        "Nothing takes 5 to 15 % more time than it did.",
    ),
    "no_lost_cells": (None, dg.AssetCheckSeverity.ERROR, "Nothing that used to be measured fails now."),
}
"""By check: the severity of the regressions that it looks for, None for lost cells; how bad that is; and what it says."""


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
        if table not in _NOT_MADE_BY_RUNS
    ]


def _alarm_check(name: str) -> dg.AssetChecksDefinition:
    severity, how_bad, description = _ALARM_CHECKS[name]

    @dg.asset_check(name=name, asset=OUT__REGRESSIONS.name, description=description)
    def check(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        rows = [row for row in alarms(read_rows(warehouse.path, OUT__REGRESSIONS)[0]) if row["severity"] == severity]
        metadata: dict[str, Any] = {"n_series": len(rows)}
        if rows:
            metadata["findings"] = _first_of(alarm_lines(rows))
        return dg.AssetCheckResult(
            passed=not rows,
            severity=how_bad,
            description="; ".join(alarm_lines(rows))[:_LONGEST_DESCRIPTION] if rows else description,
            metadata=metadata,
        )

    return check


def alarm_checks() -> list[dg.AssetChecksDefinition]:
    """One check for each severity of a regression, and one for lost cells. They hold nothing up: the tables are right."""
    return [_alarm_check(name) for name in _ALARM_CHECKS]
