"""The check that old records are accounted for: it shows what is wrong, and nothing is made of results that are."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from hwbench_pipeline.definitions import build_defs
from hwbench_pipeline.legacy.publishing import FOLDER
from hwbench_pipeline.orchestration.assets import legacy as assets_legacy
from hwbench_pipeline.orchestration.checks import RECONCILIATION_NAME
from hwbench_pipeline.orchestration.resources import LegacyFilesResource, WarehouseResource
from hwbench_pipeline.schema.tables import CORE_LEGACY__RESULTS, OUT__RESULTS, RAW_LEGACY__FILES
from hwbench_pipeline.warehouse.location import table_file
from hwbench_pipeline.warehouse.reading import read_rows

SAMPLES = Path(__file__).parents[2] / "data" / "legacy"


class Run:
    """What one run of a job came to."""

    def __init__(self, result):
        self.success = result.success
        self.made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}
        (self.check,) = [
            evaluation
            for evaluation in result.get_asset_check_evaluations()
            if evaluation.check_name == RECONCILIATION_NAME
        ]
        self.shown = {name: value.value for name, value in self.check.metadata.items()}


@pytest.fixture
def run(instance, warehouse):
    defs = build_defs(
        {"warehouse": WarehouseResource(root=str(warehouse)), "legacy_files": LegacyFilesResource(folder=str(SAMPLES))}
    )

    def _run(job):
        return Run(defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False))

    return _run


@pytest.fixture
def run_both(instance, warehouse):
    """Ingest and unite the results in one run."""
    defs = build_defs(
        {"warehouse": WarehouseResource(root=str(warehouse)), "legacy_files": LegacyFilesResource(folder=str(SAMPLES))}
    )
    job = dg.define_asset_job("both", dg.AssetSelection.groups("legacy") | dg.AssetSelection.assets(OUT__RESULTS.name))
    both = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("both")
    return lambda: Run(both.execute_in_process(instance=instance, raise_on_error=False))


def lose_a_row(warehouse):
    """Take the first row out of the results. Returns the file that it came from."""
    path = table_file(warehouse, CORE_LEGACY__RESULTS).resolve()
    data = pq.read_table(path)
    pq.write_table(data.slice(1), path)
    return data["source_path"][0].as_py()


def test_the_samples_reconcile(run, warehouse):
    ingested = run("ingest_legacy_files")
    assert ingested.success
    assert ingested.check.passed
    files, _ = read_rows(warehouse, RAW_LEGACY__FILES)
    assert ingested.shown == {
        "n_files": len(files),
        "n_records": sum(row["n_records"] for row in files),
        "n_results": len(read_rows(warehouse, CORE_LEGACY__RESULTS)[0]),
        "n_files_wrong": 0,
    }
    assert (
        ingested.check.description == f"{ingested.shown['n_records']} records of {len(files)} files are accounted for"
    )


def test_a_lost_row_keeps_the_results_from_being_united_by_the_nightly_job_until_it_is_mended(run, warehouse):
    assert run("ingest_legacy_files").success
    assert OUT__RESULTS.name in run("refresh_tables").made
    before = table_file(warehouse, OUT__RESULTS).stat()
    path = lose_a_row(warehouse)
    refreshed = run("refresh_tables")
    assert not refreshed.success
    assert not refreshed.check.passed
    assert refreshed.check.severity == dg.AssetCheckSeverity.ERROR
    assert OUT__RESULTS.name not in refreshed.made
    assert "warehouse_database" not in refreshed.made
    assert table_file(warehouse, OUT__RESULTS).stat() == before
    assert f"* {path}: n_records is " in refreshed.shown["findings"]
    assert refreshed.shown["n_files_wrong"] >= 1
    assert f"Fix: delete the folder {warehouse / FOLDER} and ingest again" in refreshed.check.description
    shutil.rmtree(warehouse / FOLDER)
    assert run("ingest_legacy_files").success
    assert OUT__RESULTS.name in run("refresh_tables").made


def test_a_row_lost_by_the_ingest_itself_keeps_the_same_run_from_uniting_them(run_both, warehouse, monkeypatch):
    ingest = assets_legacy.ingest_into

    def ingest_and_lose(*arguments):
        ingested = ingest(*arguments)
        lose_a_row(warehouse)
        return ingested

    with monkeypatch.context() as patched:
        patched.setattr(assets_legacy, "ingest_into", ingest_and_lose)
        lossy = run_both()
    assert CORE_LEGACY__RESULTS.name in lossy.made
    assert not lossy.check.passed
    assert OUT__RESULTS.name not in lossy.made
    assert not table_file(warehouse, OUT__RESULTS).exists()
    shutil.rmtree(warehouse / FOLDER)
    whole = run_both()
    assert whole.check.passed
    assert OUT__RESULTS.name in whole.made


def test_the_first_twenty_findings_are_shown(run, warehouse):
    run("ingest_legacy_files")
    path = table_file(warehouse, CORE_LEGACY__RESULTS).resolve()
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    lines = run("refresh_tables").shown["findings"].splitlines()
    assert len(lines) == 21
    assert lines[20].startswith("* … and ")


def test_without_old_results_there_is_nothing_to_reconcile(run):
    refreshed = run("refresh_tables")
    assert refreshed.success
    assert refreshed.check.passed
