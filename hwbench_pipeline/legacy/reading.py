"""Reading one file: from its bytes to result rows, with every record accounted for.

Belongs here: putting document, shape, units, provenance and hardware together into rows. Does not belong here: what
other files and earlier ingests have to say (`ingest`).
"""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Any

from hwbench_pipeline.bench.statistics import latency_statistics
from hwbench_pipeline.catalog.names import catalog_key
from hwbench_pipeline.legacy.contents import FileContent
from hwbench_pipeline.legacy.documents import UnreadableDocumentError, parse_document
from hwbench_pipeline.legacy.environments import environment_row
from hwbench_pipeline.legacy.finding import stored_text
from hwbench_pipeline.legacy.hardware_claims import (
    Attempt,
    Finding,
    device_name_of,
    hardware_key,
    requested_hardware,
    settle_hardware,
)
from hwbench_pipeline.legacy.json_values import pointer_text, positive_number, storable
from hwbench_pipeline.legacy.living_formats import living_format_of
from hwbench_pipeline.legacy.provenance import Evidence, FileEvidence, Verdict, judge
from hwbench_pipeline.legacy.records import Record, Shape, Timing, Unreadable
from hwbench_pipeline.legacy.resemblance import result_objects
from hwbench_pipeline.legacy.shapes import generic, shape_of
from hwbench_pipeline.legacy.shapes.asked_once import answers_kept
from hwbench_pipeline.legacy.timestamps import derive_zone, parse_time_stamp
from hwbench_pipeline.legacy.units import (
    LatencyObservation,
    TimeUnit,
    converted,
    decide_time_unit,
    memory_of,
    unit_by_throughput,
)
from hwbench_pipeline.legacy.zones import zone_text
from hwbench_pipeline.schema.table import ColumnType, canonical_json
from hwbench_pipeline.schema.tables.results import (
    CORE_LEGACY__RESULTS,
    MINIMUM_SAMPLES_FOR_P99,
    ORDERED_LATENCY_COLUMNS,
    result_id_of,
)

REMARKS_IN_ERROR = 5
READS = "a latency, a throughput or an amount of used memory in a stated unit, and the model and hardware it belongs to"
_FIELDS_FIX = (
    "Fix: if it holds results, write numbers with a decimal point, name the quantity and its unit in the field (latency_ms, "
    "items_per_second, peak_memory_mb){}, then ingest it again"
)
NAMING_FIX = _FIELDS_FIX.format(" and add the fields model and hardware")


_GENERIC = (generic.SHAPE, generic.TABLE)


@dataclass(frozen=True)
class Reading:
    """What one file gave: its identity, what became of it, its rows and the environments they name.

    `error` says why it gave no rows, or what in it is no row. `quarantined` holds the places that were put aside; none
    where the file as a whole was, although it may count `n_quarantined` records. `n_records` is how many records the shape
    found, counted before anything is made of them: what is lost on the way to the tables is missed by it. `derived_zone`
    is the zone of its local times that the file itself proves, as text.
    """

    path: str
    sha256: str | None
    n_bytes: int | None
    shape: str | None
    status: str
    error: str | None
    rows: tuple[dict[str, Any], ...] = ()
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_records: int = 0
    n_quarantined: int = 0
    quarantined: tuple[Unreadable, ...] = ()
    derived_zone: str | None = None


def read_file(path: Path, content: FileContent, naive_zone: tzinfo | None) -> Reading:
    """What a file gave. Never raises for anything the file holds."""
    name = stored_text(path.as_posix())
    if content.data is None:
        return Reading(name, None, None, None, "quarantined", storable(content.problem or "cannot be read"))
    try:
        document = parse_document(content.data, path.name)
    except UnreadableDocumentError as error:
        status = "no_results" if error.is_foreign else "quarantined"
        return Reading(name, content.sha256, len(content.data), None, status, storable(str(error)))
    with answers_kept():
        return _read_document(document, name, content, naive_zone)


