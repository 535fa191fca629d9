"""Which hardware works for which models: `model_families.<family>.hardware_compatibility.<hardware>`.

Belongs here: the means over all configurations that such a matrix holds beside its verdicts. Does not belong here: the
runs that they summarise (`suite_benchmarks`). A verdict alone (`compatible`, a rating) is no result; a key that names no
hardware, such as that of a model, says nothing about what ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hwbench_pipeline.legacy.hardware_claims import is_hardware_name
from hwbench_pipeline.legacy.json_values import positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of
from hwbench_pipeline.legacy.records import Record, Shape, Timing, Unreadable
from hwbench_pipeline.legacy.units import TimeUnit

_LATENCIES: dict[str, TimeUnit] = {
    "mean_latency": "s",
    "avg_latency": "s",
    "mean_latency_s": "s",
    "mean_latency_ms": "ms",
    "avg_latency_ms": "ms",
    "latency_ms": "ms",
}
_THROUGHPUTS = ("mean_throughput", "avg_throughput", "throughput")


def recognises(document: Any) -> bool:
    """True for an object whose families hold verdicts by hardware; also where it holds no number at all."""
    return isinstance(document, dict) and any(True for _ in _cells(document))


def read(document: Any) -> Iterator[Record | Unreadable]:
    """One record per row that holds a mean, or an error in its place."""
    listed = document.get("hardware_types")
    known = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
    for around, hardware, cell in _cells(document):
        pointer = (*around, "hardware_compatibility", hardware, "benchmark_results")
        for key, row in _rows(cell):
            place = (*pointer, key)
            if not isinstance(row, dict):
                yield Unreadable(place, "not an object with the means of one model")
                continue
            latency_name = next((name for name in _LATENCIES if positive_number(row.get(name)) is not None), None)
            throughput = next((value for name in _THROUGHPUTS if (value := positive_number(row.get(name)))), None)
            if latency_name is None and throughput is None and text(row.get("error")) is None:
                continue
            claimed = text(row.get("hardware")) or (
                hardware if hardware in known or is_hardware_name(hardware) else None
            )
            if claimed is None:
                yield Unreadable(place, f"its key {hardware!r:.80} names no hardware, expected e.g. cpu or cuda")
                continue
            yield _record(document, cell, row, claimed, place, latency_name, throughput)


def remarks(document: Any) -> list[str]:
    """How many verdicts stand there without a number."""
    n_without = sum(
        1
        for _, _, cell in _cells(document)
        if not any(isinstance(row, dict) and any(name in row for name in _LATENCIES) for _, row in _rows(cell))
    )
    return [f"{n_without} verdicts on compatibility without a latency"] if n_without else []


def _record(
    document: Mapping[str, Any],
    cell: Mapping[str, Any],
    row: Mapping[str, Any],
    claimed: str,
    place: tuple[str, ...],
    latency_name: str | None,
    throughput: float | None,
) -> Record:
    has_numbers = latency_name is not None or throughput is not None
    return Record(
        pointer=place,
        model_id=text(row.get("model_name")) or text(row.get("model")),
        claimed_hardware=claimed,
        own=row,
        enclosing=(cell, document),
        timing=Timing(
            declared_unit=_LATENCIES[latency_name] if latency_name else "s",
            mean=positive_number(row.get(latency_name)) if latency_name else None,
            throughput=throughput,
        )
        if has_numbers
        else None,
        failure=None if has_numbers else failure_of(row.get("error"), row.get("status")),
        started_at=row.get("timestamp", document.get("timestamp")),
        mode="inference",
        flags=("is_aggregate",) if has_numbers else (),
        run_document=document,
    )


def _cells(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str, dict[str, Any]]]:
    """Place of the matrix, hardware and verdict, for a matrix of the whole file and for those of its families."""
    families = document.get("model_families")
    matrices: list[tuple[tuple[str, ...], Any]] = [((), document)]
    if isinstance(families, dict):
        matrices += [(("model_families", name), family) for name, family in families.items()]
    for place, around in matrices:
        by_hardware = around.get("hardware_compatibility") if isinstance(around, dict) else None
        for hardware, cell in by_hardware.items() if isinstance(by_hardware, dict) else ():
            if isinstance(cell, dict) and ("benchmark_results" in cell or "compatible" in cell):
                yield place, hardware, cell


def _rows(cell: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    rows = cell.get("benchmark_results")
    if isinstance(rows, list):
        yield from ((str(position), row) for position, row in enumerate(rows))
    elif isinstance(rows, dict):
        yield from rows.items()


SHAPE = Shape("hw_compat_matrix", 3, recognises, read, remarks)
