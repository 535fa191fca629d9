"""Sensors: registering the grid's keys (on from the start), and new legacy files (off until switched on)."""

import dagster as dg

from hwbench_pipeline.legacy.pending import (
    fingerprint_of_changes,
    fingerprint_of_look,
    pending_changes,
    unsettled_files,
)
from hwbench_pipeline.orchestration.jobs import ingest_legacy_files
from hwbench_pipeline.orchestration.partitions import hardware_partitions, missing_keys, model_partitions
from hwbench_pipeline.orchestration.resources import LegacyFilesResource, WarehouseResource


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
    description="Ingests the folder of old result files when a file in it is new or holds other bytes than the tables know.",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def new_legacy_files(
    context: dg.SensorEvaluationContext, warehouse: WarehouseResource, legacy_files: LegacyFilesResource
) -> dg.SensorResult | dg.SkipReason:
    """Request one ingest for each content of the folder that the tables do not hold.

    The cursor remembers the last look, so that files with other times and their old bytes are not opened every minute.
    The run key is what there is to ingest: a run that failed is not requested again until that changes.
    """
    if not legacy_files.path.is_dir():
        return dg.SkipReason(f"there is no folder {legacy_files.path}; create it, or set the resource legacy_files")
    unsettled = unsettled_files(warehouse.path, [legacy_files.path])
    look = fingerprint_of_look(unsettled)
    if look == context.cursor:
        return dg.SkipReason("no file is new or has changed since the last look")
    changes = pending_changes(unsettled)
    if not changes:
        return dg.SensorResult(skip_reason="the tables hold every file's content", cursor=look)
    context.log.info("%d files are new or hold other bytes, e.g. %s", len(changes), changes[0].path)
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=fingerprint_of_changes(changes))], cursor=look)


SENSORS = [register_grid, new_legacy_files]
