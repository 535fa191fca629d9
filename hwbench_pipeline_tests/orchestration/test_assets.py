"""The assets, materialized for real: on a temporary warehouse, with the sample files and the processes of this machine."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from hwbench_pipeline.definitions import build_defs
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.hardware.probing import probe
from hwbench_pipeline.legacy.batches import list_batches
from hwbench_pipeline.orchestration.checks import CHECK_NAME, schema_checks
from hwbench_pipeline.orchestration.partitions import cell_of, register
from hwbench_pipeline.orchestration.resources import LegacyFilesResource, WarehouseResource
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
    CORE_HARDWARE,
    CORE_LEGACY__ENVIRONMENTS,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    CORE_MODELS,
    OUT__COVERAGE,
    OUT__ENVIRONMENTS,
    OUT__PREDICTION_SCORES,
    OUT__PREDICTIONS,
    OUT__RESULTS,
    RAW_LEGACY__FILES,
)
from hwbench_pipeline.warehouse.location import database_file, table_file
from hwbench_pipeline.warehouse.reading import read_rows, table_files

REPOSITORY = Path(__file__).parents[2]
LEGACY_TABLES = (
    RAW_LEGACY__FILES,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__ENVIRONMENTS,
)
ASSET = CORE_BENCH__INFERENCE.name
QUICK = {"model_sizes": ["tiny"], "min_duration_s": 0.2}
ABSENT = next(key for key in ("cuda", "rocm", "mps") if not probe(key).is_available)

HOLD = """
import time
from hwbench_pipeline.hardware.host_lock import host_lock
with host_lock(holder="a benchmark of somebody else"):
    print("held", flush=True)
    time.sleep(4)
    print(time.time(), flush=True)
