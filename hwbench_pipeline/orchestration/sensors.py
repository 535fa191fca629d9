"""Sensors: registering the grid's keys (on from the start), and new legacy files (off until switched on)."""

import hashlib

import dagster as dg

from hwbench_pipeline.legacy.finding import find_files
from hwbench_pipeline.orchestration.jobs import ingest_legacy_files
from hwbench_pipeline.orchestration.partitions import hardware_partitions, missing_keys, model_partitions
from hwbench_pipeline.orchestration.resources import LegacyFilesResource


@dg.sensor(
    name="register_grid",
    description="Adds every platform and every catalog model to the grid; a fresh instance starts with an empty one.",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    asset_selection=dg.AssetSelection.groups("bench"),
)
def register_grid(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for the keys that the instance does not know yet."""
    missing = missing_keys(context.instance)
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if missing.hardware:
        requests.append(hardware_partitions.build_add_request(list(missing.hardware)))
    if missing.models:
        requests.append(model_partitions.build_add_request(list(missing.models)))
    if not requests:
        return dg.SkipReason("every platform and model is registered")
    return dg.SensorResult(dynamic_partitions_requests=requests)


@dg.sensor(
    job=ingest_legacy_files,
    name="new_legacy_files",
    description="Ingests the folder of old result files when a file in it is new or has changed.",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def new_legacy_files(
    context: dg.SensorEvaluationContext, legacy_files: LegacyFilesResource
) -> dg.SensorResult | dg.SkipReason:
    """Request one ingest for each state of the folder."""
    if not legacy_files.path.is_dir():
        return dg.SkipReason(f"there is no folder {legacy_files.path}; create it, or set the resource legacy_files")
    state = hashlib.sha256()
    for path in find_files([legacy_files.path]):
        status = path.lstat()
        state.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    cursor = state.hexdigest()
    if cursor == context.cursor:
        return dg.SkipReason("no file is new or has changed")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=cursor)], cursor=cursor)


SENSORS = [register_grid, new_legacy_files]
