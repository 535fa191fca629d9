"""One job per category of the catalog: all its models on the hardware that is asked for, in one run.

Belongs here: these jobs. Does not belong here: how a cell is measured (`assets.bench`), and jobs over assets (`jobs`).

A dynamic partition has no attribute to select by, so a backfill cannot be told "all vision models"; a run of such a job does
the same in one process, where a backfill starts one per cell, and reports every cell to the same assets.
"""

import dagster as dg
from pydantic import Field, field_validator

from hwbench_pipeline.bench.deriving import known_models
from hwbench_pipeline.bench.engine import cell_run_id
from hwbench_pipeline.bench.storing import TABLE_OF_MODE
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.hardware.probing import usual_keys
from hwbench_pipeline.orchestration.assets.bench import BENCH_ASSET_OF_MODE, BenchConfig, measured_cells
from hwbench_pipeline.orchestration.partitions import partition_of, register
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.schema.tables.catalog import CATEGORIES, UNKNOWN_CATEGORY
from hwbench_pipeline.warehouse.location import Cell


class CategoryConfig(BenchConfig):
    """What is measured of every model of the category, on what."""

    hardware: list[str] = Field(default=[], description="Hardware keys. Empty: all that this host has.")
    mode: str = Field(default="inference", description="inference or training.")

    @field_validator("hardware")
    @classmethod
    def _hardware_is_known(cls, keys: list[str]) -> list[str]:
        if not set(keys) <= set(hardware_keys()):
            raise ValueError(f"hardware {keys}: takes {', '.join(hardware_keys())}. Fix: hardware: [cpu]")
        return keys

    @field_validator("mode")
    @classmethod
    def _mode_is_known(cls, mode: str) -> str:
        if mode not in TABLE_OF_MODE:
            raise ValueError(f"mode {mode!r}: takes {', '.join(TABLE_OF_MODE)}. Fix: mode: inference")
        return mode


def _category_job(category: str) -> dg.JobDefinition:
    @dg.op(name=f"measure_models_of_{category}")
    def measure(context: dg.OpExecutionContext, config: CategoryConfig, warehouse: WarehouseResource) -> None:
        register(context.instance)
        keys = config.hardware or usual_keys()
        models = [model.key for model in known_models(on_need=context.log.info) if model.category == category]
        cells = [str(partition_of(Cell(key, model))) for key in keys for model in models]
        run_ids = {cell: cell_run_id(context.run.run_id, number) for number, cell in enumerate(cells)}
        for key, metadata in measured_cells(context, run_ids, config.mode, config, warehouse.path):
            context.log_event(
                dg.AssetMaterialization(BENCH_ASSET_OF_MODE[config.mode], partition=key, metadata=metadata)
            )

    @dg.job(name=f"measure_{category}", description=f"Measures every {category} model of the catalog in one run.")
    def job() -> None:
        measure()

    return job


CATEGORY_JOBS = [_category_job(category) for category in CATEGORIES if category != UNKNOWN_CATEGORY]
