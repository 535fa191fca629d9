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
from hwbench_pipeline.bench.plan import CellPlan, Point, backend_of, usual_variant
from hwbench_pipeline.bench.recording import BY_OWN_PROCESS, Attempt, Row, sequence_length
from hwbench_pipeline.catalog.facts import model_facts
from hwbench_pipeline.hardware import condition
from hwbench_pipeline.hardware.environment import container_memory_limit_mb, environment_row
from hwbench_pipeline.hardware.host_lock import host_lock
from hwbench_pipeline.hardware.peaks import Peaks, known_peaks, measure_peaks
from hwbench_pipeline.hardware.platforms import platform_of
from hwbench_pipeline.hardware.probing import Probe, probe
from hwbench_pipeline.training.recipe import Recipe

# copies of the fp32 weights that are in memory at once: torch keeps one and a working copy; OpenVINO and its like convert and
# compiles beside the torch model; those of a training step are its recipe's
_WEIGHT_COPIES = {"torch": 1.2, "converting": 3.0}

# what kind of absence a probe found → the error class of the rows
_ABSENCE_CLASS = {"no_hardware": "HardwareAbsent", "unsupported": "NoRunner", "failed": "ProbeFailed"}


EnvironmentOf = Callable[[Sequence[int | None], Mapping[str, str] | None], Row]


@dataclass(frozen=True)
class CellExecution:
    """One execution of one cell: its result rows (at least one), the environments they were made in, and what it told."""

    plan: CellPlan
    run_id: str
    rows: list[Row]
    environments: list[Row] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


def named_environments(rows: Sequence[Row], environments: Mapping[str, Row]) -> list[Row]:
    """Of environments by id, those that rows name: not the one before the process began, once every point was measured, nor
    those of tries that left no row."""
    named = {row["environment_id"] for row in rows}
    return [row for identity, row in environments.items() if identity in named]


def new_run_id() -> str:
    """An id for one execution: its start in UTC, so that ids sort by time, and eight random hex digits."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def cell_run_id(run_id: str, number: int) -> str:
    """The id of one cell's execution in a sweep: two models may be one configuration, and so one point of one run."""
    return f"{run_id}-{number:04d}"


def run_cell(
    plan: CellPlan,
    processes: CellProcesses,
    *,
    run_id: str | None = None,
    on_wait: Callable[[str], None] | None = None,
    on_phase: Callable[[Point, str], None] | None = None,
    keep: Callable[[CellExecution], object] | None = None,
) -> CellExecution:
    """Measure one cell. Whatever goes wrong inside it becomes a row; nothing is raised for it.

    Waits for the host's benchmark lock; `on_wait` is told who holds it, `on_phase` what begins, point by point. When the
    wait is ended from outside (Ctrl-C, a run that is stopped), `keep` is given the points that are done, if there are any,
    before that goes on. Raises `IsolationError` where no process can be started at all.
    """
    found = probe(plan.hardware)
    record = CellRecord(plan, run_id or new_run_id(), found)
    platform = platform_of(plan.hardware)
    if plan.mode == "training" and platform.no_training_reason is not None:
        return record.for_all_sizes("unsupported", "TrainingUnsupported", platform.no_training_reason)
    if found.absence is not None:
        return record.for_absence(found)

    record.peaks = _known_peaks(plan, on_wait)
    runnable = [point for point in distinct_points(plan) if not record.is_short_of_memory(point)]
    try:
        while runnable:
            runnable = _run_points(record, processes, runnable, on_wait, on_phase)
    except BaseException:  # Ctrl-C, or Dagster stopping the run
        if keep is not None and record.rows:
            keep(record.execution())
        raise
    return record.execution()


def _run_points(
    record: CellRecord,
    processes: CellProcesses,
    points: list[Point],
    on_wait: Callable[[str], None] | None,
    on_phase: Callable[[Point, str], None] | None,
) -> list[Point]:
    """Run points in one process until it ends, and record each. Returns those that are left for another process."""
    plan = record.plan
    heard: list[Mapping[str, Any]] = []

    def hear(event: Mapping[str, Any]) -> None:
        heard.append(event)
        if event["event"] == "phase" and on_phase is not None:
            on_phase(points[event["point"]], event["phase"])

    with host_lock(holder=f"hwbench {plan.name}", on_wait=on_wait, timeout_s=None):
        started_at = datetime.now(UTC)
        n_kills_before = condition.kernel_memory_kills()
        job = {"plan": replace(plan, points=tuple(points)).to_json()}
        try:
            outcome = processes.run(job, Limits(plan.phase_timeout_s), on_event=hear)
        except BaseException:
            record.take(heard, points)  # as they are: there is no time left to ask the machine for its peaks again
            raise
    record.log += log_of(plan, points, outcome.events, outcome.log_tail)
    n_done = record.take(outcome.events, points, probing_again=lambda: _peaks_probed_again(plan, on_wait))
    if n_done < len(points):  # the process ended in the middle of this point; the next ones get a new one
        record.add_without_number(points[n_done], started_at, **_death(outcome, n_done, n_kills_before))
        n_done += 1
    return points[n_done:]


