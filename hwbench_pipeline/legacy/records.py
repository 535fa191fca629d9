"""What a shape hands over: one record per measurement or recorded failure, in the source's own terms.

Belongs here: the vocabulary between `shapes/` and `reading`. Does not belong here: units made certain, provenance
and result rows, which `reading` makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hwbench_pipeline.legacy.configuration import Configuration
from hwbench_pipeline.legacy.outcomes import Failure
from hwbench_pipeline.legacy.units import MemoryUnit, TimeUnit


@dataclass(frozen=True)
class Timing:
    """Numbers of one configuration as the source has them, in `declared_unit` unless the file proves another.

    `samples` may be anything that stands where the raw samples should; `n_samples` is how many the source says it
    took. `throughput` is in items/s, `tokens_per_s` in tokens/s. Everything but the throughputs is a time.
    """

    declared_unit: TimeUnit
    samples: Any = None
    mean: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    std: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    first_token: float | None = None
    output_token: float | None = None
    n_samples: int | None = None
    throughput: float | None = None
    tokens_per_s: float | None = None


@dataclass(frozen=True)
class MemoryStatement:
    """Memory in the source's unit, and what it covers, in words."""

    amount: float
    covers: str
    declared_unit: MemoryUnit = "mb"


@dataclass(frozen=True)
class Record:
    """One result record.

    `own` is the record's JSON object; `enclosing` the objects around it, from its platform's status to the file.
    `claimed_hardware` is what the source says ran it, `recorded_device` the device the run itself read back.
    `compile_s` and `first_inference_s` are apart from steady state too; `n_warmup` calls were made before the timed ones.
    `run_document` holds the system description of the run.
    `precision` and `backend` only where the source states them. `flags` are of the result table, e.g. `is_aggregate` for
    a mean over several configurations. `platform` is what the source says about the hardware beside the record: how its
    initialisation went, its other calls; records of one platform share one object. Either `failure` is given, or at
    least one of `timing` and `memory`. `notes` say what the record states beside, which no column of the results holds.
    """

    pointer: tuple[str, ...]
    model_id: str | None
    claimed_hardware: str | None
    own: Mapping[str, Any]
    enclosing: tuple[Mapping[str, Any], ...]
    configuration: Configuration = field(default_factory=Configuration)
    timing: Timing | None = None
    failure: Failure | None = None
    recorded_device: str | None = None
    memory: MemoryStatement | None = None
    load_s: float | None = None
    compile_s: float | None = None
    first_inference_s: float | None = None
    n_warmup: int | None = None
    started_at: Any = None
    model_class: str | None = None
    mode: str | None = None
    scenario: str | None = None
    precision: str | None = None
    backend: str | None = None
    flags: tuple[str, ...] = ()
    run_document: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()
    platform: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unreadable:
    """A place where a record should be, which could not be understood, and why.

    `candidates` says what a reader saw there and was not sure of.
    """

    pointer: tuple[str, ...]
    reason: str
    candidates: str | None = None


@dataclass(frozen=True)
class Shape:
    """A family of documents.

    `recognises` looks at structure only and never raises; `read` yields the records of a document it recognised, and
    `remarks` says what in it is no record. `originality` orders the places where one run may be stored: 0 is the file
    the run itself wrote, above it are files that copy. `model_of_file_name` is for shapes whose records may name no model
    while the name of the file does; it answers None where the name does not say so.
    """

    name: str
    originality: int
    recognises: Callable[[Any], bool]
    read: Callable[[Any], Iterator[Record | Unreadable]]
    remarks: Callable[[Any], list[str]]
    model_of_file_name: Callable[[str], str | None] | None = None