"""


class Pipeline:
    """The code location on a warehouse of its own."""

    def __init__(self, instance, warehouse, legacy=REPOSITORY / "data" / "legacy"):
        self.instance = instance
        self.warehouse = warehouse
        self.defs = build_defs(
            {
                "warehouse": WarehouseResource(root=str(warehouse)),
                "legacy_files": LegacyFilesResource(folder=str(legacy)),
            }
        )
        register(instance)

    def run(self, job, **kwargs):
        return self.defs.resolve_job_def(job).execute_in_process(instance=self.instance, **kwargs)

    def measure(self, *, key=None, tags=None, config=QUICK, asset=ASSET, raise_on_error=True):
        return self.run(
            "measure_cells",
            partition_key=key,
            tags=tags,
            asset_selection=[dg.AssetKey(asset)],
            run_config={"ops": {asset: {"config": config}}},
            raise_on_error=raise_on_error,
        )

    def rows(self, table, key=None):
        rows, unreadable = read_rows(self.warehouse, table, cell_of(key) if key else None)
        assert unreadable == []
        return rows


@pytest.fixture
def pipeline(instance, warehouse):
    return Pipeline(instance, warehouse)


def materializations(result):
    """The metadata of each materialization, by asset and partition."""
    return {
        (event.asset_key.to_user_string(), event.partition): {
            name: value.value for name, value in event.materialization.metadata.items()
        }
        for event in result.get_asset_materialization_events()
    }


def evaluations(result):
    return {evaluation.asset_key.to_user_string(): evaluation for evaluation in result.get_asset_check_evaluations()}


def test_the_sample_files_become_the_legacy_tables(pipeline):
    result = pipeline.run("ingest_legacy_files")
    files = pipeline.rows(RAW_LEGACY__FILES)
    results = pipeline.rows(CORE_LEGACY__RESULTS)
    n_found = sum(path.is_file() for path in (REPOSITORY / "data" / "legacy").rglob("*"))
    assert len(files) == n_found
    assert len(results) == sum(
        row["n_records"] - row["n_duplicates"] - row["n_quarantined"] for row in files if row["n_records"]
    )
    shown = materializations(result)
    assert shown[RAW_LEGACY__FILES.name, None]["dagster/row_count"] == n_found
    assert shown[CORE_LEGACY__RESULTS.name, None]["dagster/row_count"] == len(results)
    n_simulated = sum(row["provenance"] == "simulated" for row in results)
    assert n_simulated > 0
    assert f"| simulated | {n_simulated} |" in shown[CORE_LEGACY__RESULTS.name, None]["rows_by_provenance"]
    assert set(shown) == {(table.name, None) for table in LEGACY_TABLES}
    (batch,) = list_batches(pipeline.warehouse)
    assert {metadata["batch_id"] for metadata in shown.values()} == {batch.batch_id}
    assert shown[RAW_LEGACY__FILES.name, None]["files_by_change"].endswith(f"| new | {n_found} |\n| unchanged | 0 |")
    n_duplicates = sum(row["status"] == "duplicate" for row in files)
    assert f"| duplicate | {n_duplicates} |" in shown[RAW_LEGACY__FILES.name, None]["rows_by_status"]
    assert "| itself | " in shown[CORE_LEGACY__SOURCES.name, None]["rows_by_relation"]
    assert shown[CORE_LEGACY__QUARANTINE.name, None]["dagster/row_count"] == len(pipeline.rows(CORE_LEGACY__QUARANTINE))
    checks = result.get_asset_check_evaluations()
    assert all(check.passed for check in checks)
    assert sorted(check.asset_key.to_user_string() for check in checks) == sorted(
        [CORE_LEGACY__RESULTS.name, *(table.name for table in LEGACY_TABLES)]
    )

    again = materializations(pipeline.run("ingest_legacy_files"))
    assert again[RAW_LEGACY__FILES.name, None]["files_by_change"].endswith(f"| --- | --- |\n| unchanged | {n_found} |")


def test_catalog_and_hardware(pipeline):
    result = pipeline.run("probe_host")
    hardware = {row["hardware"]: row for row in pipeline.rows(CORE_HARDWARE)}
    assert set(hardware) == set(hardware_keys())
    assert hardware["cpu"]["is_available"]
    assert hardware["cpu"]["peak_gflops_fp32"] > 0
    assert hardware[ABSENT]["reason"]
    shown = materializations(result)
    assert shown[CORE_HARDWARE.name, None]["n_available"] == sum(row["is_available"] for row in hardware.values())
    assert shown[CORE_MODELS.name, None]["dagster/row_count"] == len(pipeline.rows(CORE_MODELS)) > 13
    assert all(check.passed for check in evaluations(result).values())


def test_a_cell_on_hardware_that_is_not_here_is_recorded_with_the_reason(pipeline):
    key = f"{ABSENT}|bert"
    result = pipeline.measure(key=key, config={})
    rows = pipeline.rows(CORE_BENCH__INFERENCE, key)
    assert {row["status"] for row in rows} == {"no_hardware"}
    assert {row["provenance"] for row in rows} == {"none"}
    assert all(row["latency_ms_p50"] is None for row in rows)
    assert {row["run_id"] for row in rows} == {result.run_id}
    shown = materializations(result)[ASSET, key]
    assert shown["n_measured"] == 0
    assert shown["dagster/partition_row_count"] == len(rows)
    assert not {name for name in shown if name.startswith("latency")}, "no picture and no number of nothing"
    assert rows[0]["error_message"] in shown["results"].replace("\\|", "|")
    assert Path(shown["file"]) == table_files(pipeline.warehouse, CORE_BENCH__INFERENCE, cell_of(key))[0]
    assert evaluations(result)[ASSET].passed


def test_a_measured_cell_shows_its_latency_and_a_picture(pipeline):
    result = pipeline.measure(key="cpu|bert", config={**QUICK, "batch_sizes": [1, 2]})
    rows = pipeline.rows(CORE_BENCH__INFERENCE, "cpu|bert")
    assert [(row["status"], row["provenance"], row["batch_size"]) for row in rows] == [
        ("ok", "measured", 1),
        ("ok", "measured", 2),
    ]
    shown = materializations(result)[ASSET, "cpu|bert"]
    assert shown["latency_ms_p50_tiny"] == pytest.approx(rows[0]["latency_ms_p50"])
    assert shown["batch_size_tiny"] == 1
    assert shown["n_measured"] == 2
    assert shown["latency"].startswith("![latency samples](data:image/png;base64,iVBOR")
    assert "latency_ms_p50_reference" not in shown, "a tiny number never stands for the real model"


def test_two_cells_of_different_hardware_in_one_run(pipeline):
    start, end = "rocm|vit", "mps|vit"  # a range goes by the order in which keys were registered
    tags = {"dagster/asset_partition_range_start": start, "dagster/asset_partition_range_end": end}
    result = pipeline.measure(tags=tags, config={})
    shown = {key: metadata for key, metadata in materializations(result).items() if metadata}
    assert set(shown) == {(ASSET, start), (ASSET, end)}
    assert all(metadata["cell_s"] > 0 for metadata in shown.values())
    logged = [record.user_message for record in pipeline.instance.all_logs(result.run_id)]
    assert f"{start}: cell 1 of 2" in logged
    assert any(line.startswith(f"{end}: cell 2 of 2; 1 took ") for line in logged)
    for key in (start, end):
        rows = pipeline.rows(CORE_BENCH__INFERENCE, key)
        assert {row["hardware"] for row in rows} == {cell_of(key).hardware}
        assert Path(shown[ASSET, key]["file"]).is_file()
        assert cell_of(key).hardware in shown[ASSET, key]["file"]
    assert evaluations(result)[ASSET].metadata["n_rows"].value == sum(
        len(pipeline.rows(CORE_BENCH__INFERENCE, key)) for key in (start, end)
    )


def test_training_where_it_makes_no_sense_is_unsupported(pipeline):
    pipeline.measure(key="webgpu|bert", asset=CORE_BENCH__TRAINING.name, config={})
    rows = pipeline.rows(CORE_BENCH__TRAINING, "webgpu|bert")
    assert {row["status"] for row in rows} == {"unsupported"}
    assert "browser" in rows[0]["error_message"]


def test_a_damaged_file_of_one_cell_is_named_and_the_others_stay(pipeline):
    for key in (f"{ABSENT}|bert", f"{ABSENT}|vit"):
        pipeline.measure(key=key, config={})
    (damaged,) = table_files(pipeline.warehouse, CORE_BENCH__INFERENCE, cell_of(f"{ABSENT}|bert"))
    damaged.write_bytes(damaged.read_bytes()[:-100])

    result = pipeline.run("refresh_tables", asset_selection=[dg.AssetKey(OUT__RESULTS.name)])
    shown = materializations(result)[OUT__RESULTS.name, None]
    assert str(damaged) in shown["files_left_out"]
    assert "Fix: delete it" in shown["files_left_out"]
    assert {row["model"] for row in pipeline.rows(OUT__RESULTS)} == {"vit"}

    again = pipeline.measure(key=f"{ABSENT}|bert", config={}, raise_on_error=False)
    check = evaluations(again)[ASSET]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert check.metadata["n_findings"].value == 1
    assert str(damaged) in check.metadata["findings"].value
    other = evaluations(pipeline.measure(key=f"{ABSENT}|vit", config={}))[ASSET]
    assert other.passed, "the damage of one cell is not the other's"


def test_a_check_that_fails_in_a_cell_belongs_to_that_cell(pipeline):
    pipeline.measure(key=f"{ABSENT}|bert", config={})
    (damaged,) = table_files(pipeline.warehouse, CORE_BENCH__INFERENCE, cell_of(f"{ABSENT}|bert"))
    damaged.write_bytes(b"PAR1 nothing PAR1")
    pipeline.measure(key=f"{ABSENT}|bert", config={}, raise_on_error=False)
    pipeline.measure(key=f"{ABSENT}|vit", config={})
    check_key = dg.AssetCheckKey(dg.AssetKey(ASSET), CHECK_NAME)
    history = pipeline.instance.event_log_storage.get_asset_check_execution_history(check_key, limit=10)
    newest = {}
    for record in history:
        newest.setdefault(record.event.dagster_event.asset_check_evaluation_data.partition, record.status.value)
    assert newest == {f"{ABSENT}|bert": "FAILED", f"{ABSENT}|vit": "SUCCEEDED"}


def test_everything_below_the_grid_with_little_evidence_says_so_and_fails_nowhere(pipeline):
    pipeline.run("ingest_legacy_files")
    pipeline.measure(key=f"{ABSENT}|bert", config={})
    pipeline.measure(key="cpu|bert")
    result = pipeline.run("refresh_tables")
    assert all(check.passed for check in evaluations(result).values())
    shown = materializations(result)

    united = pipeline.rows(OUT__RESULTS)
    assert {row["source"] for row in united} == {"legacy", "hwbench"}
    assert len(united) == len(pipeline.rows(CORE_LEGACY__RESULTS)) + len(pipeline.rows(CORE_BENCH__INFERENCE))
    assert shown[OUT__RESULTS.name, None]["dagster/row_count"] == len(united)
    assert "| hwbench | measured | ok | 1 |" in shown[OUT__RESULTS.name, None]["rows_by_kind"]

    states = {(row["mode"], row["hardware"], row["model"]): row["state"] for row in pipeline.rows(OUT__COVERAGE)}
    assert states["inference", "cpu", "bert"] == "measured_tiny_only"
    assert states["inference", ABSENT, "bert"] == "no_hardware"
    assert states["training", "cpu", "bert"] == "never_tried"
    assert len(pipeline.rows(OUT__ENVIRONMENTS)) >= 1

    assert "no_predictor" in shown["core_prediction__predictor", None]
    assert shown["core_prediction__predictor", None]["no_predictor"] != "None"
    assert pipeline.rows(OUT__PREDICTIONS) == []
    assert all(row["reason"] for row in pipeline.rows(OUT__PREDICTION_SCORES))

    assert Path(shown["warehouse_database", None]["file"]) == database_file(pipeline.warehouse)
    assert f"| {OUT__RESULTS.name} | {len(united)} |" in shown["warehouse_database", None]["tables"]
    assert Path(shown["coverage_report", None]["html"]).is_file()


def test_tables_can_be_made_of_nothing(pipeline):
    result = pipeline.run("refresh_tables")
    assert result.success
    assert pipeline.rows(OUT__RESULTS) == []
    assert {row["state"] for row in pipeline.rows(OUT__COVERAGE)} == {"never_tried"}
    assert all(check.passed for check in evaluations(result).values())


def test_the_check_of_a_table_names_file_and_fix(pipeline):
    pipeline.run("refresh_tables", asset_selection=[dg.AssetKey(OUT__RESULTS.name)])
    file = table_file(pipeline.warehouse, OUT__RESULTS)
    file.write_bytes(b"not Parquet")
    (check,) = (each for each in schema_checks() if each.check_key.asset_key == dg.AssetKey(OUT__RESULTS.name))
    result = dg.materialize(
        [check],
        instance=pipeline.instance,
        resources={"warehouse": WarehouseResource(root=str(pipeline.warehouse))},
        selection=dg.AssetSelection.checks(check),
        raise_on_error=False,
    )
    evaluation = evaluations(result)[OUT__RESULTS.name]
    assert not evaluation.passed
    assert str(file) in evaluation.metadata["findings"].value
    assert "Fix:" in evaluation.metadata["findings"].value


def test_a_cell_waits_for_the_host_and_says_for_whom(pipeline):
    holder = subprocess.Popen([sys.executable, "-c", HOLD], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        result = pipeline.measure(key="cpu|bert")
        released = float(holder.stdout.readline())
    finally:
        holder.kill()
        holder.wait()
    (row,) = pipeline.rows(CORE_BENCH__INFERENCE, "cpu|bert")
    assert row["status"] == "ok"
    assert row["started_at"].timestamp() >= released
    warnings = [
        entry.user_message for entry in pipeline.instance.all_logs(result.run_id) if entry.level == logging.WARNING
    ]
    assert any(f"pid {holder.pid} (a benchmark of somebody else)" in message for message in warnings), warnings
