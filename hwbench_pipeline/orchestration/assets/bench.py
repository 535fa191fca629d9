"""Benchmark executions, partitioned by hardware × model: one asset for inference, one for training; and experiments in a
browser."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import dagster as dg
from pydantic import Field, model_validator

from hwbench_pipeline.bench.engine import CellExecution, run_cell
from hwbench_pipeline.bench.grid import default_points
from hwbench_pipeline.bench.isolation import shared_processes
from hwbench_pipeline.bench.pace import pace_text
from hwbench_pipeline.bench.plan import (
    ALL_VARIANTS,
    DEFAULT_SOUNDS_S,
    FROM_SOUND,
    LONGEST_SOUND_S,
    POINT_SCENARIOS,
    PRECISIONS,
    CellPlan,
    Point,
    Sampling,
    sweep,
    variants_on,
)
from hwbench_pipeline.bench.storing import TABLE_OF_MODE, store_execution
from hwbench_pipeline.bench.web_experiments.running import Asked, run_experiments
from hwbench_pipeline.catalog.configs import SIZES
from hwbench_pipeline.orchestration.metadata import image, table_asset
from hwbench_pipeline.orchestration.partitions import cell_of, grid
from hwbench_pipeline.orchestration.resources import WarehouseResource
from hwbench_pipeline.reports.plots import latency_plot
from hwbench_pipeline.reports.tables import effects_markdown, results_markdown
from hwbench_pipeline.schema.table import Table
from hwbench_pipeline.schema.tables import (
    CORE_BENCH__INFERENCE,
    CORE_BENCH__TRAINING,
    CORE_BENCH__WEB_EXPERIMENTS,
    CORE_HARDWARE,
    CORE_MODELS,
    CORE_MODELS__ONNX,
)
from hwbench_pipeline.schema.tables.web_experiments import EXPERIMENTS
from hwbench_pipeline.training.recipe import OPTIMIZER_KEYS, Recipe, recipe_sweep


class BenchConfig(dg.Config):
    """What a cell measures. Left as it is, it measures the nightly's points; `model_sizes` replaces them by a sweep
    over the lists that are given."""

    model_sizes: list[str] = Field(
        default=[], description="tiny, reference. Empty: what the nightly measures, and no other list may be given."
    )
    precisions: list[str] = Field(default=[], description="fp32, bf16, fp16; on openvino int8, int4. Empty: fp32.")
    batch_sizes: list[int] = Field(default=[], description="Items per call, from 1 on. Empty: 1.")
    sequence_lengths: list[int] = Field(default=[], description="Tokens per item. Empty: each model's default.")
    scenarios: list[str] = Field(default=[], description="forward, generate, from_sound. Empty: forward.")
    sounds_s: list[float] = Field(
        default=[], description="With from_sound: seconds of sound per item. Empty: 1, 5, 15 and 30."
    )
    variants: list[str] = Field(
        default=[],
        description="torch: eager, compile; openvino: latency, throughput. Each cell takes those of its backend. Empty: the first.",
    )
    optimizers: list[str] = Field(
        default=[], description=f"Training: {', '.join(OPTIMIZER_KEYS)}, torch's own. Empty: {OPTIMIZER_KEYS[0]}."
    )
    learning_rates: list[float] = Field(default=[], description="Training. Empty: the optimizer's usual one.")
    gradient_accumulation_steps: list[int] = Field(
        default=[],
        description="Training: micro-batches into which a batch, whose size counts them all, is cut; batch sizes are multiples "
        "of it. Empty: 1.",
    )
    gradient_checkpointing: bool = Field(
        default=False, description="Training: compute activations again in the backward pass in place of keeping them."
    )
    lora_ranks: list[int] = Field(
        default=[],
        description="Training: adapters of these ranks beside a frozen model (LoRA, by peft). Empty: the whole model.",
    )
    min_samples: int = Field(default=Sampling.min_samples, ge=1, description="Timed calls per point, at least.")
    min_duration_s: float = Field(
        default=Sampling.min_duration_s, ge=0, description="Seconds of sampling per point, at least."
    )

    @model_validator(mode="after")
    def _lists_make_a_sweep(self) -> Self:
        recipe_lists = (
            "optimizers",
            "learning_rates",
            "gradient_accumulation_steps",
            "gradient_checkpointing",
            "lora_ranks",
        )
        lists = ("precisions", "batch_sizes", "sequence_lengths", "scenarios", "sounds_s", "variants", *recipe_lists)
        given = [name for name in lists if getattr(self, name)]
        if given and not self.model_sizes:
            raise ValueError(
                f"{', '.join(given)} need{'s' * (len(given) == 1)} model_sizes. Fix: model_sizes: [reference]"
            )
        for name, values, allowed in (
            ("model_sizes", self.model_sizes, SIZES),
            ("precisions", self.precisions, PRECISIONS),
            ("scenarios", self.scenarios, POINT_SCENARIOS),
            ("variants", self.variants, ALL_VARIANTS),
            ("optimizers", self.optimizers, OPTIMIZER_KEYS),
        ):
            if not set(values) <= set(allowed):
                raise ValueError(f"{name} {values}: takes {', '.join(allowed)}. Fix: {name}: [{allowed[-1]}]")
        for name, numbers in (
            ("batch_sizes", self.batch_sizes),
            ("sequence_lengths", self.sequence_lengths),
            ("gradient_accumulation_steps", self.gradient_accumulation_steps),
            ("lora_ranks", self.lora_ranks),
        ):
            if any(number < 1 for number in numbers):
                raise ValueError(f"{name} {numbers}: takes whole numbers from 1 on. Fix: {name}: [1, 8]")
        if self.sounds_s and FROM_SOUND not in self.scenarios:
            raise ValueError(f"sounds_s {self.sounds_s}: only {FROM_SOUND} hears. Fix: scenarios: [{FROM_SOUND}]")
        if any(not 0 < seconds <= LONGEST_SOUND_S for seconds in self.sounds_s):
            raise ValueError(
                f"sounds_s {self.sounds_s}: takes seconds, to {LONGEST_SOUND_S:g} at most. Fix: sounds_s: [1.0, 5.0]"
            )
        if any(not 0 < rate < math.inf for rate in self.learning_rates):
            raise ValueError(
                f"learning_rates {self.learning_rates}: takes numbers more than 0. Fix: learning_rates: [0.0001]"
            )
        for steps in self.gradient_accumulation_steps:
            if not any(Recipe(accumulation_steps=steps).divides(size) for size in self.batch_sizes or [1]):
                raise ValueError(
                    f"gradient_accumulation_steps {steps}: cuts a batch, whose size counts it whole, into {steps} equal parts, "
                    f"and no batch size is a multiple of it. Fix: batch_sizes: [{steps}]"
                )
        return self

    def points_for(self, hardware: str, model: str, mode: str) -> tuple[Point, ...]:
        """The points of one cell."""
        if not self.model_sizes:
            return default_points(hardware, model, mode)
        return sweep(
            model_sizes=self.model_sizes,
            precisions=self.precisions or ["fp32"],
            batch_sizes=self.batch_sizes or [1],
            sequence_lengths=self.sequence_lengths or [None],
            scenarios=self.scenarios or ["forward"],
            variants=variants_on(hardware, self.variants),
            sounds_s=self.sounds_s or DEFAULT_SOUNDS_S,
            recipes=recipe_sweep(
                optimizers=self.optimizers,
                learning_rates=self.learning_rates,
                accumulations=self.gradient_accumulation_steps,
                checkpointing=self.gradient_checkpointing,
                lora_ranks=self.lora_ranks,
            ),
        )


def execution_metadata(execution: CellExecution) -> dict[str, Any]:
    """What the UI shows of one execution: counts, the latency as a number to plot over time, table and picture."""
    measured = [row for row in execution.rows if row["status"] == "ok"]
    metadata: dict[str, Any] = {
        "dagster/partition_row_count": len(execution.rows),
        "n_measured": len(measured),
        "results": dg.MetadataValue.md(results_markdown(execution.rows)),
    }
    for size in ("tiny", "reference"):
        of_size = [row for row in measured if row["model_size"] == size and _is_usual(row)]
        if of_size:
            first = min(of_size, key=lambda row: row["batch_size"])
            metadata[f"latency_ms_p50_{size}"] = float(first["latency_ms_p50"])
            metadata[f"batch_size_{size}"] = first["batch_size"]
    if measured:
        metadata["latency"] = image(latency_plot(measured), "latency samples")
    return metadata


def _is_usual(row: dict[str, Any]) -> bool:
    usual = ("forward", "train_step")
    return row.get("variant") is None and row.get("recipe") is None and row["scenario"] in usual


def measured_cells(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    run_ids: Mapping[str, str],
    mode: str,
    config: BenchConfig,
    warehouse: Path,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Measure and store cells of the grid, one after the other, each under a run id; each key with what the UI shows of it."""
    began = time.monotonic()
    for number, (key, run_id) in enumerate(run_ids.items()):
        elapsed_s = time.monotonic() - began
        context.log.info("%s: %s", key, pace_text(number, len(run_ids), elapsed_s))
        cell = cell_of(key)
        plan = CellPlan(
            cell.hardware,
            cell.model,
            mode,
            config.points_for(cell.hardware, cell.model, mode),
            Sampling(min_samples=config.min_samples, min_duration_s=config.min_duration_s),
        )
        execution = run_cell(
            plan,
            shared_processes(),
            run_id=run_id,
            on_wait=context.log.warning,
            on_phase=lambda point, phase: context.log.info("%s: %s", point, phase),
            keep=lambda execution: store_execution(warehouse, execution),
        )
        path = store_execution(warehouse, execution)
        for row in execution.rows:
            if row["status"] != "ok":
                context.log.info("%s: %s: %s", plan.name, row["status"], row["error_message"])
        cell_s = time.monotonic() - began - elapsed_s
        yield key, {**execution_metadata(execution), "cell_s": cell_s, "file": dg.MetadataValue.path(path)}


