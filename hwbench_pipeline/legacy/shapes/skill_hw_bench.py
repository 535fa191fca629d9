"""A model test that times each way of calling the model on each device: `results.<method>_<hardware>`, `performance`.

Belongs here: average and extremes over the runs of one method, and the attempts that failed. Does not belong here: the
status files of the same writers that hold no times.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hwbench_pipeline.legacy.hardware_claims import is_hardware_name
from hwbench_pipeline.legacy.json_values import positive_integer, positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of
from hwbench_pipeline.legacy.records import Record, Shape, Timing, Unreadable

_MEANS = ("avg_time", "mean_time", "average_time", "inference_time", "avg_inference_time")
_MINIMA = ("min_time", "min_inference_time")
_MAXIMA = ("max_time", "max_inference_time")
_LOADS = ("model_load_time", "load_time")
_ERRORS = ("error", "test", "traceback")


def recognises(document: Any) -> bool:
    """True for an object with `results` and `performance` by method, and a model; the writers' own three blocks."""
    if not isinstance(document, dict) or not isinstance(document.get("metadata"), dict):
        return False
    results, performance = document.get("results", {}), document.get("performance")
    if not isinstance(results, dict) or not isinstance(performance, dict):
        return False
    return any(_is_method(key, entry) for key, entry in results.items()) or any(
        isinstance(entry, dict) and _first(entry, _MEANS) is not None for entry in performance.values()
    )


def read(document: Any) -> Iterator[Record | Unreadable]:
    """One record per method and device that has a time, or that was tried and failed."""
    results, performance = document.get("results", {}), document["performance"]
    for key in (*results, *(name for name in performance if name not in results)):
        entry, timed = results.get(key), performance.get(key)
        entry = entry if isinstance(entry, dict) else {}
        if isinstance(timed, dict) and _first(timed, _MEANS) is not None:
            yield _timed_record(document, ("performance", key), key, timed, entry, prefix="")
        elif _first(entry, _prefixed(key, _MEANS)) is not None:
            yield _timed_record(document, ("results", key), key, entry, entry, prefix=f"{_method_of(key)}_")
        elif _has_failed(key, entry):
            yield _failed_record(document, key, entry)


def remarks(document: Any) -> list[str]:
    """The methods that were not tried or say nothing about how they ended."""
    silent = [
        key
        for key, entry in document.get("results", {}).items()
        if isinstance(entry, dict)
        and _is_method(key, entry)
        and not _has_failed(key, entry)
        and _first(entry, _prefixed(key, _MEANS)) is None
        and not isinstance(document["performance"].get(key), dict)
    ]
    return [f"{', '.join(silent)[:200]} gave neither a time nor an error"] if silent else []


def _is_method(key: str, entry: Any) -> bool:
    """An attempt of a method: it names the device and speaks with the method's name as prefix."""
    if not isinstance(entry, dict) or text(entry.get("device")) is None:
        return False
    prefix = f"{_method_of(key)}_"
    return "success" in entry or any(member.startswith(prefix) for member in entry)


def _method_of(key: str) -> str:
    """`pipeline` of `pipeline_cuda`; the key itself where it names no hardware at its end."""
    method, _, hardware = key.rpartition("_")
    return method if method and is_hardware_name(hardware) else key


def _prefixed(key: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{_method_of(key)}_{name}" for name in names)


def _first(found: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    return next((number for name in names if (number := positive_number(found.get(name))) is not None), None)


def _has_failed(key: str, entry: Mapping[str, Any]) -> bool:
    if not entry:
        return False
    method = _method_of(key)
    outcome = entry.get(f"{method}_success", entry.get("success"))
    kind = text(entry.get(f"{method}_error_type"))
    is_error = any(text(entry.get(name)) is not None for name in (f"{method}_error", "error"))
    return outcome is False or is_error or (outcome is not True and kind is not None and kind.lower() != "none")


def _identity(document: Mapping[str, Any], key: str, entry: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Model and claimed hardware of a method."""
    metadata = document["metadata"]
    model = next(
        (
            name
            for source in (entry, metadata)
            for field in ("model", "model_name", "model_id")
            if (name := text(source.get(field)))
        ),
        None,
    )
    _, _, last = key.rpartition("_")
    return model, text(entry.get("device")) or (last if is_hardware_name(last) else None)


def _timed_record(
    document: Mapping[str, Any],
    pointer: tuple[str, ...],
    key: str,
    timed: Mapping[str, Any],
    entry: Mapping[str, Any],
    prefix: str,
) -> Record:
    model, hardware = _identity(document, key, entry)
    metadata = document["metadata"]
    return Record(
        pointer=pointer,
        model_id=model,
        claimed_hardware=hardware,
        own=timed,
        enclosing=(document,) if entry is timed or not entry else (entry, document),
        timing=Timing(
            declared_unit="s",
            mean=_first(timed, tuple(prefix + name for name in _MEANS)),
            minimum=_first(timed, tuple(prefix + name for name in _MINIMA)),
            maximum=_first(timed, tuple(prefix + name for name in _MAXIMA)),
            n_samples=positive_integer(timed.get("num_runs")),
        ),
        recorded_device=text(entry.get("device")),
        load_s=_first(timed, (*(prefix + name for name in _LOADS), *_LOADS)),
        started_at=metadata.get("timestamp"),
        model_class=text(entry.get("class")) or text(metadata.get("class")),
        mode="inference",
        scenario=_method_of(key),
    )


def _failed_record(document: Mapping[str, Any], key: str, entry: Mapping[str, Any]) -> Record:
    model, hardware = _identity(document, key, entry)
    method = _method_of(key)
    metadata = document["metadata"]
    messages = (text(entry.get(name)) for part in _ERRORS for name in (f"{method}_{part}", part))
    return Record(
        pointer=("results", key),
        model_id=model,
        claimed_hardware=hardware,
        own=entry,
        enclosing=(document,),
        failure=failure_of(next((said for said in messages if said), None), entry.get(f"{method}_error_type")),
        started_at=metadata.get("timestamp"),
        model_class=text(entry.get("class")) or text(metadata.get("class")),
        mode="inference",
        scenario=_method_of(key),
    )


SHAPE = Shape("skill_hw_bench", 0, recognises, read, remarks)
