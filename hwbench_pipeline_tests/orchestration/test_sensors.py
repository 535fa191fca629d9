"""The sensors: the grid registers itself, and old result files are ingested once for each of their contents."""

from __future__ import annotations

import os

import dagster as dg
import pytest

from hwbench_pipeline.catalog.entries import catalog_keys
from hwbench_pipeline.definitions import build_defs, defs
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.legacy import pending
from hwbench_pipeline.legacy.batches import list_batches
from hwbench_pipeline.legacy.ingest import ingest_into, undo
from hwbench_pipeline.orchestration.assets import legacy as assets_legacy
from hwbench_pipeline.orchestration.partitions import HARDWARE_DIMENSION, MODEL_DIMENSION, register
from hwbench_pipeline.orchestration.resources import LegacyFilesResource, WarehouseResource
from hwbench_pipeline.orchestration.sensors import new_legacy_files, register_grid
from hwbench_pipeline.schema.tables import RAW_LEGACY__FILES
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import WarehouseError


def registered_by(instance):
    """Evaluate `register_grid` as the daemon does, and do what it asks for. Returns that, by dimension."""
    answer = register_grid.evaluate_tick(dg.build_sensor_context(instance=instance, definitions=defs))
    for request in answer.dynamic_partitions_requests:
        instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
    return {request.partitions_def_name: request.partition_keys for request in answer.dynamic_partitions_requests}


def test_register_grid_fills_a_fresh_instance_and_then_skips(instance):
    assert registered_by(instance) == {
        HARDWARE_DIMENSION: list(hardware_keys()),
        MODEL_DIMENSION: list(catalog_keys()),
    }
    again = register_grid.evaluate_tick(dg.build_sensor_context(instance=instance, definitions=defs))
    assert again.dynamic_partitions_requests == []
    assert again.skip_message == "every platform and model is registered"


def test_register_grid_asks_for_exactly_what_is_missing(instance):
    register(instance)
    instance.delete_dynamic_partition(MODEL_DIMENSION, "vit")
    assert registered_by(instance) == {MODEL_DIMENSION: ["vit"]}
    instance.delete_dynamic_partition(HARDWARE_DIMENSION, "webgpu")
    instance.delete_dynamic_partition(HARDWARE_DIMENSION, "cpu")
    assert registered_by(instance) == {HARDWARE_DIMENSION: ["cpu", "webgpu"]}


def test_register_grid_leaves_keys_of_others_alone(instance):
    register(instance)
    instance.add_dynamic_partitions(HARDWARE_DIMENSION, ["rack7-h200"])
    assert registered_by(instance) == {}
    assert "rack7-h200" in instance.get_dynamic_partitions(HARDWARE_DIMENSION)


class Folder:
    """The sensor for new files, as the daemon asks it, with a warehouse and an instance of its own."""

    def __init__(self, instance, path, warehouse):
        self.instance = instance
        self.path = path
        self.cursor = None
        self.warehouse = warehouse
        self.resources = {
            "warehouse": WarehouseResource(root=str(warehouse)),
            "legacy_files": LegacyFilesResource(folder=str(path)),
        }
        self.defs = build_defs(self.resources)

    def tick(self):
        answer = new_legacy_files.evaluate_tick(
            dg.build_sensor_context(instance=self.instance, cursor=self.cursor, resources=self.resources)
        )
        self.cursor = answer.cursor if answer.cursor is not None else self.cursor
        return answer

    def requested(self):
        """The run key of the one run that a tick asks for."""
        (request,) = self.tick().run_requests
        return request.run_key

    def skipped(self):
        answer = self.tick()
        assert answer.run_requests == []
        return answer.skip_message

    def run(self, **kwargs):
        job = self.defs.resolve_job_def("ingest_legacy_files")
        return job.execute_in_process(instance=self.instance, **kwargs).success

    def ingested(self):
        """Ingest what a tick asked for; the next one asks for nothing."""
        key = self.requested()
        assert self.run()
        assert self.skipped() == HELD
        return key


HELD = "the tables hold every file's content"
SEEN = "no file is new or has changed since the last look"


@pytest.fixture
def folder(instance, tmp_path, warehouse):
    (tmp_path / "old" / "below").mkdir(parents=True)
    (tmp_path / "old" / "a.json").write_text("{}")
    (tmp_path / "old" / "below" / "b.json").write_text("[]")
    return Folder(instance, tmp_path / "old", warehouse)


def test_new_files_are_ingested_once(folder):
    folder.ingested()
    assert folder.skipped() == SEEN
    files, _ = read_rows(folder.warehouse, RAW_LEGACY__FILES)
    assert [row["path"] for row in files] == [str(folder.path / "a.json"), str(folder.path / "below" / "b.json")]


def test_what_the_command_line_ingested_is_not_requested(folder):
    ingest_into(folder.warehouse, [folder.path])
    assert folder.skipped() == HELD


@pytest.mark.parametrize("change", ["edited", "added", "renamed"])
def test_other_content_is_requested_once_more(folder, change):
    first = folder.ingested()
    below = folder.path / "below" / "b.json"
    if change == "edited":
        below.write_text("{}")  # the same length
    elif change == "added":
        (folder.path / "below" / "c.json").write_text("[]")
    else:
        below.rename(folder.path / "below" / "c.json")
    assert folder.ingested() != first


def test_touched_files_are_opened_once_and_request_nothing(folder, monkeypatch):
    folder.ingested()
    for path in folder.path.rglob("*.json"):
        os.utime(path, ns=(0, 1))
    assert folder.skipped() == HELD
    monkeypatch.setattr(pending, "read_content", lambda path: pytest.fail(f"{path} is opened again"))
    assert folder.skipped() == SEEN


def test_a_removed_file_requests_nothing(folder):
    folder.ingested()
    (folder.path / "a.json").unlink()
    assert folder.skipped() == SEEN


def test_a_run_that_failed_is_not_requested_again_until_there_is_something_else(folder, monkeypatch):
    def fail(*_):
        raise WarehouseError("the disk is full. Fix: free some of it")

    key = folder.requested()
    with monkeypatch.context() as patched:
        patched.setattr(assets_legacy, "ingest_into", fail)
        assert not folder.run(raise_on_error=False)
    assert folder.skipped() == SEEN
    folder.cursor = None
    assert folder.requested() == key, "Dagster starts no second run of one key"
    (folder.path / "c.json").write_text("{}")
    assert folder.ingested() != key
    assert len(read_rows(folder.warehouse, RAW_LEGACY__FILES)[0]) == 3


def test_while_the_run_goes_on_nothing_is_requested(folder):
    folder.requested()
    assert folder.skipped() == SEEN


def test_bytes_that_come_back_are_requested_under_another_key(folder):
    keys = []
    for text in ("{}", "[]", "{}", "[]"):
        (folder.path / "a.json").write_text(text)
        keys.append(folder.ingested())
    assert len(set(keys)) == 4


def test_an_undone_batch_stays_undone(folder):
    key = folder.ingested()
    (batch,) = list_batches(folder.warehouse)
    undo(folder.warehouse, batch.batch_id)
    assert folder.requested() == key, "which Dagster has run"


def test_new_legacy_files_skips_where_the_folder_is_missing(instance, tmp_path, warehouse):
    absent = Folder(instance, tmp_path / "absent", warehouse)
    assert absent.skipped() == f"there is no folder {tmp_path / 'absent'}; create it, or set the resource legacy_files"


def test_new_legacy_files_launches_the_ingest_job():
    assert [target.job_name for target in new_legacy_files.targets] == ["ingest_legacy_files"]
