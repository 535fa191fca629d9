"""Answers made of all results: what is faster, how batches scale, what became slower."""

from collections import Counter
from collections.abc import Iterator

import dagster as dg

from hwbench_pipeline.analysis.answering import write_comparisons, write_regressions
from hwbench_pipeline.orchestration.metadata import asset_spec, table_asset
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.reports.comparison import comparison_markdown, regressions_markdown, scaling_markdown
from hwbench_pipeline.reports.notifying import NotificationError, notify
from hwbench_pipeline.schema.tables import (
    CORE_REGRESSIONS__ACCEPTED,
    OUT__COMPARISON,
    OUT__ENVIRONMENTS,
    OUT__REGRESSIONS,
    OUT__RESULTS,
    OUT__SCALING,
)

accepted_changes = asset_spec(CORE_REGRESSIONS__ACCEPTED, group_name="accepted", kinds={"parquet"})
"""Written by people through `hwbench regressions --accept`; no run makes it."""


@dg.multi_asset(
    name="compare_results",
    specs=[
        asset_spec(table, OUT__RESULTS, OUT__ENVIRONMENTS, group_name="results", kinds={"python", "parquet"})
        for table in (OUT__COMPARISON, OUT__SCALING)
    ],
)
def compare_results(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:
    """Compare every cell that two sides have, and every batch size with batch 1."""
    written = write_comparisons(warehouse.path)
    for table, found, text in (
        (OUT__COMPARISON, written.comparison, comparison_markdown(written.comparison)),
        (OUT__SCALING, written.scaling, scaling_markdown(written.scaling)),
    ):
        yield dg.MaterializeResult(
            asset_key=table.name,
            metadata={
                "dagster/row_count": len(found.rows),
                "n_left_out": found.left_out.total(),
                "verdicts": dg.MetadataValue.md(text),
            },
        )


@table_asset(
    OUT__REGRESSIONS,
    deps=[OUT__RESULTS.name, OUT__ENVIRONMENTS.name, CORE_REGRESSIONS__ACCEPTED.name],
    group_name="results",
    kinds={"python", "parquet"},
)
def out__regressions(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """Judge every series, and tell of alarms that were none before."""
    written = write_regressions(warehouse.path)
    try:
        is_sent = notify(written.new_alarms)
    except NotificationError as error:  # a channel that is down must not lose the table
        context.log.warning("%s", error)
        is_sent = False
    counts = Counter(row["verdict"] for row in written.rows)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(written.rows),
            "n_new_alarms": len(written.new_alarms),
            "notification_sent": is_sent,
            **{f"n_{verdict.replace(' ', '_')}": count for verdict, count in counts.items()},
            "changes": dg.MetadataValue.md(regressions_markdown(written.rows)),
        }
    )
