"""What happens inside a cell's process: load → verify → warm up → sample, point by point.

Belongs here: the order of the steps and the events they emit as JSON. Does not belong here: process life
(`isolation`, `cell_server`), the runtimes (`backends/`), or result rows (`recording`), which another process makes.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch

from hwbench_pipeline.bench.backends import Workload, backend_for
from hwbench_pipeline.bench.backends.torch import forward_outputs
from hwbench_pipeline.bench.energy import EnergyMeter
from hwbench_pipeline.bench.judging import (
    REPEATABLE,
    Array,
    WrongOutputError,
    has_drifted,
    is_noisy,
    largest_relative_error,
    require_right_output,
)
from hwbench_pipeline.bench.memory import measure_peak
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.sampling import take_samples, timed_ms
from hwbench_pipeline.catalog.building import build_model, count_parameters
from hwbench_pipeline.catalog.flops import count_flops
from hwbench_pipeline.catalog.inputs import input_shape_text, items_and_tokens, make_inputs
from hwbench_pipeline.hardware import condition
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.training.step import TrainingStep

Emit = Callable[[Mapping[str, Any]], object]
Report = Callable[[str], None]
"""Called with the name of the phase that begins."""

_OUT_OF_MEMORY_TEXTS = ("can't allocate memory", "out of memory", "cannot allocate memory", "bad_alloc")


def preload() -> None:
    """Import what every cell needs, before the process is forked. Touches no device and starts no thread."""
    from hwbench_pipeline.catalog import building, names

    for key in names.model_keys():  # transformers imports a model's module when its class is first asked for
        building.model_class(key)


def run_job(job: Mapping[str, Any], emit: Emit) -> None:
    """Measure every point of `job["plan"]`; emits one `measured` or `failed` event per point.

    The plan's points say the sequence length they mean, None for models without text: the engine has settled it. A point that fails does not stop the next one.
    """
    plan = CellPlan.from_json(job["plan"])
    measure = _measure_training if plan.mode == "training" else _measure_inference
    for index, point in enumerate(plan.points):

        def report(phase: str, index: int = index) -> None:
            emit({"event": "phase", "point": index, "phase": phase})

        started_at = datetime.now(UTC).isoformat()
        try:
            values = measure(plan, point, report)
            emit({"event": "measured", "point": index, "started_at": started_at, "values": values})
        except UnsupportedError as error:
            emit(_failure(index, started_at, "unsupported", error))
        except MemoryError as error:
            emit(_failure(index, started_at, "out_of_memory", error))
        except Exception as error:  # noqa: BLE001 - a failed point is a result, whatever it raised
            text = str(error).lower()
            is_memory = any(hint in text for hint in _OUT_OF_MEMORY_TEXTS)
            emit(_failure(index, started_at, "out_of_memory" if is_memory else "failed", error))
        gc.collect()


def _failure(index: int, started_at: str, status: str, error: Exception) -> dict[str, Any]:
    return {
        "event": "failed",
        "point": index,
        "started_at": started_at,
        "status": status,
        "error_class": type(error).__name__,
        "error_message": " ".join(str(error).split())[:1000] or type(error).__name__,
    }


@dataclass(frozen=True)
class _Loaded:
    """A built model with the inputs of one call, and the values of the row that are known by now."""

    model: torch.nn.Module
    inputs: dict[str, torch.Tensor]
    values: dict[str, Any]


def _load(plan: CellPlan, point: Point, attention: str | None) -> _Loaded:
    start = time.perf_counter()
    model = build_model(plan.model, point.model_size, seed=plan.seed, attn_implementation=attention)
    load_ms = (time.perf_counter() - start) * 1e3
    config: Any = model.config
    inputs = make_inputs(
        plan.model,
        config,
        batch_size=point.batch_size,
        sequence_length=point.sequence_length,
        seed=plan.seed,
    )
    _, tokens = items_and_tokens(inputs)
    values = {
        "n_parameters": count_parameters(model),
        "load_ms": load_ms,
        "input_shape": input_shape_text(inputs),
        "tokens": tokens,
    }
    return _Loaded(model, inputs, values)


def _measure_inference(plan: CellPlan, point: Point, report: Report) -> dict[str, Any]:
    backend = backend_for(plan.hardware)
    report("load")
    loaded = _load(plan, point, backend.attention)
    values = loaded.values
    report("reference")
    reference = _reference_outputs(loaded)
    report("compile")
    prepared = backend.prepare(Workload(loaded.model, loaded.inputs, point.precision))
    del loaded  # a backend that made its own copy of the weights is measured without torch's
    gc.collect()
    report("first inference")
    first_ms = timed_ms(prepared.call)
    # a backend that runs the very module of the reference has no first call left to time
    values["first_inference_ms"] = None if prepared.is_reference else first_ms
    report("verify")
    values["output_max_rel_error"] = largest_relative_error(reference, prepared.outputs())
    require_right_output(values["output_max_rel_error"], point.precision)
    del reference
    report("sample")
    values |= _sample(plan, prepared.call, report)
    return values | {
        "scenario": "forward",
        "backend": prepared.backend,
        "backend_version": prepared.backend_version,
        "options": prepared.options,
        "threads": [prepared.threads_intra_op, prepared.threads_inter_op],
        "compile_ms": prepared.compile_ms,
        "flops": _flops(plan, point, report),
    }


def _measure_training(plan: CellPlan, point: Point, report: Report) -> dict[str, Any]:
    report("load")
    loaded = _load(plan, point, None)
    values = loaded.values
    step = TrainingStep.prepare(
        plan.hardware, plan.model, loaded.model, loaded.inputs, precision=point.precision, seed=plan.seed
    )
    report("first step")
    values["first_inference_ms"] = timed_ms(step.run)
    report("sample")
    values |= _sample(plan, step.run, report)
    step.require_finite_losses()
    return values | {
        "scenario": "train_step",
        "backend": "torch",
        "backend_version": step.backend_version,
        "options": step.options,
        "threads": step.threads,
        "loss_first": step.first_loss,
        "loss_last": step.last_loss,
        "flops": _flops(plan, point, report),
    }


def _flops(plan: CellPlan, point: Point, report: Report) -> int | None:
    report("count operations")
    return count_flops(
        plan.model,
        point.model_size,
        batch_size=point.batch_size,
        sequence_length=point.sequence_length,
        training=plan.mode == "training",
    ).flops


def _reference_outputs(loaded: _Loaded) -> dict[str, Array]:
    """Named outputs of the torch fp32 CPU reference, run twice: a model that differs from itself cannot be checked."""
    reference = forward_outputs(loaded.model, loaded.inputs)
    difference = largest_relative_error(reference, forward_outputs(loaded.model, loaded.inputs))
    if difference > REPEATABLE:
        raise WrongOutputError(
            f"two runs of the torch reference on the same input differ by {difference:.2g} of its largest value: "
            "the output cannot be checked"
        )
    return reference


def _sample(plan: CellPlan, call: Callable[[], object], report: Report) -> dict[str, Any]:
    """Warm up and sample, with what the machine was like meanwhile; then the peak memory in a pass of its own."""
    load_before = condition.load_average_1m()
    with (
        condition.StealMeter() as steal,
        condition.OthersMeter() as others,
        condition.ThrottleMeter(plan.hardware) as throttle,
        EnergyMeter(plan.hardware) as meter,
    ):
        samples = take_samples(call, plan.sampling)
    clock_mhz, temperature_c = condition.cpu_clock_mhz(), condition.temperature_c()
    flags = []
    if is_noisy(samples.samples_ms):
        flags.append("noisy")
    if has_drifted(samples.samples_ms):
        flags.append("unsteady")
    if throttle.has_throttled:
        flags.append("throttled")
    if condition.is_loaded(others.busy_cores, os.cpu_count() or 1):
        flags.append("loaded_machine")
    report("memory")
    memory = measure_peak(call, plan.hardware)
    energy = meter.energy
    return {
        "samples_ms": samples.samples_ms,
        "n_warmup": samples.n_warmup,
        "n_attempts": samples.n_attempts,
        "flags": flags,
        "peak_memory_mb": memory.peak_memory_mb,
        "memory_method": memory.memory_method,
        "energy_j": None if energy.energy_j is None else energy.energy_j / samples.n_calls,
        "energy_source": energy.energy_source,
        "load_avg_1m": load_before,
        "cpu_steal_percent": steal.cpu_steal_percent,
        "cpu_clock_mhz": clock_mhz,
        "temperature_c": temperature_c,
    }