class CellRecord:
    """What is known of one execution so far: its rows, the environments they were made in, and what it told.

    `environment` gives the row of the environment of a point from the threads it had and the libraries that took part;
    `measured_by` says in the provenance of every number who did it.
    """

    def __init__(
        self,
        plan: CellPlan,
        run_id: str,
        found: Probe,
        *,
        environment: EnvironmentOf | None = None,
        measured_by: str = BY_OWN_PROCESS,
    ) -> None:
        self.plan = plan
        self.rows: list[Row] = []
        self.log: list[str] = []
        self.peaks = Peaks({}, None, "not measured")
        self._attempt = Attempt(plan, run_id, found, measured_by)
        self._environment: EnvironmentOf = environment or partial(_environment, found)
        self._idle_environment = self._environment([None, None], None)
        self._environments = {self._idle_environment["environment_id"]: self._idle_environment}
        self._has_probed_again = False

    def execution(self) -> CellExecution:
        """What is recorded by now."""
        environments = named_environments(self.rows, self._environments)
        return CellExecution(self.plan, self._attempt.run_id, self.rows, environments, self.log)

    def for_all_sizes(self, status: str, error_class: str, error_message: str) -> CellExecution:
        """One row without a number for each size of a cell that cannot run at all."""
        now = datetime.now(UTC)
        self.rows += [
            self._attempt.row_without_number(
                size,
                now,
                self._idle_environment["environment_id"],
                status=status,
                error_class=error_class,
                error_message=error_message,
            )
            for size in self.plan.model_sizes
        ]
        return self.execution()

    def for_absence(self, found: Probe) -> CellExecution:
        """A cell whose hardware is not here, or cannot be used or asked: what the probe said."""
        absence = found.absence or "failed"
        return self.for_all_sizes(absence, _ABSENCE_CLASS[absence], found.reason or found.probe)

    def add_without_number(
        self,
        point: Point,
        started_at: datetime,
        *,
        status: str,
        error_class: str,
        error_message: str,
        failed_phase: str | None = None,
    ) -> None:
        """One point that gave no number, with the reason."""
        self.rows.append(
            self._attempt.row_without_number(
                point.model_size,
                started_at,
                self._idle_environment["environment_id"],
                status=status,
                error_class=error_class,
                error_message=error_message,
                failed_phase=failed_phase,
                point=point,
            )
        )

    def is_short_of_memory(self, point: Point) -> bool:
        """Whether the host has too little memory to try a point, which is then recorded."""
        shortage = _memory_shortage(self.plan, point)
        if shortage is not None:
            self.add_without_number(
                point,
                datetime.now(UTC),
                status="out_of_memory",
                error_class="NotAttempted",
                error_message=shortage,
            )
        return shortage is not None

    def take(
        self,
        events: Sequence[Mapping[str, Any]],
        points: Sequence[Point],
        *,
        probing_again: Callable[[], Peaks] | None = None,
    ) -> int:
        """Record the points that a process finished; `probing_again` gives the peaks after one more probe.

        Returns how many points are done.
        """
        n_done = 0
        for event in events:
            if event["event"] == "phase":
                continue
            point, begun = points[event["point"]], datetime.fromisoformat(event["started_at"])
            if event["event"] == "measured":
                self._add_measured(point, begun, event["values"], probing_again)
            else:
                self.add_without_number(
                    point,
                    begun,
                    **{name: event[name] for name in ("status", "error_class", "error_message")},
                    failed_phase=event.get("failed_phase"),
                )
            n_done = event["point"] + 1
        return n_done

    def _add_measured(
        self,
        point: Point,
        begun: datetime,
        values: Mapping[str, Any],
        probing_again: Callable[[], Peaks] | None,
    ) -> None:
        environment = self._environment(values["threads"], values.get("libraries"))
        environment_id = environment["environment_id"]
        self._environments[environment_id] = environment
        row = self._attempt.measured_row(point, begun, environment_id, values, self.peaks)
        if "faster_than_roofline" in row["flags"] and probing_again is not None and not self._has_probed_again:
            # before a number is called impossible: was the machine busy when its peaks were measured?
            self.peaks, self._has_probed_again = probing_again(), True
            row = self._attempt.measured_row(point, begun, environment_id, values, self.peaks)
        self.rows.append(row)


