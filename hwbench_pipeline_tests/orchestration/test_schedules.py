"""The nightly: which cells, in which order, how many, and as which runs."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from hwbench_pipeline.bench.storing import TABLE_OF_MODE
from hwbench_pipeline.definitions import defs
from hwbench_pipeline.orchestration import schedules
from hwbench_pipeline.orchestration.assets.bench import BENCH_ASSET_OF_MODE
from hwbench_pipeline.orchestration.partitions import HARDWARE_DIMENSION, MODEL_DIMENSION, cell_of, grid, register
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.orchestration.schedules import MAX_CELLS_PER_NIGHT, STALE_AFTER, nightly_measurements
from hwbench_pipeline.orchestration.staleness import nightly_cells, wanted_cells
from hwbench_pipeline.warehouse.location import Cell

NIGHT = datetime(2026, 5, 17, 1, 0, tzinfo=UTC)
MODES = tuple(TABLE_OF_MODE)

# Dagster complains of the tag keys that it makes itself
pytestmark = pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning")


@pytest.fixture
def instance(tmp_path):
    """Schedule contexts refuse an ephemeral instance."""
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as local:
        yield local


@pytest.fixture
def small_grid(instance):
    instance.add_dynamic_partitions(HARDWARE_DIMENSION, ["cpu", "cuda"])
    instance.add_dynamic_partitions(MODEL_DIMENSION, ["bert", "vit"])
    return instance


def ran(warehouse, cell, *, days_ago, mode=None, run_id="run"):
    """Leave the file that an execution leaves, written so many days before the night; in both modes unless one is named."""
    for each in (mode,) if mode else MODES:
        path = Cell(*cell.split("|")).run_file(warehouse, TABLE_OF_MODE[each], run_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        seconds = (NIGHT - timedelta(days=days_ago)).timestamp()
        os.utime(path, (seconds, seconds))


def night(instance, warehouse, at=NIGHT):
    """What the scheduler gets from the nightly, through Dagster's own evaluation."""
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=at,
        repository_def=defs.get_repository_def(),
        resources={"warehouse": WarehouseResource(root=str(warehouse))},
    )
    return nightly_measurements.evaluate_tick(context)


def wanted(tick):
    """The requests as (mode, partition key), in order."""
    mode_of = {key: mode for mode, key in BENCH_ASSET_OF_MODE.items()}
    return [(mode_of[request.asset_selection[0]], request.partition_key) for request in tick.run_requests]


def test_a_fresh_grid_is_requested_whole_each_cell_in_each_mode(small_grid, warehouse):
    tick = night(small_grid, warehouse)
    assert wanted(tick) == [
        (mode, f"{hardware}|{model}") for hardware in ("cpu", "cuda") for model in ("bert", "vit") for mode in MODES
    ]


def test_never_tried_comes_first_then_stale_oldest_first_and_fresh_not_at_all(small_grid, warehouse):
    ran(warehouse, "cpu|bert", days_ago=31)
    ran(warehouse, "cpu|vit", days_ago=400, mode="inference")
    ran(warehouse, "cpu|vit", days_ago=29, mode="training")
    ran(warehouse, "cuda|vit", days_ago=90, mode="inference")
    ran(warehouse, "cuda|bert", days_ago=1)
    assert wanted(night(small_grid, warehouse)) == [
        ("training", "cuda|vit"),
        ("inference", "cpu|vit"),
        ("inference", "cuda|vit"),
        ("inference", "cpu|bert"),
        ("training", "cpu|bert"),
    ]


def test_the_newest_run_of_a_cell_counts(small_grid, warehouse):
    for cell in ("cpu|vit", "cuda|bert", "cuda|vit"):
        ran(warehouse, cell, days_ago=1)
    ran(warehouse, "cpu|bert", days_ago=300, run_id="old")
    ran(warehouse, "cpu|bert", days_ago=2, run_id="new")
    ran(warehouse, "cpu|bert", days_ago=100, run_id="middle")
    tick = night(small_grid, warehouse)
    assert tick.run_requests == []
    assert tick.skip_message == "all 4 cells were tried in the last 30 days"


def test_stale_begins_after_the_last_day(small_grid, warehouse):
    for cell in ("cpu|bert", "cpu|vit", "cuda|bert"):
        ran(warehouse, cell, days_ago=STALE_AFTER.days)
    ran(warehouse, "cuda|vit", days_ago=STALE_AFTER.days + 1 / 86400)
    assert wanted(night(small_grid, warehouse)) == [("inference", "cuda|vit"), ("training", "cuda|vit")]


