"""Running plans: one cell after the other, each in a process of its own, one at a time on this host.

Belongs here: the order plan → ask the hardware → lock → isolate → record, for the command line and Dagster alike.
Does not belong here: what happens inside the cell's process (`cell`), or storing rows (`storing`).
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psutil

from hwbench_pipeline.bench.isolation import CellProcesses, Limits, ProcessOutcome
from hwbench_pipeline.bench.plan import VARIANTS, CellPlan, Point
from hwbench_pipeline.bench.recording import Attempt, Row, sequence_length
from hwbench_pipeline.catalog.facts import model_facts
from hwbench_pipeline.hardware.environment import container_memory_limit_mb, environment_row
from hwbench_pipeline.hardware.host_lock import host_lock
from hwbench_pipeline.hardware.peaks import Peaks, known_peaks, measure_peaks
from hwbench_pipeline.hardware.platforms import platform_of
from hwbench_pipeline.hardware.probing import Probe, probe

# copies of the fp32 weights that are in memory at once: torch keeps one and a working copy; OpenVINO converts and
# compiles beside the torch model; a training step with AdamW has weights, gradients and two moments
_WEIGHT_COPIES = {"torch": 1.2, "openvino": 3.0, "training": 4.2}

# what kind of absence a probe found → the error class of the rows
_ABSENCE_CLASS = {"no_hardware": "HardwareAbsent", "unsupported": "NoRunner", "failed": "ProbeFailed"}


@dataclass(frozen=True)
class CellExecution:
    """One execution of one cell: its result rows (at least one), the environments they were made in, and what it told."""

    plan: CellPlan
    run_id: str
    rows: list[Row]
    environments: list[Row] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


def new_run_id() -> str:
    """An id for one execution: its start in UTC, so that ids sort by time, and eight random hex digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def run_cell(
    plan: CellPlan,
    processes: CellProcesses,
    *,
    run_id: str | None = None,
    on_wait: Callable[[str], None] | None = None,
    on_phase: Callable[[Point, str], None] | None = None,
) -> CellExecution:
    """Measure one cell. Whatever goes wrong inside it becomes a row; nothing is raised for it.

    Waits for the host's benchmark lock; `on_wait` is told who holds it, `on_phase` what
    begins, point by point. Raises `IsolationError` where no process can be started at all.
    """
    found = probe(plan.hardware)
    attempt = Attempt(plan, run_id or new_run_id(), found)
    now = datetime.now(UTC)
    idle_environment = _environment(found, [None, None])
    platform = platform_of(plan.hardware)

    def for_all_points(status: str, error_class: str, error_message: str) -> CellExecution:
        rows = [
            attempt.row_without_number(
                size,
                now,
                idle_environment["environment_id"],
                status=status,
                error_class=error_class,
                error_message=error_message,
            )
            for size in plan.model_sizes
        ]
        return CellExecution(plan, attempt.run_id, rows, [idle_environment])

    if plan.mode == "training" and platform.no_training_reason is not None:
        return for_all_points("unsupported", "TrainingUnsupported", platform.no_training_reason)
    if found.absence is not None:
        return for_all_points(found.absence, _ABSENCE_CLASS[found.absence], found.reason or found.probe)

    rows: list[Row] = []
    log: list[str] = []
    peaks, has_probed_again = _known_peaks(plan, on_wait), False
    environments = {idle_environment["environment_id"]: idle_environment}
    runnable: list[Point] = []
    for point in _distinct(plan):
        shortage = _memory_shortage(plan, point)
        if shortage is None:
            runnable.append(point)
        else:
            rows.append(
                attempt.row_without_number(
                    point.model_size,
                    now,
                    idle_environment["environment_id"],
                    status="out_of_memory",
                    error_class="NotAttempted",
                    error_message=shortage,
                    point=point,
                )
            )
    while runnable:
        with host_lock(holder=f"hwbench {plan.name}", on_wait=on_wait, timeout_s=None):
            started_at = datetime.now(UTC)
            outcome = processes.run(
                {"plan": replace(plan, points=tuple(runnable)).to_json()},
                Limits(plan.phase_timeout_s),
                on_event=None if on_phase is None else partial(_tell_phase, on_phase, tuple(runnable)),
            )
        log += _log_of(plan, runnable, outcome)
        n_done = 0
        for event in outcome.events:
            if event["event"] == "phase":
                continue
            point = runnable[event["point"]]
            begun = datetime.fromisoformat(event["started_at"])
            if event["event"] == "measured":
                values = event["values"]
                environment = _environment(found, values["threads"], values.get("libraries"))
                environments[environment["environment_id"]] = environment
                row = attempt.measured_row(point, begun, environment["environment_id"], values, peaks)
                if "faster_than_roofline" in row["flags"] and not has_probed_again:
                    # before a number is called impossible: was the machine busy when its peaks were measured?
                    peaks, has_probed_again = _peaks_probed_again(plan, on_wait), True
                    row = attempt.measured_row(point, begun, environment["environment_id"], values, peaks)
                rows.append(row)
            else:
                rows.append(
                    attempt.row_without_number(
                        point.model_size,
                        begun,
                        idle_environment["environment_id"],
                        status=event["status"],
                        error_class=event["error_class"],
                        error_message=event["error_message"],
                        point=point,
                    )
                )
            n_done = event["point"] + 1
        if n_done < len(runnable):  # the process ended in the middle of this point; the next ones get a new one
            point = runnable[n_done]
            rows.append(
                attempt.row_without_number(
                    point.model_size,
                    started_at,
                    idle_environment["environment_id"],
                    point=point,
                    **_death(outcome, n_done),
                )
            )
            n_done += 1
        runnable = runnable[n_done:]
    return CellExecution(plan, attempt.run_id, rows, list(environments.values()), log)