def _bench_asset(table: Table, mode: str, depends_on: Sequence[str] = ()) -> dg.AssetsDefinition:
    @table_asset(
        table,
        partitions_def=grid,
        deps=[CORE_MODELS.name, CORE_HARDWARE.name, *depends_on],
        group_name="bench",
        kinds={"pytorch", "openvino", "parquet"},
    )
    def bench(context: dg.AssetExecutionContext, config: BenchConfig, warehouse: WarehouseResource) -> None:
        """Measure the cells of this run. A cell that could not be measured is recorded with the reason."""
        run_ids = dict.fromkeys(context.partition_keys, context.run.run_id)
        for key, metadata in measured_cells(context, run_ids, mode, config, warehouse.path):
            context.add_asset_metadata(metadata, asset_key=table.name, partition_key=key)

    return bench


class ExperimentConfig(dg.Config):
    """How much of each experiment is run."""

    n_rounds: int = Field(default=12, ge=6, description="Samples of each variant.")
    model_size: str = Field(default="tiny", description="tiny, reference.")

    @model_validator(mode="after")
    def _size_is_one(self) -> Self:
        if self.model_size not in SIZES:
            raise ValueError(f"model_size {self.model_size!r}: takes {', '.join(SIZES)}. Fix: model_size: tiny")
        return self


@table_asset(
    CORE_BENCH__WEB_EXPERIMENTS,
    deps=[CORE_HARDWARE.name],
    group_name="web",
    kinds={"javascript", "parquet"},
)
def core_bench__web_experiments(
    context: dg.AssetExecutionContext, config: ExperimentConfig, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """Try the claims about browsers on this machine's. What cannot be tried is recorded with the reason."""
    asked = Asked(n_rounds=config.n_rounds, size=config.model_size)
    rows = run_experiments(warehouse.path, EXPERIMENTS, asked, on_step=context.log.info)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": len(rows), "effects": dg.MetadataValue.md(effects_markdown(rows))}
    )


core_bench__inference = _bench_asset(CORE_BENCH__INFERENCE, "inference", [CORE_MODELS__ONNX.name])
core_bench__training = _bench_asset(CORE_BENCH__TRAINING, "training")
BENCH_ASSET_OF_MODE = {mode: dg.AssetKey(table.name) for mode, table in TABLE_OF_MODE.items()}
