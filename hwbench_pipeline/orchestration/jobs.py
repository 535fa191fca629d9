"""Jobs: named selections of assets that schedules, sensors and people launch."""

from __future__ import annotations

import dagster as dg

from hwbench_pipeline.orchestration.assets.bench import BENCH_ASSET_OF_MODE
from hwbench_pipeline.orchestration.checks import records_reconcile
from hwbench_pipeline.schema.tables import CORE_HARDWARE, CORE_MODELS

LEGACY_SELECTION = dg.AssetSelection.groups("legacy")
CATALOG_SELECTION = dg.AssetSelection.assets(CORE_MODELS.name, CORE_HARDWARE.name)
# the check goes along: a blocking check holds up what comes after it only in a run that it is part of
TABLES_SELECTION = dg.AssetSelection.groups("results", "prediction", "reports") | dg.AssetSelection.checks(
    records_reconcile
)

measure_cells = dg.define_asset_job(
    "measure_cells",
    selection=dg.AssetSelection.assets(*BENCH_ASSET_OF_MODE.values()),
    description="Measures cells of the grid. A backfill over cells is better launched from the asset itself.",
)
refresh_tables = dg.define_asset_job(
    "refresh_tables",
    selection=TABLES_SELECTION,
    description="Unites all results anew, counts coverage, compares, looks for regressions, fits the predictor, and builds database "
    "and report.",
)
ingest_legacy_files = dg.define_asset_job(
    "ingest_legacy_files",
    selection=LEGACY_SELECTION,
    description="Reads the folder of old result files.",
)
probe_host = dg.define_asset_job(
    "probe_host", selection=CATALOG_SELECTION, description="Writes the model catalog and probes this host's hardware."
)

JOBS = [measure_cells, refresh_tables, ingest_legacy_files, probe_host]
