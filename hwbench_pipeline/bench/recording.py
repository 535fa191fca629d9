"""Making result rows of what a cell's process reported, and of what kept it from running.

Belongs here: the one place where our own result rows are put together. Does not belong here: measuring, or storing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import hwbench_pipeline
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.roofline import roofline_of
from hwbench_pipeline.bench.statistics import latency_statistics, median_interval, percentile
from hwbench_pipeline.catalog.facts import model_facts
from hwbench_pipeline.hardware.environment import harness_version
from hwbench_pipeline.hardware.peaks import Peaks
from hwbench_pipeline.hardware.probing import Probe
from hwbench_pipeline.schema.table import canonical_json
from hwbench_pipeline.schema.tables.results import result_id_of

Row = dict[str, Any]

BY_OWN_PROCESS = "in a process of their own"


def sequence_length(model: str, point: Point) -> int | None:
    """Tokens per item that a point means: the number it names, else the model's default; None without text."""
    default = model_facts(model, point.model_size).default_sequence_length
    return None if default is None else point.sequence_length or default


@dataclass(frozen=True)
class Attempt:
    """What every row of one execution shares."""

    plan: CellPlan
    run_id: str
    probe: Probe
    measured_by: str = BY_OWN_PROCESS

    def row(self, model_size: str, started_at: datetime, environment_id: str, **values: Any) -> Row:
        """A result row with the identity of the attempt and the model configuration, completed by `values`."""
        facts = model_facts(self.plan.model, model_size)
        row: Row = {
            "run_id": self.run_id,
            "source": "hwbench",
            "model_id": facts.model_id,
            "model": self.plan.model,
            "architecture": facts.architecture,
            "category": facts.category,
            "model_size": model_size,
            "config_sha256": facts.config_sha256,
            "n_parameters": facts.n_parameters,
            "backend": self.probe.backend,
            "backend_version": self.probe.backend_version,
            "hardware": self.plan.hardware,
            "hardware_requested": self.plan.hardware,
            "device_name": self.probe.device_name,
            "mode": self.plan.mode,
            "environment_id": environment_id,
            "harness_version": harness_version(),
            "started_at": started_at,
            "started_at_text": started_at.isoformat(),
        } | values
        return {"result_id": result_id_of(row)} | row

    def row_without_number(
        self,
        model_size: str,
        started_at: datetime,
        environment_id: str,
        *,
        status: str,
        error_class: str,
        error_message: str,
        failed_phase: str | None = None,
        point: Point | None = None,
    ) -> Row:
        """A row for an attempt that gave no number, with the reason. `point` is None where it holds for all points."""
        return self.row(
            model_size,
            started_at,
            environment_id,
            provenance="none",
            status=status,
            error_class=error_class,
            error_message=error_message,
            failed_phase=failed_phase,
            scenario=_scenario(self.plan, point) if point else None,
            variant=point.variant if point else None,
            options=_asked_for(point) if point else None,
            precision=point.precision if point else None,
            batch_size=point.batch_size if point else None,
            sequence_length=sequence_length(self.plan.model, point) if point else None,
            sound_s=point.sound_s if point else None,
            recipe=_recipe(point) if point else None,
        )

    def measured_row(
        self, point: Point, started_at: datetime, environment_id: str, values: Mapping[str, Any], peaks: Peaks
    ) -> Row:
        """A row for a point that was measured; `values` is what `cell` emitted for it, `peaks` its device's."""
        samples: list[float] = values["samples_ms"]
        statistics = latency_statistics(samples)
        low, high = median_interval(samples) or (None, None)
        mean_s = math.fsum(samples) / len(samples) / 1e3
        wall_s = values.get("wall_s")  # with several requests in flight they end more often than one takes
        call_s = mean_s if wall_s is None else wall_s / len(samples)
        tokens = values["tokens"]
        device_name = values.get("device_name") or self.probe.device_name
        roofline = roofline_of(
            flops=values["flops"],
            n_streamed_parameters=model_facts(self.plan.model, point.model_size).n_streamed_parameters or 0,
            precision=point.precision,
            peaks=peaks,
        )
        if point.scenario == "generate":
            roofline = None  # one call reads the weights once per token, and its operations are not counted
        if device_name != self.probe.device_name:
            roofline = None  # the peaks are those of the device that was probed
        fastest_ms = percentile(sorted(samples), 50) if wall_s is None else call_s * 1e3
        is_impossible = roofline is not None and roofline.is_beaten_by(fastest_ms)
        taken = (
            "scenario",
            "input_shape",
            "n_parameters",
            "backend",
            "backend_version",
            "n_warmup",
            "n_attempts",
            "load_ms",
            "first_inference_ms",
            "peak_memory_mb",
            "memory_method",
            "energy_j",
            "energy_source",
            "flops",
            "load_avg_1m",
            "cpu_steal_percent",
            "cpu_clock_mhz",
            "temperature_c",
        )
        optional = (
            "compile_ms",
            "output_max_rel_error",
            "loss_first",
            "loss_last",
            "losses",
            "forward_ms_mean",
            "forward_ms_p50",
            "backward_ms_mean",
            "backward_ms_p50",
            "optimizer_ms_mean",
            "optimizer_ms_p50",
            "parameter_memory_mb",
            "gradient_memory_mb",
            "optimizer_memory_mb",
            "activation_memory_mb",
            "activation_memory_method",
            "first_token_ms",
            "time_per_output_token_ms",
        )
        return self.row(
            point.model_size,
            started_at,
            environment_id,
            provenance="measured",
            provenance_reason=f"{len(samples)} timed calls by hwbench {hwbench_pipeline.__version__} {self.measured_by}; "
            "raw samples kept",
            status="ok",
            device_name=device_name,
            precision=point.precision,
            batch_size=point.batch_size,
            sequence_length=sequence_length(self.plan.model, point),
            variant=point.variant,
            options=canonical_json(values["options"]),
            samples_ms=samples,
            n_samples=len(samples),
            throughput_items_per_s=point.batch_size / call_s,
            tokens_per_s=tokens / call_s if tokens else None,
            sound_s=point.sound_s,
            recipe=_recipe(point),
            real_time_factor=None if point.sound_s is None else call_s / (point.sound_s * point.batch_size),
            flags=[*values["flags"], *(["faster_than_roofline"] if is_impossible else [])],
            roofline_ms=None if roofline is None else roofline.least_ms,
            roofline_limb=None if roofline is None else roofline.limb,
            **statistics,
            latency_ms_p50_low=low,
            latency_ms_p50_high=high,
            **{name: values[name] for name in taken},
            **{name: values.get(name) for name in optional},
        )


def _scenario(plan: CellPlan, point: Point) -> str:
    return "train_step" if plan.mode == "training" else point.scenario


def _recipe(point: Point) -> str | None:
    return point.recipe.name if point.recipe else None


def _asked_for(point: Point) -> str | None:
    """What names a point that gave no number apart from others of its precision, batch size and length."""
    asked = {
        "new_tokens": point.new_tokens,
        "variant": point.variant,
        "sound_s": point.sound_s,
        "recipe": _recipe(point),
    }
    known = {name: value for name, value in asked.items() if value is not None}
    return canonical_json(known) if known else None
