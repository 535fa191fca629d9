"""Web platforms side by side: `results_by_modality.<modality>[]` with one object per platform in each row.

Belongs here: the rows. Does not belong here: the summary and the recommendations above them, which repeat or contradict
the rows. A row that says it failed and gives a time nevertheless keeps the time; `provenance` judges it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hwbench_pipeline.legacy.hardware_claims import hardware_key, is_hardware_name
from hwbench_pipeline.legacy.json_values import positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of, is_success_word
from hwbench_pipeline.legacy.records import MemoryStatement, Record, Shape, Timing, Unreadable

_MEMORY_COVERS = "as the source states it; what it covers is not recorded"
_LISTS = ("results", "comparisons", "models")
_WEB = frozenset({"webnn", "webgpu", "wasm"})
_GROUPS = ("results_by_modality", "results_by_model", "results_by_family", "modalities")
_SECTIONS = frozenset((*_LISTS, *_GROUPS))
_TIMES_MS = ("time_ms", "inference_time_ms", "processing_time_ms", "latency_ms", "avg_latency_ms")
_MODELS = ("model_name", "model", "model_id", "model_key")


def recognises(document: Any) -> bool:
    """True for an object whose groups hold rows with a model and objects by platform."""
    if not isinstance(document, dict) or _SECTIONS.isdisjoint(document):
        return False
    return any(
        isinstance(row, dict) and any(hardware_key(platform[-1]) in _WEB for platform, _ in _platforms(row))
        for _, _, row in _rows(document)
    )


def read(document: Any) -> Iterator[Record | Unreadable]:
    """One record per row and platform that holds a number or says how it failed."""
    for place, model, row in _rows(document):
        if not isinstance(row, dict):
            yield Unreadable(place, "not an object with the results of one model")
            continue
        for platform, result in _platforms(row):
            yield _record(document, row, _model_of(row) or model, (*place, *platform), platform[-1], result)


def remarks(document: Any) -> list[str]:
    """That a summary stands beside the rows."""
    return ["its summary repeats or contradicts its rows and was left out"] if document.get("summary") else []


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str | None, Any]]:
    """Place, model where the place names it, and every row of every group."""
    for name in _LISTS:
        rows = document.get(name)
        if isinstance(rows, list):
            yield from (((name, str(position)), None, row) for position, row in enumerate(rows))
        elif isinstance(rows, dict):
            yield from (((name, model), model, row) for model, row in rows.items() if isinstance(row, dict))
    for name in _GROUPS:
        groups = document.get(name)
        for group, rows in groups.items() if isinstance(groups, dict) else ():
            if isinstance(rows, list):
                yield from (((name, group, str(position)), None, row) for position, row in enumerate(rows))
            elif isinstance(rows, dict) and any(True for _ in _platforms(rows)):
                yield (name, group), group, rows
            elif isinstance(rows, dict):
                yield from (((name, group, model), model, row) for model, row in rows.items() if isinstance(row, dict))


def _platforms(row: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The results of a row by platform, with their place in it: beside the model, or in an object of their own."""
    yield from (((key,), result) for key, result in _of_platforms(row))
    inner = row.get("platforms")
    if isinstance(inner, dict):
        yield from ((("platforms", key), result) for key, result in _of_platforms(inner))


def _of_platforms(row: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, result in row.items():
        if (
            isinstance(result, dict)
            and is_hardware_name(key)
            and (_time_of(result) or "success" in result or "status" in result)
        ):
            yield key, result


def _model_of(row: Mapping[str, Any]) -> str | None:
    return next((found for name in _MODELS if (found := text(row.get(name))) is not None), None)


def _time_of(result: Mapping[str, Any]) -> float | None:
    return next((number for name in _TIMES_MS if (number := positive_number(result.get(name))) is not None), None)


def _record(
    document: Mapping[str, Any],
    row: Mapping[str, Any],
    model: str | None,
    place: tuple[str, ...],
    platform: str,
    result: Mapping[str, Any],
) -> Record | Unreadable:
    mean = _time_of(result)
    has_failed = not is_success_word(result.get("success", result.get("status")))
    if mean is None and not has_failed:
        return Unreadable(place, "it says that it succeeded but holds no time")
    memory_mb = positive_number(result.get("memory_mb"))
    load_ms = positive_number(result.get("load_time_ms"))
    return Record(
        pointer=place,
        model_id=model,
        claimed_hardware=platform,
        own=result,
        # what a row says of one platform is no word on another
        enclosing=({key: value for key, value in row.items() if not isinstance(value, dict | list)}, document),
        timing=None if mean is None else Timing(declared_unit="ms", mean=mean),
        failure=failure_of(result.get("error"), result.get("status")) if mean is None else None,
        memory=None if mean is None or memory_mb is None else MemoryStatement(memory_mb, _MEMORY_COVERS),
        load_s=None if load_ms is None else load_ms / 1000,
        started_at=result.get("timestamp", document.get("timestamp")),
        mode="inference",
    )


SHAPE = Shape("web_platform_comparison", 0, recognises, read, remarks)
