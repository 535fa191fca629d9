"""Schedules: the nightly measurements, and the tables made anew after them. Both are off until switched on.

Belongs here: when, and how many. Does not belong here: which cells (`staleness`).
"""

from collections.abc import Iterator
from datetime import UTC, timedelta

import dagster as dg

from hwbench_pipeline.orchestration.assets.bench import BENCH_ASSET_OF_MODE
from hwbench_pipeline.orchestration.jobs import measure_cells, refresh_tables
from hwbench_pipeline.orchestration.partitions import HARDWARE_DIMENSION, MODEL_DIMENSION, partition_of
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.orchestration.staleness import nightly_cells, wanted_cells
from hwbench_pipeline.schema.tables import CORE_HARDWARE
from hwbench_pipeline.warehouse.reading import read_rows

STALE_AFTER = timedelta(days=30)
# about a night of cells that take some minutes each; what is left over comes first the next night
MAX_CELLS_PER_NIGHT = 100


@dg.schedule(
    job=measure_cells,
    cron_schedule="0 1 * * *",
    name="nightly_measurements",
    description=f"Cells never tried, key models first, then those older than {STALE_AFTER.days} days, oldest first, at most "
    f"{MAX_CELLS_PER_NIGHT} a night.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
def nightly_measurements(
    context: dg.ScheduleEvaluationContext, warehouse: WarehouseResource
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Request a run for each cell that wants measuring."""
    now = context.scheduled_execution_time.astimezone(UTC)
    cells = nightly_cells(
        context.instance.get_dynamic_partitions(HARDWARE_DIMENSION),
        context.instance.get_dynamic_partitions(MODEL_DIMENSION),
        {
            row["hardware"]
            for row in read_rows(warehouse.path, CORE_HARDWARE)[0]
            if row["is_available"] and not row["is_software"]
        },
    )
    wanted = wanted_cells(warehouse.path, cells, now=now, stale_after=STALE_AFTER)[:MAX_CELLS_PER_NIGHT]
    if not cells:
        yield dg.SkipReason("the grid is empty; the sensor register_grid fills it")
    elif not wanted:
        yield dg.SkipReason(f"all {len(cells)} cells were tried in the last {STALE_AFTER.days} days")
    for want in wanted:
        key = partition_of(want.cell)
        yield dg.RunRequest(
            run_key=f"{now:%Y-%m-%d}/{want.mode}/{key}",
            partition_key=key,
            asset_selection=[BENCH_ASSET_OF_MODE[want.mode]],
        )


nightly_tables = dg.ScheduleDefinition(
    name="nightly_tables",
    job=refresh_tables,
    cron_schedule="0 6 * * *",
    description="All tables, the database and the report, after the night's measurements.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)

SCHEDULES = [nightly_measurements, nightly_tables]