def _tell_phase(on_phase: Callable[[Point, str], None], points: tuple[Point, ...], event: Mapping[str, Any]) -> None:
    if event["event"] == "phase":
        on_phase(points[event["point"]], event["phase"])


def _log_of(plan: CellPlan, points: Sequence[Point], outcome: ProcessOutcome) -> list[str]:
    """What one process of the cell told: its phases and ends point by point, and the end of what it printed."""
    lines = []
    for event in outcome.events:
        what = event["phase"] if event["event"] == "phase" else event.get("error_message") or event["event"]
        lines.append(f"{plan.name}, {points[event['point']]}: {what}")
    return lines + [f"{plan.name}, printed: {line}" for line in outcome.log_tail.splitlines()]


def _known_peaks(plan: CellPlan, on_wait: Callable[[str], None] | None) -> Peaks:
    """The device's peaks; measured under the host's lock where this machine has none yet."""
    with ExitStack() as stack:
        return known_peaks(
            plan.hardware,
            measuring=lambda: stack.enter_context(
                host_lock(holder=f"hwbench peaks of {plan.hardware}", on_wait=on_wait, timeout_s=None)
            ),
        )


def _peaks_probed_again(plan: CellPlan, on_wait: Callable[[str], None] | None) -> Peaks:
    """The device's peaks after one more probe: the best of all of them."""
    with host_lock(holder=f"hwbench peaks of {plan.hardware}", on_wait=on_wait, timeout_s=None):
        measure_peaks(plan.hardware, refresh=True)
    return known_peaks(plan.hardware)


def _distinct(plan: CellPlan) -> list[Point]:
    """The plan's points with the sequence length each means, every one once: a model without text has no length.

    A backend's usual variant is the point without one.
    """
    usual = VARIANTS.get(platform_of(plan.hardware).backend or "", (None,))[0]
    named = (
        replace(
            point,
            sequence_length=sequence_length(plan.model, point),
            variant=None if point.variant == usual else point.variant,
        )
        for point in plan.points
    )
    return list(dict.fromkeys(named))


# who ended a process → status and error class of its point
_ENDINGS = {
    "deadline": ("timeout", "Timeout"),
    "output": ("failed", "EndlessOutput"),
    "memory": ("out_of_memory", "OverHostMemory"),
    "server": ("failed", "ServerDied"),
}


def _death(outcome: ProcessOutcome, point: int) -> dict[str, str]:
    """Status, class and message for a point whose process ended without an answer."""
    phases = [event["phase"] for event in outcome.events if event["event"] == "phase" and event["point"] == point]
    where = f"in phase {phases[-1]!r}" if phases else "before its first phase"
    last_words = f"; it printed last: {outcome.log_tail[-500:]}" if outcome.log_tail else ""
    if outcome.ended_by is not None:
        status, error_class = _ENDINGS[outcome.ended_by]
        by = "ended with the cell server" if outcome.ended_by == "server" else "ended by the watchdog"
        return {
            "status": status,
            "error_class": error_class,
            "error_message": f"{by} {where}: {outcome.limit}{last_words}",
        }
    if outcome.exit_code == -9:
        hint = "; nobody here sent it, which usually is the kernel ending a process for lack of memory"
        return {
            "status": "failed",
            "error_class": "Killed",
            "error_message": f"the process was killed (SIGKILL) {where}{hint}{last_words}",
        }
    how = f"signal {-outcome.exit_code}" if outcome.exit_code < 0 else f"exit code {outcome.exit_code}"
    return {
        "status": "failed",
        "error_class": "ProcessDied",
        "error_message": f"the process ended by {how} {where}{last_words}",
    }


def _environment(found: Probe, threads: list[int | None], libraries: Mapping[str, str] | None = None) -> dict[str, Any]:
    return environment_row(
        device_name=found.device_name,
        device_memory_mb=found.device_memory_mb,
        driver_version=found.driver_version,
        threads_intra_op=threads[0],
        threads_inter_op=threads[1],
        libraries=libraries,
    )


def _memory_shortage(plan: CellPlan, point: Point) -> str | None:
    """Why a point is not attempted for want of host memory, or None. A device's own memory is left to its runtime."""
    n_parameters = model_facts(plan.model, point.model_size).n_parameters
    platform = platform_of(plan.hardware).key
    copies = _WEIGHT_COPIES[
        "training" if plan.mode == "training" else "openvino" if platform == "openvino" else "torch"
    ]
    needed_mb = n_parameters * 4 * copies / 1e6
    available_mb = min(psutil.virtual_memory().available / 1e6, container_memory_limit_mb() or math.inf)
    if needed_mb <= available_mb:
        return None
    return (
        f"not attempted: {n_parameters / 1e9:.2f} G parameters in fp32, {copies:g} copies, need about "
        f"{needed_mb:,.0f} MB; this host has {available_mb:,.0f} MB free. Fix: a host with more memory"
    )