def _read_document(document: Any, name: str, content: FileContent, naive_zone: tzinfo | None) -> Reading:
    n_bytes = len(content.data or b"")
    shape = shape_of(document)
    if (shape is None or shape in _GENERIC) and (format_name := living_format_of(document)) is not None:
        n_found = result_objects(document)
        error = storable(
            f"{format_name} results, which have a reader of their own that corrects the known errors of the format; expected "
            f"old results. Fix: hwbench import {format_name} {shlex.quote(name)}"
        )
        return Reading(
            name, content.sha256, n_bytes, None, "quarantined", error, n_records=n_found, n_quarantined=n_found
        )
    if shape is None:
        n_found = result_objects(document)
        if n_found:
            error = (
                f"looks like benchmark results: saw {n_found} object{'s' if n_found > 1 else ''} with a number under a name "
                f"like latency or throughput ({_outline(document)}), none of which is a record for certain; "
                f"expected {READS}. {NAMING_FIX}"
            )
            error = storable(error)
            return Reading(
                name, content.sha256, n_bytes, None, "quarantined", error, n_records=n_found, n_quarantined=n_found
            )
        seen = "; ".join(generic.remarks(document)[:REMARKS_IN_ERROR])
        error = (
            f"no latency or throughput in it ({_outline(document)}{f'; {seen}' if seen else ''}); expected {READS}. "
            f"{NAMING_FIX if seen else 'Fix: none needed'}"
        )
        return Reading(name, content.sha256, n_bytes, None, "no_results", storable(error))
    found = list(shape.read(document))
    records = [_named(record, shape, name) for record in found if isinstance(record, Record)]
    unreadable = [place for place in found if isinstance(place, Unreadable)]
    derived_zone = derive_zone(document)
    rows, environments, without_number = _rows_of(records, name, content.sha256, derived_zone or naive_zone)
    _complete(rows, is_plain=_is_plain(content.data))
    unreadable += without_number
    remarks = [f"{pointer_text(place.pointer) or 'the document'} put aside: {place.reason}" for place in unreadable]
    remarks += shape.remarks(document)
    said = storable("; ".join(remarks[:REMARKS_IN_ERROR]))
    if len(remarks) > REMARKS_IN_ERROR:
        said += f"; and {len(remarks) - REMARKS_IN_ERROR} more"
    if rows:
        status, error_text = "ingested", said or None
    elif unreadable:
        is_named = not any("no model" in place.reason or "no hardware" in place.reason for place in unreadable)
        fix = _FIELDS_FIX.format("") if is_named else NAMING_FIX
        status, error_text = "quarantined", f"{said}; expected {READS}. {fix}"
    else:
        status = "no_results"
        error_text = f"{shape.name} without a result: {said or 'it holds no attempt'}. Fix: none needed"
    return Reading(
        path=name,
        sha256=content.sha256,
        n_bytes=n_bytes,
        shape=shape.name,
        status=status,
        error=error_text,
        rows=tuple(rows),
        environments=environments,
        n_records=len(found),
        n_quarantined=len(unreadable),
        quarantined=tuple(unreadable),
        derived_zone=zone_text(derived_zone),
    )


def _named(record: Record, shape: Shape, name: str) -> Record:
    """The record, with the model that the file's name states where the record itself has none."""
    if record.model_id is not None or shape.model_of_file_name is None:
        return record
    return replace(record, model_id=shape.model_of_file_name(name.rpartition("/")[2]))


def _outline(document: Any) -> str:
    if isinstance(document, dict):
        keys = ", ".join(list(document)[:5])
        return f"an object with {keys[:120] or 'nothing in it'}"
    return f"a list of {len(document)}" if isinstance(document, list) else "a single value"


@dataclass(frozen=True)
class _Numbers:
    """The numbers of one record in milliseconds; `stated` holds its statistics by result column.

    `unit_note` says in words where their unit is not the one that the field or its shape says.
    """

    samples_ms: tuple[float, ...] | None = None
    samples_are_usable: bool = True
    mean_ms: float | None = None
    stated: dict[str, float | None] = field(default_factory=dict)
    unit_note: str | None = None


_STATED_COLUMNS = {
    "latency_ms_std": "std",
    "latency_ms_min": "minimum",
    "latency_ms_p50": "p50",
    "latency_ms_p90": "p90",
    "latency_ms_p95": "p95",
    "latency_ms_p99": "p99",
    "latency_ms_max": "maximum",
    "first_token_ms": "first_token",
    "time_per_output_token_ms": "output_token",
}


