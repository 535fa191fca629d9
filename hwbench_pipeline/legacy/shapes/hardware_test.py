"""One model tried on several kinds of hardware in turn: an object by hardware, each with how it ended and one time.

Belongs here: single calls whose times have no unit in their name, which `generic` does not take. Seconds are taken only
where the digits are those of a clock that counts seconds. Does not belong here: the examples of skill tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hwbench_pipeline.legacy.hardware_claims import is_hardware_name
from hwbench_pipeline.legacy.json_values import positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of, is_success_word
from hwbench_pipeline.legacy.provenance.clock import is_clock_difference
from hwbench_pipeline.legacy.records import Record, Shape, Timing, Unreadable
from hwbench_pipeline.legacy.units import TimeUnit

_WRAPPERS = (
    "results",
    "hardware_results",
    "platforms",
    "test_results",
    "tests",
    "benchmarks",
    "hardware_tests",
    "hardware",
)
_MODELS = ("model_name", "model_id", "model_path", "model")
_OUTCOMES = ("success", "status", "passed", "error")
_TIMES: dict[str, TimeUnit | None] = {
    "inference_time_ms": "ms",
    "inference_time_s": "s",
    "inference_time_seconds": "s",
    "inference_time": None,
    "forward_time": None,
    "execution_time": None,
    "elapsed_time": None,
    "time": None,
}
_LOADS = ("model_load_time", "load_time", "loading_time")
_DEVICES = ("device", "actual_device", "device_used")


def recognises(document: Any) -> bool:
    """True for an object that names a model and holds, by hardware, outcomes of which one has a time."""
    return isinstance(document, dict) and any(
        model is not None and _time_name(entry) is not None for _, model, _, entry in _attempts(document)
    )


def read(document: Any) -> Iterator[Record | Unreadable]:
    """One record per hardware that was timed or failed."""
    for place, model, hardware, entry in _attempts(document):
        name = _time_name(entry)
        if name is None and not _has_failed(entry):
            continue
        if name is not None and _TIMES[name] is None and not _is_in_seconds(entry, name):
            yield Unreadable(
                place, f"{name} {positive_number(entry[name]):g} has no unit, and its digits are no clock's"
            )
            continue
        yield _record(document, place, model, hardware, entry, name)


def remarks(document: Any) -> list[str]:
    """The hardware that gave neither a time nor an error."""
    silent = [
        hardware
        for _, _, hardware, entry in _attempts(document)
        if _time_name(entry) is None and not _has_failed(entry)
    ]
    return [f"{', '.join(silent)[:200]} gave neither a time nor an error"] if silent else []


def _attempts(document: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str | None, str, dict[str, Any]]]:
    """Place, model, hardware and outcome of every attempt: at the top, in a wrapper, or by model in a wrapper."""
    model = _model_of(document) or _model_of(document.get("metadata"))
    yield from _by_hardware(document, (), model)
    for wrapper in _WRAPPERS:
        inner = document.get(wrapper)
        if isinstance(inner, list):
            yield from _in_list(inner, wrapper, model)
        if not isinstance(inner, dict):
            continue
        yield from _by_hardware(inner, (wrapper,), _model_of(inner) or model)
        for key, member in inner.items():
            if isinstance(member, dict) and not is_hardware_name(key):
                yield from _by_hardware(member, (wrapper, key), _model_of(member) or model or key)


def _in_list(
    entries: Sequence[Any], wrapper: str, model: str | None
) -> Iterator[tuple[tuple[str, ...], str | None, str, dict[str, Any]]]:
    for position, entry in enumerate(entries):
        if isinstance(entry, dict) and any(name in entry for name in _OUTCOMES):
            hardware = next((said for name in ("hardware", *_DEVICES) if (said := text(entry.get(name)))), None)
            if hardware is not None and is_hardware_name(hardware):
                yield (wrapper, str(position)), _model_of(entry) or model, hardware, entry


def _by_hardware(
    found: Mapping[str, Any], place: tuple[str, ...], model: str | None
) -> Iterator[tuple[tuple[str, ...], str | None, str, dict[str, Any]]]:
    for key, entry in found.items():
        if isinstance(entry, dict) and is_hardware_name(key) and any(name in entry for name in _OUTCOMES):
            yield (*place, key), _model_of(entry) or model, key, entry


def _model_of(found: Any) -> str | None:
    if not isinstance(found, dict):
        return None
    return next((said for name in _MODELS if (said := text(found.get(name))) is not None), None)


def _time_name(entry: Mapping[str, Any]) -> str | None:
    return next((name for name in _TIMES if positive_number(entry.get(name)) is not None), None)


def _is_in_seconds(entry: Mapping[str, Any], name: str) -> bool:
    number = positive_number(entry.get(name))
    return number is not None and is_clock_difference(number)


def _has_failed(entry: Mapping[str, Any]) -> bool:
    return text(entry.get("error")) is not None or any(
        name in entry and (entry[name] is False or (isinstance(entry[name], str) and not is_success_word(entry[name])))
        for name in ("success", "status", "passed")
    )


def _record(
    document: Mapping[str, Any],
    place: tuple[str, ...],
    model: str | None,
    hardware: str,
    entry: Mapping[str, Any],
    name: str | None,
) -> Record:
    loads = (positive_number(entry.get(key)) for key in _LOADS)
    return Record(
        pointer=place,
        model_id=model,
        claimed_hardware=hardware,
        own=entry,
        enclosing=(document,),
        timing=None if name is None else Timing(declared_unit=_TIMES[name] or "s", mean=positive_number(entry[name])),
        failure=failure_of(entry.get("error"), entry.get("status")) if name is None else None,
        recorded_device=next((said for key in _DEVICES if (said := text(entry.get(key))) is not None), None),
        # without a unit in its name a load time is in seconds only where its digits are those of such a clock
        load_s=next((load for load in loads if load is not None and is_clock_difference(load)), None),
        started_at=entry.get("timestamp", document.get("timestamp")),
        mode="inference",
    )


SHAPE = Shape("hardware_test", 0, recognises, read, remarks)
