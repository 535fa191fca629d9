"""The sensors: the grid registers itself, and the folder of old result files is read once for each of its states."""

from __future__ import annotations

import os

import dagster as dg
import pytest

from hwbench_pipeline.catalog.names import model_keys
from hwbench_pipeline.definitions import defs
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.orchestration.partitions import HARDWARE_DIMENSION, MODEL_DIMENSION, register
from hwbench_pipeline.orchestration.resources import LegacyFilesResource
from hwbench_pipeline.orchestration.sensors import new_legacy_files, register_grid


def registered_by(instance):
    """Evaluate `register_grid` as the daemon does, and do what it asks for. Returns that, by dimension."""
    answer = register_grid.evaluate_tick(dg.build_sensor_context(instance=instance, definitions=defs))
    for request in answer.dynamic_partitions_requests:
        instance.add_dynamic_partitions(request.partitions_def_name, request.partition_keys)
    return {request.partitions_def_name: request.partition_keys for request in answer.dynamic_partitions_requests}


def test_register_grid_fills_a_fresh_instance_and_then_skips(instance):
    assert registered_by(instance) == {
        HARDWARE_DIMENSION: list(hardware_keys()),
        MODEL_DIMENSION: list(model_keys()),
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


def look(folder, cursor=None):
    return new_legacy_files.evaluate_tick(
        dg.build_sensor_context(cursor=cursor, resources={"legacy_files": LegacyFilesResource(folder=str(folder))})
    )


def requested(answer):
    (request,) = answer.run_requests
    assert request.run_key == answer.cursor, "the run key is the folder's state, so that one state is one run"
    return answer.cursor


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "old" / "below").mkdir(parents=True)
    (tmp_path / "old" / "a.json").write_text("{}")
    (tmp_path / "old" / "below" / "b.json").write_text("[]")
    return tmp_path / "old"


def test_new_legacy_files_asks_once_for_each_state_of_the_folder(folder):
    cursor = requested(look(folder))
    same = look(folder, cursor)
    assert same.run_requests == []
    assert same.skip_message == "no file is new or has changed"


@pytest.mark.parametrize("change", ["edited", "touched", "added", "removed", "renamed"])
def test_new_legacy_files_asks_again_after_a_change(folder, change):
    cursor = requested(look(folder))
    below = folder / "below" / "b.json"
    if change == "edited":
        below.write_text("[1]")
    elif change == "touched":
        os.utime(below, ns=(0, below.stat().st_mtime_ns + 1))
    elif change == "added":
        (folder / "below" / "c.json").write_text("{}")
    elif change == "removed":
        below.unlink()
    else:
        below.rename(folder / "below" / "c.json")
    changed = requested(look(folder, cursor))
    assert changed != cursor
    assert look(folder, changed).run_requests == []


def test_new_legacy_files_skips_where_the_folder_is_missing(tmp_path):
    answer = look(tmp_path / "absent")
    assert answer.run_requests == []
    assert (
        answer.skip_message == f"there is no folder {tmp_path / 'absent'}; create it, or set the resource legacy_files"
    )


def test_new_legacy_files_launches_the_ingest_job():
    assert [target.job_name for target in new_legacy_files.targets] == ["ingest_legacy_files"]