_TEXT_COLUMNS = tuple(column.name for column in CORE_LEGACY__RESULTS.columns if column.type is ColumnType.STRING)
_TIMES_ALONE = ("latency_ms_p50", "first_token_ms", "time_per_output_token_ms")


def _holds_number(record: Record, own: _Numbers) -> bool:
    """Whether a record has a quantity at all: a latency, a throughput or an amount of memory."""
    timing = record.timing
    has_rate = timing is not None and (timing.throughput is not None or timing.tokens_per_s is not None)
    has_time = own.mean_ms is not None or any(own.stated.get(name) is not None for name in _TIMES_ALONE)
    return has_time or has_rate or record.memory is not None


def _rows_of(
    records: Sequence[Record], name: str, sha256: str | None, zone: tzinfo | None
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]], list[Unreadable]]:
    """The result rows of a file's records, the environments they name, and the records that hold no number."""
    kept: list[tuple[Record, _Numbers]] = []
    without_number: list[Unreadable] = []
    for record, own in zip(records, _numbers_of(records), strict=True):
        if record.failure is not None or _holds_number(record, own):
            kept.append((record, own))
        else:
            without_number.append(Unreadable(record.pointer, "its latency is no number above zero"))
    evidence = [_evidence(record, own) if record.failure is None else None for record, own in kept]
    file_evidence = FileEvidence(tuple(member for member in evidence if member is not None))
    verdicts = [None if member is None else judge(member, file_evidence) for member in evidence]
    findings = settle_hardware(
        [_attempt(record, own, verdict) for (record, own), verdict in zip(kept, verdicts, strict=True)]
    )
    rows: list[dict[str, Any]] = []
    environments: dict[str, dict[str, Any]] = {}
    described: dict[tuple[int, str | None], dict[str, Any] | None] = {}
    for (record, own), verdict, finding in zip(kept, verdicts, findings, strict=True):
        run = (id(record.run_document), finding.hardware)  # the records of one run share its object
        if run not in described:
            described[run] = environment_row(record.run_document, finding.hardware)
        environment = described[run]
        row = CORE_LEGACY__RESULTS.complete({"source": "legacy", "source_path": name, "source_sha256": sha256})
        row.update(_identity_columns(record, finding, zone))
        if environment is not None:
            environments[environment["environment_id"]] = environment
            row["environment_id"] = environment["environment_id"]
            row["device_name"] = environment["device_name"] or row["device_name"]
        if verdict is None:
            row.update(_failure_columns(record, finding))
        else:
            row.update(_number_columns(record, own, verdict, finding))
        rows.append(row)
    return rows, environments, without_number


def _is_plain(data: bytes | None) -> bool:
    """Whether no text in a file can hold a lone surrogate: only an escape, or bytes beyond ASCII, can give one."""
    return data is not None and data.isascii() and b"\\u" not in data


def _complete(rows: Iterable[dict[str, Any]], *, is_plain: bool) -> None:
    """Make every text of the rows storable, where it may not be, and give each row its id."""
    for row in rows:
        for column in () if is_plain else _TEXT_COLUMNS:
            value = row[column]
            if isinstance(value, str) and not value.isascii():
                row[column] = storable(value)
        row["result_id"] = result_id_of(row)


def _numbers_of(records: Sequence[Record]) -> list[_Numbers]:
    samples = [None if record.timing is None else _usable_samples(record.timing.samples) for record in records]
    proven: list[TimeUnit | None] = []
    by_declared: dict[TimeUnit, list[TimeUnit]] = defaultdict(list)
    n_declared: Counter[TimeUnit] = Counter()
    for record, own_samples in zip(records, samples, strict=True):
        timing = record.timing
        unit = None if timing is None else _proven_unit(timing, own_samples, record.configuration.batch_size)
        proven.append(unit)
        if timing is not None:
            n_declared[timing.declared_unit] += 1
            if unit is not None:
                by_declared[timing.declared_unit].append(unit)
    units = {
        declared: decide_time_unit(found, declared, n_records=n_declared[declared])
        for declared, found in by_declared.items()
    }
    return [_in_ms(*own, units) for own in zip(records, samples, proven, strict=True)]


