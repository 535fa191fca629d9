"""Storing executions of the benchmark engine in the warehouse: one file per run of a cell."""

from __future__ import annotations

from pathlib import Path

from hwbench_pipeline.bench.engine import CellExecution
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.writing import write_environments, write_run

TABLE_OF_MODE: dict[str, Table] = {"inference": CORE_BENCH__INFERENCE, "training": CORE_BENCH__TRAINING}


def store_execution(warehouse: Path, execution: CellExecution) -> Path:
    """Write the execution's environments, then its rows. Returns the run's file."""
    write_environments(warehouse, execution.environments)
    plan = execution.plan
    return write_run(
        warehouse, TABLE_OF_MODE[plan.mode], Cell(plan.hardware, plan.model), execution.run_id, execution.rows
    )
