"""The grid: keys to cells and back, and registration that can be repeated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from hwbench_pipeline.catalog.entries import catalog_keys
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.orchestration import partitions
from hwbench_pipeline.orchestration.partitions import (
    HARDWARE_DIMENSION,
    MODEL_DIMENSION,
    Missing,
    cell_of,
    grid,
    missing_keys,
    partition_of,
    register,
)
from hwbench_pipeline.warehouse.location import Cell, InvalidKeyError

REPOSITORY = Path(__file__).parents[2]


def test_register_makes_every_platform_times_every_model_a_cell(instance):
    assert grid.get_partition_keys(dynamic_partitions_store=instance) == []
    assert register(instance) == Missing(hardware_keys(), catalog_keys())
    cells = {cell_of(key) for key in grid.get_partition_keys(dynamic_partitions_store=instance)}
    assert cells == {Cell(hardware, model) for hardware in hardware_keys() for model in catalog_keys()}
    assert len(cells) == len(hardware_keys()) * len(catalog_keys()) >= 7 * 13


def test_register_again_changes_nothing(instance):
    register(instance)
    before = grid.get_partition_keys(dynamic_partitions_store=instance)
    assert register(instance) == Missing((), ())
    assert grid.get_partition_keys(dynamic_partitions_store=instance) == before


def test_register_adds_what_is_missing_and_removes_nothing(instance):
    instance.add_dynamic_partitions(HARDWARE_DIMENSION, ["rack7-h200", "cpu"])
    instance.add_dynamic_partitions(MODEL_DIMENSION, ["bert"])
    added = register(instance)
    assert set(added.hardware) == set(hardware_keys()) - {"cpu"}
    assert set(added.models) == set(catalog_keys()) - {"bert"}
    assert instance.get_dynamic_partitions(HARDWARE_DIMENSION)[:2] == ["rack7-h200", "cpu"]


@pytest.mark.parametrize(("dimension", "key"), [(HARDWARE_DIMENSION, "mps"), (MODEL_DIMENSION, "t5")])
def test_one_dimension_is_completed_while_the_other_is_whole(instance, dimension, key):
    register(instance)
    instance.delete_dynamic_partition(dimension, key)
    register(instance)
    assert key in instance.get_dynamic_partitions(dimension)


@pytest.mark.parametrize("key", ["a|b", "a,b", "A100", "two words", "../up", "a//b", "[x]", "", "…"])
def test_no_key_passes_the_door_that_dagster_would_lose_or_the_ui_stumble_over(instance, monkeypatch, key):
    monkeypatch.setattr(partitions, "catalog_keys", lambda: ("bert", key))
    with pytest.raises(InvalidKeyError, match="is not a valid key"):
        missing_keys(instance)
    with pytest.raises(InvalidKeyError):
        register(instance)
    assert instance.get_dynamic_partitions(MODEL_DIMENSION) == []
    assert instance.get_dynamic_partitions(HARDWARE_DIMENSION) == [], "one wrong key registers nothing"


def test_a_refused_key_comes_with_one_that_would_do():
    with pytest.raises(InvalidKeyError, match=r"use 'meta-llama/llama-3\.1-8b'"):
        Cell("cpu", "Meta-Llama/Llama-3.1-8B")


@pytest.mark.parametrize("cell", [Cell("cpu", "bert"), Cell("rack7-h200", "openai/whisper-tiny.en")])
def test_cell_and_partition_key_are_one_to_one(cell):
    key = partition_of(cell)
    assert str(key) == f"{cell.hardware}|{cell.model}"
    assert cell_of(key) == cell_of(str(key)) == cell


@pytest.mark.parametrize("key", ["cpu", "|bert", "cpu|", "cpu|bert|tiny", "cpu|BERT"])
def test_text_that_is_no_cell_is_refused(key):
    with pytest.raises(InvalidKeyError):
        cell_of(key)


def test_the_module_registers_on_the_instance_of_dagster_home(tmp_path):
    def registered():
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "hwbench_pipeline.orchestration.partitions"],
            cwd=REPOSITORY,
            env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    assert registered() == f"registered {len(hardware_keys())} platforms and {len(catalog_keys())} models"
    assert registered() == "registered 0 platforms and 0 models"
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        assert set(instance.get_dynamic_partitions(MODEL_DIMENSION)) == set(catalog_keys())


def test_checkpoints_that_are_kept_on_this_machine_are_cells_too(instance, monkeypatch):
    monkeypatch.setattr(partitions, "kept_keys", lambda: ("acme--small-llama",))
    assert "acme--small-llama" in register(instance).models
    assert "acme--small-llama" in instance.get_dynamic_partitions(MODEL_DIMENSION)
