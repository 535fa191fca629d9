"""Browsers compared with each other for one model: `tests[]` with a browser and its relative performance.

Belongs here: such rows, which hold percentages against a baseline that the file does not give; they are put aside,
because no time follows from them. Rows with times of their own give records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hwbench_pipeline.legacy.json_values import finite_number, positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of
from hwbench_pipeline.legacy.records import Record, Shape, Timing, Unreadable

_LISTS = ("tests", "results", "browsers", "comparisons")
_TIMES_MS = ("inference_time_ms", "avg_inference_time_ms", "average_inference_time_ms", "latency_ms", "time_ms")
_PLATFORMS = ("platform", "hardware", "backend", "api")


def recognises(document: Any) -> bool:
    """True for an object with a list whose members name a browser and hold a `performance`."""
    return isinstance(document, dict) and any(_is_row(row) for _, row in _rows(document))


def read(document: Any) -> Iterator[Record | Unreadable]:
    """One record, or one place put aside, per browser and setting."""
    for place, row in _rows(document):
        if _is_row(row):
            yield from _of_row(document, place, row)
        else:
            yield Unreadable(place, "not an object with a browser and its performance")


def remarks(document: Any) -> list[str]:  # noqa: ARG001 - every shape has this signature
    """Nothing: every row is accounted for."""
    return []


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in _LISTS:
        rows = document.get(name)
        if isinstance(rows, list):
            yield from (((name, str(position)), row) for position, row in enumerate(rows))
        elif isinstance(rows, dict):
            yield from (((name, key), row) for key, row in rows.items())


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and text(row.get("browser")) is not None
        and (isinstance(row.get("performance"), dict) or "success" in row)
    )


def _of_row(
    document: Mapping[str, Any], place: tuple[str, ...], row: Mapping[str, Any]
) -> Iterator[Record | Unreadable]:
    performance = row.get("performance") if isinstance(row.get("performance"), dict) else {}
    assert isinstance(performance, dict)
    where = (*place, "performance") if performance else place
    mean = next((number for name in _TIMES_MS if (number := positive_number(performance.get(name))) is not None), None)
    has_failed = row.get("success") is False
    if mean is None and not has_failed:
        relative = [name for name, value in performance.items() if finite_number(value) is not None]
        yield Unreadable(
            where,
            f"{', '.join(relative)[:200] or 'no number'} of {row['browser']!r:.80} is relative to a baseline that the "
            "file does not hold; expected a time",
        )
        return
    yield Record(
        pointer=where if mean is not None else place,
        model_id=text(row.get("model")) or text(document.get("model")),
        claimed_hardware=next(
            (said for name in _PLATFORMS if (said := text(row.get(name)) or text(document.get(name)))), None
        ),
        own=performance if mean is not None else row,
        enclosing=(row, document),
        timing=None if mean is None else Timing(declared_unit="ms", mean=mean),
        failure=failure_of(row.get("error")) if mean is None else None,
        started_at=row.get("timestamp", document.get("timestamp")),
        mode="inference",
    )


SHAPE = Shape("browser_compare", 0, recognises, read, remarks)