def _proven_unit(timing: Timing, samples: Sequence[float] | None, batch_size: int | None) -> TimeUnit | None:
    mean = sum(samples) / len(samples) if samples else timing.mean
    return unit_by_throughput(LatencyObservation(mean, timing.throughput, batch_size))


def _usable_samples(samples: Any) -> tuple[float, ...] | None:
    """The samples as floats; None unless every one is a number above zero."""
    if not isinstance(samples, list) or not samples:
        return None
    numbers: list[float] = []
    for sample in samples:
        number = positive_number(sample)
        if number is None:
            return None
        numbers.append(number)
    return tuple(numbers)


def _in_ms(
    record: Record,
    samples: tuple[float, ...] | None,
    proven: TimeUnit | None,
    units: Mapping[TimeUnit, TimeUnit],
) -> _Numbers:
    """A record's numbers in the unit that is `proven` for it, else in that of `units`, by what is declared."""
    timing = record.timing
    if timing is None:
        return _Numbers()
    unit = proven or units.get(timing.declared_unit, timing.declared_unit)
    samples_ms = None if samples is None else tuple([converted(sample, unit, "ms") for sample in samples])
    mean_ms = None if timing.mean is None else converted(timing.mean, unit, "ms")
    return _Numbers(
        samples_ms=samples_ms,
        samples_are_usable=samples is not None or not timing.samples,
        mean_ms=mean_ms if mean_ms is not None else latency_statistics(samples_ms or ())["latency_ms_mean"],
        stated={
            column: None if (value := getattr(timing, name)) is None else converted(value, unit, "ms")
            for column, name in _STATED_COLUMNS.items()
        },
        unit_note=None if unit == timing.declared_unit else _unit_note(unit, timing, is_own=proven is not None),
    )


def _unit_note(unit: TimeUnit, timing: Timing, *, is_own: bool) -> str:
    """In words, that the throughput settled a unit against what the field's name or its shape says."""
    whose = "its throughput follows" if is_own else "the throughputs of the file's other records follow"
    return (
        f"unit: its times are taken as {unit}, not as {timing.declared_unit}: {whose} from batch size / latency so only"
    )


def _evidence(record: Record, own: _Numbers) -> Evidence:
    timing = record.timing
    return Evidence(
        own=record.own,
        enclosing=record.enclosing,
        claimed_hardware=hardware_key(record.claimed_hardware),
        model_id=record.model_id,
        batch_size=record.configuration.batch_size,
        input_key=(record.configuration.sequence_length, record.configuration.input_shape),
        samples_ms=own.samples_ms,
        samples_are_usable=own.samples_are_usable,
        stated_mean_ms=own.mean_ms if timing is not None and timing.mean is not None else None,
        stated_min_ms=own.stated.get("latency_ms_min"),
        stated_max_ms=own.stated.get("latency_ms_max"),
        throughput=None if timing is None else timing.throughput,
        n_runs=None if timing is None else timing.n_samples,
        is_aggregate="is_aggregate" in record.flags,
        stated_ms={column: value for column, value in own.stated.items() if value is not None},
        platform=record.platform,
        sequence_length=record.configuration.sequence_length,
        device_name=device_name_of(record.claimed_hardware),
    )


def _attempt(record: Record, own: _Numbers, verdict: Verdict | None) -> Attempt:
    configuration = record.configuration
    return Attempt(
        run=id(record.run_document) if record.run_document is not None else None,
        model=record.model_id,
        claimed=hardware_key(record.claimed_hardware),
        recorded_device=record.recorded_device,
        point=(configuration.batch_size, configuration.sequence_length, configuration.input_shape),
        mean_ms=own.mean_ms if verdict is not None and verdict.provenance == "measured" else None,
        is_failure=verdict is None,
        is_simulated=verdict is not None and verdict.provenance in ("simulated", "mock"),
        load_s=record.load_s,
        own=record.own,
        enclosing=record.enclosing,
        is_aggregate="is_aggregate" in record.flags,
    )


