"""The grid: hardware × model, both dimensions dynamic, and the step that registers their keys.

Belongs here: the partition definitions, the way from a partition key to a cell, registration.
Does not belong here: which cells want measuring (`staleness`).
Run `python -m hwbench_pipeline.orchestration.partitions` to register platforms and models on the instance of
DAGSTER_HOME; doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from hwbench_pipeline.catalog.checkpoints import kept_keys
from hwbench_pipeline.catalog.entries import catalog_keys
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.warehouse.location import Cell, checked_key

HARDWARE_DIMENSION = "hardware"
MODEL_DIMENSION = "model"

hardware_partitions = dg.DynamicPartitionsDefinition(name=HARDWARE_DIMENSION)
model_partitions = dg.DynamicPartitionsDefinition(name=MODEL_DIMENSION)
grid = dg.MultiPartitionsDefinition({HARDWARE_DIMENSION: hardware_partitions, MODEL_DIMENSION: model_partitions})


def cell_of(partition_key: str) -> Cell:
    """The cell of a grid partition key (`hardware|model`). Raises `InvalidKeyError` for keys that cannot be one."""
    hardware, _, model = str(partition_key).partition("|")
    return Cell(hardware, model)


def partition_of(cell: Cell) -> dg.MultiPartitionKey:
    """The grid partition key of a cell."""
    return dg.MultiPartitionKey({HARDWARE_DIMENSION: cell.hardware, MODEL_DIMENSION: cell.model})


@dataclass(frozen=True)
class Missing:
    """Keys of the hardware table and the catalog that the instance does not know yet."""

    hardware: tuple[str, ...]
    models: tuple[str, ...]


def missing_keys(instance: dg.DagsterInstance) -> Missing:
    """What registration would add. Every key passes the key rule here, before Dagster sees it."""

    def absent(dimension: str, keys: Sequence[str]) -> tuple[str, ...]:
        known = set(instance.get_dynamic_partitions(dimension))
        return tuple(checked_key(key) for key in keys if key not in known)

    return Missing(
        absent(HARDWARE_DIMENSION, hardware_keys()), absent(MODEL_DIMENSION, (*catalog_keys(), *kept_keys()))
    )


def register(instance: dg.DagsterInstance) -> Missing:
    """Add every platform and every model of the catalog, parts of others left out, and every checkpoint kept on this
    machine to the grid. Returns what was added; nothing is ever removed."""
    missing = missing_keys(instance)
    if missing.hardware:
        instance.add_dynamic_partitions(HARDWARE_DIMENSION, missing.hardware)
    if missing.models:
        instance.add_dynamic_partitions(MODEL_DIMENSION, missing.models)
    return missing


if __name__ == "__main__":
    with dg.DagsterInstance.get() as local_instance:
        added = register(local_instance)
        print(f"registered {len(added.hardware)} platforms and {len(added.models)} models")  # noqa: T201
