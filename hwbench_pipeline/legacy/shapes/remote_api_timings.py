"""Timings of a remote service: a list of calls with `response_time` and the service's own accounting of tokens.

Belongs here: calls that name a model. Does not belong here: logs of queues and back-offs, which time the client, and
catalogues of models. What hardware a service runs is not known; the claim is `remote`, with the provider where stated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hwbench_pipeline.legacy.hardware_claims import REMOTE
from hwbench_pipeline.legacy.json_values import positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of, is_success_word
from hwbench_pipeline.legacy.records import Record, Shape, Timing, Unreadable
from hwbench_pipeline.legacy.units import TimeUnit

_LISTS = ("models", "results", "calls", "requests", "benchmarks", "tests")
_TIMES: dict[str, TimeUnit] = {
    "response_time": "s",
    "response_time_s": "s",
    "response_time_seconds": "s",
    "response_time_ms": "ms",
}
_TOKENS = ("tokens", "completion_tokens", "output_tokens", "total_tokens", "usage", "tokens_per_second")
_RATES = ("tokens_per_second", "tokens_per_sec", "tokens_per_s")
_PROVIDERS = ("provider", "service", "api", "api_name")


def recognises(document: Any) -> bool:
    """True for calls, or an object that holds them, with a model, a response time and tokens counted."""
    return any(_is_call(model, call) for _, model, call in _calls(document))


def read(document: Any) -> Iterator[Record | Unreadable]:
    """One record per call."""
    around = document if isinstance(document, dict) else {}
    for place, model, call in _calls(document):
        if not isinstance(call, dict):
            yield Unreadable(place, "not an object with the timing of one call")
        elif _time_name(call) is not None or _has_failed(call):
            yield _record(around, place, model, call)


def remarks(document: Any) -> list[str]:
    """How many entries neither gave a time nor say that they failed."""
    silent = [
        place
        for place, _, call in _calls(document)
        if isinstance(call, dict) and _time_name(call) is None and not _has_failed(call)
    ]
    return [f"{len(silent)} entries without a response time"] if silent else []


def _calls(document: Any) -> Iterator[tuple[tuple[str, ...], str | None, Any]]:
    """Place, model where the place names it, and the call."""
    if isinstance(document, list):
        yield from (((str(position),), None, call) for position, call in enumerate(document))
    elif isinstance(document, dict):
        for name in _LISTS:
            calls = document.get(name)
            if isinstance(calls, list):
                yield from (((name, str(position)), None, call) for position, call in enumerate(calls))
            elif isinstance(calls, dict):
                yield from (((name, key), key, call) for key, call in calls.items() if isinstance(call, dict))


def _is_call(model: str | None, call: Any) -> bool:
    return (
        isinstance(call, dict)
        and not _TIMES.keys().isdisjoint(call)
        and (_model_of(call) or model) is not None
        and _time_name(call) is not None
        and any(name in call for name in _TOKENS)
        and text(call.get("hardware")) is None
        and text(call.get("device")) is None
    )


def _model_of(call: Mapping[str, Any]) -> str | None:
    return text(call.get("model")) or text(call.get("model_name")) or text(call.get("model_id"))


def _time_name(call: Mapping[str, Any]) -> str | None:
    return next((name for name in _TIMES if positive_number(call.get(name)) is not None), None)


def _has_failed(call: Mapping[str, Any]) -> bool:
    return call.get("success") is False or text(call.get("error")) is not None


def _record(around: Mapping[str, Any], place: tuple[str, ...], model: str | None, call: Mapping[str, Any]) -> Record:
    name = _time_name(call)
    has_failed = name is None or ("success" in call and not is_success_word(call["success"]))
    provider = next((said for source in (call, around) for key in _PROVIDERS if (said := text(source.get(key)))), None)
    return Record(
        pointer=place,
        model_id=_model_of(call) or model,
        claimed_hardware=f"{REMOTE}:{provider}" if provider else REMOTE,
        own=call,
        enclosing=(around,) if around else (),
        timing=None
        if has_failed or name is None
        else Timing(
            declared_unit=_TIMES[name],
            mean=positive_number(call[name]),
            tokens_per_s=next((rate for key in _RATES if (rate := positive_number(call.get(key))) is not None), None),
        ),
        failure=failure_of(call.get("error")) if has_failed else None,
        started_at=call.get("timestamp", around.get("timestamp")),
        mode="inference",
        scenario="generate",
    )


SHAPE = Shape("remote_api_timings", 0, recognises, read, remarks)