def _identity_columns(record: Record, finding: Finding, zone: tzinfo | None) -> dict[str, Any]:
    time_stamp = parse_time_stamp(record.started_at, zone)
    ran_as_claimed = finding.hardware in (None, hardware_key(record.claimed_hardware))
    return {
        "source_pointer": pointer_text(record.pointer),
        "model_id": record.model_id,
        "model": None if record.model_id is None else catalog_key(record.model_id),
        "options": None if record.model_class is None else canonical_json({"class": record.model_class}),
        "hardware": finding.hardware,
        "hardware_requested": requested_hardware(record.claimed_hardware),
        "device_name": device_name_of(record.claimed_hardware) if ran_as_claimed else None,
        "mode": record.mode,
        "scenario": record.scenario,
        "precision": record.precision,
        "backend": record.backend,
        "flags": list(record.flags) or None,
        "batch_size": record.configuration.batch_size,
        "sequence_length": record.configuration.sequence_length,
        "input_shape": record.configuration.input_shape,
        "load_ms": _as_ms(record.load_s) if finding.is_load else None,
        "started_at": None if time_stamp is None else time_stamp.instant,
        "started_at_text": None if time_stamp is None else time_stamp.written,
    }


def _as_ms(seconds: float | None) -> float | None:
    return None if seconds is None else converted(seconds, "s", "ms")


def _failure_columns(record: Record, finding: Finding) -> dict[str, Any]:
    assert record.failure is not None
    return {
        "provenance": "none",
        "provenance_reason": finding.reason,
        "status": record.failure.status,
        "error_class": record.failure.error_class,
        "error_message": record.failure.error_message,
    }


def _number_columns(record: Record, own: _Numbers, verdict: Verdict, finding: Finding) -> dict[str, Any]:
    timing = record.timing
    n_samples = None if timing is None else timing.n_samples
    contradictions = None if own.samples_ms else _contradictions(own, n_samples)
    columns: dict[str, Any] = {
        "compile_ms": _as_ms(record.compile_s),
        "first_inference_ms": _as_ms(record.first_inference_s),
        "n_warmup": record.n_warmup,
        "provenance": verdict.provenance,
        "provenance_reason": "; ".join(
            part for part in (verdict.reason, finding.reason, own.unit_note, contradictions, *record.notes) if part
        ),
        "status": "ok",
        "flags": [*record.flags, *verdict.flags] or None,
        "latency_ms_mean": own.mean_ms,
        **({} if own.samples_ms else _without_contradictions(own, n_samples)),
        "first_token_ms": own.stated.get("first_token_ms"),
        "time_per_output_token_ms": own.stated.get("time_per_output_token_ms"),
    }
    if timing is not None:
        columns["throughput_items_per_s"] = timing.throughput
        columns["tokens_per_s"] = timing.tokens_per_s
        columns["n_samples"] = n_samples
    if own.samples_ms:
        columns |= latency_statistics(own.samples_ms)
        columns |= {"samples_ms": list(own.samples_ms), "n_samples": len(own.samples_ms)}
    if record.memory is not None:
        memory = memory_of(record.memory.amount, record.memory.declared_unit)
        columns["peak_memory_mb"] = memory.mb
        columns["memory_method"] = f"{record.memory.covers}; unit: {memory.unit_evidence}"
    return columns


def _without_contradictions(own: _Numbers, n_samples: int | None) -> dict[str, float | None]:
    """The stated statistics without those that cannot all be true, and without a p99 that is only a maximum.

    A median that is all there is of a latency stays; what contradicts it goes.
    """
    kept = dict(own.stated)
    staying = {"latency_ms_p50"} if own.mean_ms is None else set()
    if n_samples is not None and n_samples < MINIMUM_SAMPLES_FOR_P99:
        kept["latency_ms_p99"] = None
    while broken := _out_of_order(kept):
        kept |= dict.fromkeys(broken - staying)
    return kept


def _out_of_order(stated: Mapping[str, float | None]) -> set[str]:
    present = [(name, value) for name in ORDERED_LATENCY_COLUMNS if (value := stated.get(name)) is not None]
    return {
        name for (low_name, low), (high_name, high) in pairwise(present) if low > high for name in (low_name, high_name)
    }


def _contradictions(own: _Numbers, n_samples: int | None) -> str | None:
    """In words, which stated statistics are not stored, with their values; None where all are."""
    kept = _without_contradictions(own, n_samples)
    left_out = [f"{name} {value:g}" for name, value in own.stated.items() if value is not None and kept[name] is None]
    if not left_out:
        return None
    return f"not stored: {', '.join(left_out)}, which contradict each other or come from too few samples"
