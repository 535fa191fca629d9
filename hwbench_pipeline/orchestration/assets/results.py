"""Consolidation: every source in one table, the environments, coverage, and the database file."""

import dagster as dg
from dagster_duckdb import DuckDBResource

from hwbench_pipeline.analysis.consolidation import (
    ENVIRONMENT_SOURCES,
    RESULT_SOURCES,
    consolidate_environments,
    consolidate_results,
)
from hwbench_pipeline.analysis.refreshing import write_coverage
from hwbench_pipeline.orchestration.metadata import OWNERS, table_asset, unreadable_metadata
from hwbench_pipeline.orchestration.resources import WarehouseResource, connection_of
from hwbench_pipeline.reports.coverage import coverage_markdown, write_coverage_report
from hwbench_pipeline.reports.tables import markdown_table
from hwbench_pipeline.schema.tables import (
    CORE_HARDWARE,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__SOURCES,
    CORE_MODELS,
    CORE_PREDICTION__FEATURES,
    CORE_REGRESSIONS__ACCEPTED,
    OUT__COMPARISON,
    OUT__COVERAGE,
    OUT__ENVIRONMENTS,
    OUT__PREDICTION_SCORES,
    OUT__PREDICTIONS,
    OUT__REGRESSIONS,
    OUT__RESULTS,
    OUT__SCALING,
    RAW_IMPORTS__FILES,
    RAW_LEGACY__FILES,
)
from hwbench_pipeline.warehouse.database import build_database

DATABASE_ASSET = "warehouse_database"
REPORT_ASSET = "coverage_report"

_RESULTS_BY_KIND = """
SELECT source, provenance, status, count(*) AS rows FROM read_parquet(?) GROUP BY ALL ORDER BY ALL
"""


@table_asset(
    OUT__RESULTS,
    deps=[table.name for table in RESULT_SOURCES],
    group_name="results",
    kinds={"duckdb", "parquet"},
    sources=RESULT_SOURCES,
)
def out__results(warehouse: WarehouseResource, duckdb: DuckDBResource) -> dg.MaterializeResult:
    """Unite every source."""
    with connection_of(duckdb) as connection:
        written = consolidate_results(warehouse.path, connection)
        kinds = connection.execute(_RESULTS_BY_KIND, [str(written.path)]).fetchall()
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": written.n_rows,
            "rows_by_kind": dg.MetadataValue.md(markdown_table(("source", "provenance", "status", "rows"), kinds)),
            **unreadable_metadata(written.unreadable),
        }
    )


@table_asset(
    OUT__ENVIRONMENTS,
    deps=[
        OUT__RESULTS.name,
        *(table.name for table in ENVIRONMENT_SOURCES if table.name.startswith(("core_legacy", "core_imports"))),
    ],
    group_name="results",
    kinds={"duckdb", "parquet"},
)
def out__environments(warehouse: WarehouseResource, duckdb: DuckDBResource) -> dg.MaterializeResult:
    """Unite the environments and count what stands on each."""
    with connection_of(duckdb) as connection:
        written = consolidate_environments(warehouse.path, connection)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": written.n_rows, **unreadable_metadata(written.unreadable)}
    )


@table_asset(
    OUT__COVERAGE,
    deps=[OUT__RESULTS.name],
    group_name="results",
    kinds={"python", "parquet"},
)
def out__coverage(warehouse: WarehouseResource) -> dg.MaterializeResult:
    """Count what is known of each cell."""
    rows = write_coverage(warehouse.path)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(rows), "coverage": dg.MetadataValue.md(coverage_markdown(rows))}
    )


@dg.asset(
    name=DATABASE_ASSET,
    description="Every table in one DuckDB file, for people who want to open it: `data/warehouse/warehouse.duckdb`.",
    deps=[
        table.name
        for table in (
            RAW_LEGACY__FILES,
            CORE_LEGACY__SOURCES,
            CORE_LEGACY__QUARANTINE,
            RAW_IMPORTS__FILES,
            CORE_MODELS,
            CORE_HARDWARE,
            OUT__RESULTS,
            OUT__ENVIRONMENTS,
            OUT__COVERAGE,
            OUT__COMPARISON,
            OUT__SCALING,
            CORE_REGRESSIONS__ACCEPTED,
            OUT__REGRESSIONS,
            CORE_PREDICTION__FEATURES,
            OUT__PREDICTIONS,
            OUT__PREDICTION_SCORES,
        )
    ],
    group_name="reports",
    kinds={"duckdb"},
    owners=OWNERS,
    code_version="1",
)
def warehouse_database(warehouse: WarehouseResource, duckdb: DuckDBResource) -> dg.MaterializeResult:
    """Build the database file anew and put it in the old one's place."""
    with connection_of(duckdb) as connection:
        built = build_database(warehouse.path, connection)
    return dg.MaterializeResult(
        metadata={
            "file": dg.MetadataValue.path(built.path),
            "tables": dg.MetadataValue.md(markdown_table(("table", "rows"), list(built.n_rows.items()))),
            **unreadable_metadata(built.unreadable),
        }
    )


@dg.asset(
    name=REPORT_ASSET,
    description="Coverage for people: what was measured, what was not and why, as a page to read.",
    deps=[OUT__COVERAGE.name, OUT__PREDICTION_SCORES.name],
    group_name="reports",
    kinds={"html", "markdown"},
    owners=OWNERS,
    code_version="1",
)
def coverage_report(warehouse: WarehouseResource) -> dg.MaterializeResult:
    """Write the report."""
    report = write_coverage_report(warehouse.path)
    return dg.MaterializeResult(
        metadata={
            "html": dg.MetadataValue.path(report.html),
            "markdown": dg.MetadataValue.path(report.markdown),
            "report": dg.MetadataValue.md(report.markdown.read_text(encoding="utf-8")),
        }
    )
