"""What a cell's process reports and how it can end: the values that cross from the measuring process to the engine.

Belongs here: plain values and their way through JSON. Does not belong here: making them (`cell`), result rows (`recording`), or
the process itself (`isolation`). Imports nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """The steps of a point, in their order; each has a deadline of its own (`DEADLINES_S`)."""

    START = "start"
    LOAD = "load"
    REFERENCE = "reference"
    COMPILE = "compile"
    FIRST_INFERENCE = "first inference"
    VERIFY = "verify"
    WARM_UP = "warm up"
    SAMPLE = "sample"
    MEMORY = "memory"
    COUNT = "count operations"


DEADLINES_S: Mapping[Phase, float] = {
    Phase.START: 60.0,
    Phase.LOAD: 600.0,
    Phase.REFERENCE: 600.0,
    Phase.COMPILE: 900.0,
    Phase.FIRST_INFERENCE: 300.0,
    Phase.VERIFY: 300.0,
    Phase.WARM_UP: 300.0,
    Phase.SAMPLE: 300.0,
    Phase.MEMORY: 300.0,
    Phase.COUNT: 120.0,
}
"""Seconds a phase may take before the watchdog ends the process, counted from the event that began it: a cell that goes on
writing is not spared. Ten times what the largest key model needs on two cores."""


class Ending(StrEnum):
    """How a cell's process ended."""

    EXITED = "exited"
    DEADLINE = "deadline"  # the watchdog: a phase took too long
    MEMORY = "memory"  # the watchdog: the process tree went over the memory limit
    OUTPUT = "output"  # the watchdog: it printed without end
    SERVER = "server"  # the server that forks cells died with it


@dataclass(frozen=True)
class Attempt:
    """One round of sampling: its raw samples in milliseconds, and what was thrown away before them.

    `reasons` says why another round was made, empty for the one that was kept.
    """

    samples_ms: list[float]
    n_warmup: int
    is_steady: bool
    is_noisy: bool
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Measurement:
    """Everything a measured point reports; `recording` makes its row. None is what was not or could not be measured.

    Times in ms, memory in MB (1e6 bytes), energy in J per call. `memory` maps each way of reading (`MemoryReading.name`) to
    [MB or None, method]. `wall_s` and `in_flight` are of streams. `token_ms` are of generations: [first token, every further …]
    of each kept call. `working_set_bytes` are weights, inputs and outputs of one call. `phases_s` are the seconds of each phase.
    """

    scenario: str
    backend: str
    backend_version: str
    compute_precision: str
    options: dict[str, Any]
    libraries: dict[str, str]
    threads_intra_op: int | None
    threads_inter_op: int | None
    n_parameters: int
    input_shape: str
    tokens_per_call: int | None
    load_ms: float
    compile_ms: float | None
    first_inference_ms: float | None
    output_max_rel_error: float | None
    output_tolerance: float | None
    attempts: list[Attempt]
    flops: int | None
    weight_bytes: int | None
    working_set_bytes: int | None
    memory: dict[str, list[Any]]
    energy_j: float | None
    energy_source: str
    condition: dict[str, Any]
    flags: list[str]
    wall_s: float | None = None
    in_flight: int | None = None
    token_ms: list[list[float]] | None = None
    loss_first: float | None = None
    loss_last: float | None = None
    phases_s: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The measurement as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Measurement:
        """The measurement that `to_json` gave. Raises TypeError for what is none."""
        return cls(**{**value, "attempts": [Attempt(**attempt) for attempt in value["attempts"]]})


@dataclass(frozen=True)
class Failure:
    """A point that gave no number, in the words of the process itself. `status` is one of `schema.tables.results.STATUSES`."""

    status: str
    error_class: str
    error_message: str


@dataclass(frozen=True)
class Event:
    """One line that a cell writes: the phase that begins, or the end of a point with its measurement or failure.

    `at_s` is the process's monotonic clock; `started_at` is ISO 8601 in UTC, on the events that end a point. Exactly one of the last
    three is set.
    """

    point: int
    at_s: float
    started_at: str | None = None
    phase: Phase | None = None
    measured: Measurement | None = None
    failed: Failure | None = None

    def to_json(self) -> dict[str, Any]:
        """The event as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Event:
        """The event that `to_json` gave. Raises TypeError, ValueError or KeyError for what is none."""
        known = {name: value[name] for name in (f.name for f in fields(cls)) if value.get(name) is not None}
        if "phase" in known:
            known["phase"] = Phase(known["phase"])
        if "measured" in known:
            known["measured"] = Measurement.from_json(known["measured"])
        if "failed" in known:
            known["failed"] = Failure(**known["failed"])
        return cls(**known)
