"""Where everything meets: `build_defs` makes the Dagster definitions, `defs` is what the UI and the daemon load.

Belongs here: lists of definitions. Does not belong here: any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from hwbench_pipeline.orchestration.assets import answers, bench, catalog, imports, legacy, prediction, results
from hwbench_pipeline.orchestration.category_jobs import CATEGORY_JOBS
from hwbench_pipeline.orchestration.checks import alarm_checks, records_reconcile, schema_checks
from hwbench_pipeline.orchestration.jobs import JOBS
from hwbench_pipeline.orchestration.resources import (
    ImportFilesResource,
    LegacyFilesResource,
    WarehouseResource,
    in_memory_duckdb,
)
from hwbench_pipeline.orchestration.schedules import SCHEDULES
from hwbench_pipeline.orchestration.sensors import SENSORS


def build_defs(resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """The definitions of the code location, fresh. `resources` replaces any of `warehouse`, `legacy_files`,
    `import_files`, `duckdb`.

    Runs execute in one process (`in_process_executor`): an asset of this project is one step, and cells isolate
    themselves, so a process per step would only cost seconds.
    """
    return dg.Definitions(
        assets=dg.load_assets_from_modules(
            [legacy, imports, catalog, bench, results, answers, prediction], include_specs=True
        ),
        asset_checks=[*schema_checks(), *alarm_checks(), records_reconcile],
        jobs=[*JOBS, *CATEGORY_JOBS],
        schedules=SCHEDULES,
        sensors=SENSORS,
        executor=dg.in_process_executor,
        resources={
            "warehouse": WarehouseResource(),
            "legacy_files": LegacyFilesResource(),
            "import_files": ImportFilesResource(),
            "duckdb": in_memory_duckdb(),
            **(resources or {}),
        },
    )


defs = build_defs()
