"""Storing executions of the benchmark engine in the warehouse, one file per run of a cell, and what is stored already."""

from __future__ import annotations

from pathlib import Path

from hwbench_pipeline.bench.engine import CellExecution
from hwbench_pipeline.bench.plan import CellPlan, Point, usual_variant
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import CORE_BENCH__INFERENCE, CORE_BENCH__TRAINING
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import write_environments, write_run

TABLE_OF_MODE: dict[str, Table] = {"inference": CORE_BENCH__INFERENCE, "training": CORE_BENCH__TRAINING}


def store_execution(warehouse: Path, execution: CellExecution) -> Path:
    """Write the execution's environments, then its rows. Returns the run's file."""
    write_environments(warehouse, execution.environments)
    plan = execution.plan
    return write_run(
        warehouse, TABLE_OF_MODE[plan.mode], Cell(plan.hardware, plan.model), execution.run_id, execution.rows
    )


def is_recorded(warehouse: Path, plan: CellPlan) -> bool:
    """Whether the warehouse holds a row of ours for every point of a plan, with a number or with the reason why not.

    A row without batch size (no hardware, no training) speaks for all points of its size. Sequence lengths and scenarios
    count where the plan names them.
    """
    usual = usual_variant(plan.hardware)
    rows, _ = read_rows(warehouse, TABLE_OF_MODE[plan.mode], Cell(plan.hardware, plan.model))
    whole_sizes = {row["model_size"] for row in rows if row["batch_size"] is None}
    known = [row for row in rows if row["batch_size"] is not None]

    def has_row(point: Point) -> bool:
        scenario = None if plan.mode == "training" else point.scenario
        wanted = {
            "model_size": point.model_size,
            "precision": point.precision,
            "batch_size": point.batch_size,
            "sequence_length": point.sequence_length,
            "scenario": scenario,
            "sound_s": point.sound_s,
        }
        named = {name: value for name, value in wanted.items() if value is not None}
        named["variant"] = None if point.variant == usual else point.variant
        named["recipe"] = None if plan.mode != "training" or point.recipe is None else point.recipe.name
        return any(all(row[name] == value for name, value in named.items()) for row in known)

    return all(point.model_size in whole_sizes or has_row(point) for point in plan.points)
