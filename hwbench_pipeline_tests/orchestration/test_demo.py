"""The demo: what it does first, what it leaves out because it is done, and how it fails."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from hwbench_pipeline.bench.storing import TABLE_OF_MODE
from hwbench_pipeline.catalog.names import model_keys
from hwbench_pipeline.catalog.rows import model_rows
from hwbench_pipeline.definitions import build_defs, defs
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.hardware.rows import hardware_rows
from hwbench_pipeline.orchestration import demo
from hwbench_pipeline.orchestration.demo import DemoError, demo_steps, local_instance_home
from hwbench_pipeline.orchestration.partitions import partition_of, register
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__INFERENCE,
    CORE_HARDWARE,
    CORE_LEGACY__RESULTS,
    CORE_MODELS,
    OUT__COVERAGE,
    OUT__RESULTS,
    RAW_LEGACY__FILES,
)
from hwbench_pipeline.warehouse.location import Cell, database_file, table_file
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import write_run, write_table
from hwbench_pipeline_tests import rows

REPOSITORY = Path(__file__).parents[2]
LEGACY, CATALOG = "old result files", "model catalog and hardware of this host"
TABLES = "tables, predictor, database and report"
N_CELLS = len(hardware_keys()) * len(model_keys()) * len(TABLE_OF_MODE)


@pytest.fixture(autouse=True)
def nothing_is_emulated(monkeypatch):
    """The cells are the same on every machine, whatever its browser has for a GPU."""
    monkeypatch.setattr(demo, "is_emulated", lambda hardware: False)


@pytest.fixture
def legacy(tmp_path):
    """A folder with two of the sample files, older than anything the test makes."""
    folder = tmp_path / "legacy"
    folder.mkdir()
    for name in ("suite/cpu_suite.json", "odd/truncated.json"):
        shutil.copy(REPOSITORY / "data" / "legacy" / name, folder)
    made_older(folder)
    return folder


def made_older(folder):
    then = (datetime.now(UTC) - timedelta(days=1)).timestamp()
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))


def tried(instance, warehouse, *, but=()):
    """Leave a run in every cell of the grid, in both modes, except in `but` (mode, hardware, model)."""
    register(instance)
    for mode, table in TABLE_OF_MODE.items():
        for hardware in hardware_keys():
            for model in model_keys():
                if (mode, hardware, model) not in but:
                    row = rows.whole_cell(mode=mode, hardware=hardware, model=model, run_id="before")
                    write_run(warehouse, table, Cell(hardware, model), "before", [row])
                    recorded(instance, table, partition_of(Cell(hardware, model)))


def made(instance, warehouse, *tables):
    """Leave tables, empty, that the instance knows of."""
    for table in tables:
        table_file(warehouse, table).touch()
        recorded(instance, table)


def recorded(instance, table, partition=None):
    instance.report_runless_asset_event(dg.AssetMaterialization(table.name, partition=partition))


def open_steps(steps):
    return [step.title for step in steps if not step.is_done]


def test_a_fresh_project_does_everything_once_in_order(instance, warehouse, legacy):
    titles = open_steps(demo_steps(instance, warehouse, legacy, build_defs))
    assert titles[:2] == [LEGACY, CATALOG]
    assert titles[-1] == TABLES
    assert len(titles) == len(set(titles)) == 3 + N_CELLS
    assert "cpu × bert, inference" in titles


def test_what_software_plays_is_left_out(instance, warehouse, legacy, monkeypatch):
    monkeypatch.setattr(demo, "is_emulated", lambda hardware: hardware == "webgpu")
    titles = open_steps(demo_steps(instance, warehouse, legacy, build_defs))
    assert not [title for title in titles if title.startswith("webgpu")]
    assert len(titles) == 3 + N_CELLS - N_CELLS // len(hardware_keys())


def test_steps_that_are_done_are_marked_and_not_lost(instance, warehouse, legacy):
    tried(instance, warehouse, but={("inference", "cpu", "bert"), ("training", "webgpu", "vit")})
    made(instance, warehouse, CORE_MODELS, CORE_HARDWARE, RAW_LEGACY__FILES)
    steps = demo_steps(instance, warehouse, legacy, build_defs)
    assert [(step.title, step.is_done) for step in steps] == [
        (LEGACY, True),
        (CATALOG, True),
        ("cpu × bert, inference", False),
        ("webgpu × vit, training", False),
        (TABLES, False),
    ]


def test_the_tables_are_made_anew_only_for_something_new(instance, warehouse, legacy):
    tried(instance, warehouse)
    made(instance, warehouse, CORE_MODELS, CORE_HARDWARE, RAW_LEGACY__FILES)
    assert open_steps(demo_steps(instance, warehouse, legacy, build_defs)) == [TABLES], "there is no database yet"
    database_file(warehouse).touch()
    assert open_steps(demo_steps(instance, warehouse, legacy, build_defs)) == []
    (legacy / "new.json").write_text("{}")
    assert open_steps(demo_steps(instance, warehouse, legacy, build_defs)) == [LEGACY, TABLES]
    made_older(legacy)
    assert open_steps(demo_steps(instance, warehouse, legacy, build_defs)) == []
    table_file(warehouse, CORE_HARDWARE).unlink()
    assert open_steps(demo_steps(instance, warehouse, legacy, build_defs)) == [CATALOG, TABLES]


def test_what_the_command_line_made_is_done_again_so_that_the_ui_knows_of_it(instance, warehouse, legacy):
    tried(instance, warehouse)
    made(instance, warehouse, CORE_MODELS, CORE_HARDWARE, RAW_LEGACY__FILES)
    with dg.DagsterInstance.ephemeral() as fresh:
        assert len(open_steps(demo_steps(fresh, warehouse, legacy, build_defs))) == 3 + N_CELLS


def test_what_the_instance_knows_is_done_again_where_the_file_is_gone(instance, warehouse, legacy):
    tried(instance, warehouse)
    made(instance, warehouse, CORE_MODELS, CORE_HARDWARE, RAW_LEGACY__FILES)
    Cell("cpu", "t5").run_file(warehouse, CORE_BENCH__INFERENCE, "before").unlink()
    assert open_steps(demo_steps(instance, warehouse, legacy, build_defs)) == ["cpu × t5, inference", TABLES]


def test_without_sample_files_the_fix_is_named(instance, warehouse, tmp_path):
    with pytest.raises(DemoError, match=r"there is no folder .*absent.*Fix: run it in a checkout"):
        demo_steps(instance, warehouse, tmp_path / "absent", build_defs)


def test_the_demo_end_to_end_and_once_more(instance, warehouse, legacy):
    left = {("inference", "cpu", "wav2vec2"), ("inference", "rocm", "bert")}
    tried(instance, warehouse, but=left)
    # probing takes long, and `test_assets` does it
    made(instance, warehouse, CORE_MODELS, CORE_HARDWARE)
    write_table(warehouse, CORE_MODELS, model_rows())
    write_table(warehouse, CORE_HARDWARE, hardware_rows(with_peaks=False))
    steps = demo_steps(instance, warehouse, legacy, build_defs)
    assert open_steps(steps) == [LEGACY, "cpu × wav2vec2, inference", "rocm × bert, inference", TABLES]
    for step in steps:
        if not step.is_done:
            step.run()
    assert open_steps(demo_steps(instance, warehouse, legacy, build_defs)) == []

    measured, _ = read_rows(warehouse, CORE_BENCH__INFERENCE, Cell("cpu", "wav2vec2"))
    assert {row["status"] for row in measured} == {"ok"}
    united, unreadable = read_rows(warehouse, OUT__RESULTS)
    assert unreadable == []
    assert {row["source"] for row in united} == {"legacy", "hwbench"}
    coverage, _ = read_rows(warehouse, OUT__COVERAGE)
    assert len(coverage) == N_CELLS
    assert {row["model"] for row in coverage if row["state"] == "measured_tiny_only"} == {"wav2vec2"}
    assert read_rows(warehouse, CORE_LEGACY__RESULTS)[0]
    assert database_file(warehouse).is_file()

    runs = instance.get_runs()
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 4, "the UI shows the same afterwards"
    assert {run.tags.get("dagster/partition") for run in runs} == {None, "cpu|wav2vec2", "rocm|bert"}


def test_a_step_that_fails_says_which_and_where_to_read_on(instance, tmp_path, legacy):
    blocked = tmp_path / "warehouse"
    blocked.write_text("a file where the folder should be")
    first = demo_steps(instance, blocked, legacy, build_defs)[0]
    with pytest.raises(DemoError) as failure:
        first.run()
    (run,) = instance.get_runs()
    assert str(failure.value).startswith("legacy_ingest: ")
    assert str(blocked) in str(failure.value)
    assert run.run_id in str(failure.value)
    assert "\n" not in str(failure.value)


def test_the_local_instance_takes_the_project_s_settings(tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setattr(demo.os, "environ", dict(os.environ))
    shutil.copy(REPOSITORY / demo.INSTANCE_SETTINGS, tmp_path)
    home = local_instance_home(tmp_path)
    assert home == tmp_path / "data" / "dagster"
    assert (home / demo.INSTANCE_SETTINGS).read_bytes() == (REPOSITORY / demo.INSTANCE_SETTINGS).read_bytes()
    assert demo.os.environ["DAGSTER_HOME"] == str(home)


def test_a_dagster_home_of_the_user_s_own_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "mine"))
    assert local_instance_home(tmp_path) == tmp_path / "mine"
    assert list(tmp_path.glob("data")) == []


def test_outside_a_checkout_the_fix_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(DemoError, match=r"there is no .*dagster\.yaml.*Fix: change into the checkout"):
        local_instance_home(tmp_path)


def test_the_demo_s_jobs_are_those_of_the_ui():
    assert {job.name for job in defs.jobs} >= {"ingest_legacy_files", "probe_host", "measure_cells", "refresh_tables"}