def log_of(
    plan: CellPlan, points: Sequence[Point], events: Sequence[Mapping[str, Any]], printed: str = ""
) -> list[str]:
    """What one execution of points told: its phases and ends point by point, and the end of what was printed."""
    lines = []
    for event in events:
        what = event["phase"] if event["event"] == "phase" else event.get("error_message") or event["event"]
        lines.append(f"{plan.name}, {points[event['point']]}: {what}")
    return lines + [f"{plan.name}, printed: {line}" for line in printed.splitlines()]


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


def distinct_points(plan: CellPlan) -> list[Point]:
    """The plan's points with the sequence length each means, every one once: a model without text has no length.

    A backend's usual variant is the point without one. A training step is one scenario, whatever others are asked for.
    """
    usual = usual_variant(plan.hardware)
    named = (
        replace(
            point,
            sequence_length=sequence_length(plan.model, point),
            variant=None if point.variant == usual else point.variant,
            scenario="forward" if plan.mode == "training" else point.scenario,
            new_tokens=None if plan.mode == "training" else point.new_tokens,
            sound_s=None if plan.mode == "training" else point.sound_s,
            recipe=(point.recipe or Recipe()).resolved() if plan.mode == "training" else None,
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


def _death(outcome: ProcessOutcome, point: int, n_kills_before: int | None) -> dict[str, Any]:
    """Status, class, message and phase for a point whose process ended without an answer.

    `n_kills_before` is how often the kernel had ended a process for want of memory before this one began.
    """
    phases = [event["phase"] for event in outcome.events if event["event"] == "phase" and event["point"] == point]
    phase = phases[-1] if phases else None
    where = f"in phase {phase!r}" if phases else "before its first phase"
    last_words = f"; it printed last: {outcome.log_tail[-500:]}" if outcome.log_tail else ""
    if outcome.ended_by is not None:
        status, error_class = _ENDINGS[outcome.ended_by]
        by = "ended with the cell server" if outcome.ended_by == "server" else "ended by the watchdog"
        return {
            "status": status,
            "error_class": error_class,
            "error_message": f"{by} {where}: {outcome.limit}{last_words}",
            "failed_phase": phase,
        }
    n_kills = condition.kernel_memory_kills()
    if outcome.exit_code == -9 and n_kills is not None and n_kills_before is not None and n_kills > n_kills_before:
        return {
            "status": "out_of_memory",
            "error_class": "KernelOutOfMemory",
            "error_message": f"the kernel ended the process for lack of memory {where}{last_words}",
            "failed_phase": phase,
        }
    if outcome.exit_code == -9:
        hint = "; nobody here sent it, which usually is the kernel ending a process for lack of memory"
        return {
            "status": "failed",
            "error_class": "Killed",
            "error_message": f"the process was killed (SIGKILL) {where}{hint}{last_words}",
            "failed_phase": phase,
        }
    how = f"signal {-outcome.exit_code}" if outcome.exit_code < 0 else f"exit code {outcome.exit_code}"
    return {
        "status": "failed",
        "error_class": "ProcessDied",
        "error_message": f"the process ended by {how} {where}{last_words}",
        "failed_phase": phase,
    }


def _environment(found: Probe, threads: Sequence[int | None], libraries: Mapping[str, str] | None) -> Row:
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
    if n_parameters is None:  # what cannot be built is said by the attempt
        return None
    is_torch = backend_of(plan.hardware, point.variant) == "torch"
    copies = _WEIGHT_COPIES["torch" if is_torch else "converting"]
    if plan.mode == "training":
        copies = (point.recipe or Recipe()).weight_copies
    needed_mb = n_parameters * 4 * copies / 1e6
    available_mb = min(psutil.virtual_memory().available / 1e6, container_memory_limit_mb() or math.inf)
    if needed_mb <= available_mb:
        return None
    return (
        f"not attempted: {n_parameters / 1e9:.2f} G parameters in fp32, {copies:g} copies, need about "
        f"{needed_mb:,.0f} MB; this host has {available_mb:,.0f} MB free. Fix: a host with more memory"
    )