def test_a_night_has_room_for_so_many_cells_and_the_rest_comes_the_next_night(instance, warehouse, monkeypatch):
    monkeypatch.setattr(schedules, "MAX_CELLS_PER_NIGHT", 3)
    instance.add_dynamic_partitions(HARDWARE_DIMENSION, ["cpu", "cuda"])
    instance.add_dynamic_partitions(MODEL_DIMENSION, ["bert", "vit"])
    seen = []
    for number in range(3):
        tick = night(instance, warehouse, NIGHT + timedelta(days=number))
        for mode, key in wanted(tick):
            seen.append((mode, key))
            ran(warehouse, key, days_ago=-number, mode=mode)
    assert len(seen) == 3 + 3 + 2
    assert len(set(seen)) == len(seen), "no cell twice while others wait"


def test_the_cap_holds_on_the_real_grid(instance, warehouse):
    register(instance)
    n_wanted = 2 * len(grid.get_partition_keys(dynamic_partitions_store=instance))
    assert n_wanted > MAX_CELLS_PER_NIGHT
    assert len(night(instance, warehouse).run_requests) == MAX_CELLS_PER_NIGHT


def test_hundreds_of_architectures_wait_for_hardware_that_is_here_and_behind_the_key_models():
    cells = nightly_cells(["cpu", "cuda"], ["bert", "gpt2"], {"cpu"})
    assert cells == [Cell("cpu", "bert"), Cell("cuda", "bert"), Cell("cpu", "gpt2")]


def test_key_models_come_before_other_architectures(warehouse):
    cells = [Cell("cpu", "albert"), Cell("cpu", "vit")]
    wanted = wanted_cells(warehouse, cells, now=NIGHT, stale_after=None)
    assert [want.cell.model for want in wanted] == ["vit", "vit", "albert", "albert"]


def test_every_request_is_a_cell_of_the_grid_and_one_asset(instance, warehouse):
    register(instance)
    on_grid = set(grid.get_partition_keys(dynamic_partitions_store=instance))
    requests = night(instance, warehouse).run_requests
    assert {request.partition_key for request in requests} <= on_grid
    assert {len(request.asset_selection) for request in requests} == {1}
    assert {request.asset_selection[0] for request in requests} == set(BENCH_ASSET_OF_MODE.values())
    for request in requests:
        cell = cell_of(request.partition_key)
        assert request.tags["dagster/partition/hardware"] == cell.hardware, "the queue limits by this tag"
        assert request.tags["dagster/partition/model"] == cell.model


def test_run_keys_are_one_per_night_mode_and_cell(small_grid, warehouse):
    def run_keys(at):
        return [request.run_key for request in night(small_grid, warehouse, at).run_requests]

    first = run_keys(NIGHT)
    assert first[:2] == ["2026-05-17/inference/cpu|bert", "2026-05-17/training/cpu|bert"]
    assert len(set(first)) == len(first) == 8
    assert run_keys(NIGHT) == first, "a tick that is tried again starts no run twice"
    assert not set(first) & set(run_keys(NIGHT + timedelta(days=1)))


def test_the_night_is_named_in_utc_wherever_the_scheduler_stands(small_grid, warehouse):
    evening_in_new_york = datetime(2026, 5, 16, 21, 0, tzinfo=ZoneInfo("America/New_York"))
    assert evening_in_new_york == NIGHT
    assert night(small_grid, warehouse, evening_in_new_york).run_requests[0].run_key.startswith("2026-05-17/")


def test_an_empty_grid_says_so_and_asks_for_nothing(instance, warehouse):
    tick = night(instance, warehouse)
    assert tick.run_requests == []
    assert tick.skip_message == "the grid is empty; the sensor register_grid fills it"


def test_only_missing_cells_are_wanted_where_nothing_goes_stale(warehouse):
    cells = [Cell("cpu", "bert"), Cell("cpu", "vit")]
    ran(warehouse, "cpu|bert", days_ago=4000)
    found = wanted_cells(warehouse, cells, now=NIGHT, stale_after=None)
    assert [(want.mode, want.cell, want.last_run_at) for want in found] == [
        (mode, Cell("cpu", "vit"), None) for mode in MODES
    ]


def test_a_temporary_file_of_a_writer_is_no_run(warehouse):
    cell = Cell("cpu", "bert")
    folder = cell.folder(warehouse, TABLE_OF_MODE["inference"])
    folder.mkdir(parents=True)
    (folder / ".run=x.parquet.0123.tmp").touch()
    assert wanted_cells(warehouse, [cell], now=NIGHT, stale_after=STALE_AFTER)[0].last_run_at is None


def test_the_tables_follow_the_measurements():
    assert (schedules.nightly_measurements.cron_schedule, schedules.nightly_tables.cron_schedule) == (
        "0 1 * * *",
        "0 6 * * *",
    )
    assert schedules.nightly_tables.job_name == "refresh_tables"
