"""Files that collect objects of another shape: in a list, by model, by model and platform.

Belongs here: finding such objects and giving their records the place they have in the file. Does not belong here:
reading one (`direct_benchmark`, `web_platform_result`), and summaries that repeat their numbers beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from hwbench_pipeline.legacy.json_values import text
from hwbench_pipeline.legacy.outcomes import failure_of
from hwbench_pipeline.legacy.records import Record, Shape, Unreadable
from hwbench_pipeline.legacy.shapes import direct_benchmark, web_platform_result
from hwbench_pipeline.legacy.shapes.asked_once import once

LARGEST_DEPTH = 5
"""So many levels may stand around the collected objects."""
_SAMPLED_AT_TOP = 16
_SAMPLED_MEMBERS = 3
_MOST_LOOKED_AT = 64
_SAMPLED_DEPTH = 3
_HOLD_OTHERS = (dict, list)

_Place = tuple[str, ...]
_Around = tuple[dict[str, Any], ...]


def _collection_of(inner: Shape, name: str) -> Shape:
    """The shape of a file that collects objects of the inner shape."""

    def recognises(document: Any) -> bool:
        return not inner.recognises(document) and _samples_hold(inner, document)

    def read(document: Any) -> Iterator[Record | Unreadable]:
        for pointer, around, found in _objects(inner, document):
            if not inner.recognises(found):
                yield _failed(pointer, around, found)
                continue
            for member in inner.read(found):
                if isinstance(member, Record):
                    enclosing = (*member.enclosing, *around)
                    yield replace(member, pointer=(*pointer, *member.pointer), enclosing=enclosing)
                else:
                    yield replace(member, pointer=(*pointer, *member.pointer))

    def remarks(document: Any) -> list[str]:
        return [
            said
            for _, _, found in _objects(inner, document)
            if inner.recognises(found)
            for said in inner.remarks(found)
        ]

    return Shape(name, inner.originality + 1, recognises, read, remarks)


def _samples_hold(inner: Shape, document: Any) -> bool:
    """Whether one of the first members of a document, or of theirs, is of the inner shape."""
    return any(map(inner.recognises, once("sampled members", document, _sampled_members)))


def _sampled_members(document: Any) -> list[Any]:
    """Some of the members of a document that hold others, and some of theirs, outermost first."""
    sampled: list[Any] = []
    level: list[Any] = [document]
    for depth in range(_SAMPLED_DEPTH):
        n_sampled = _SAMPLED_MEMBERS if depth else _SAMPLED_AT_TOP
        level = [member for value in level for member in _inner_containers(value, n_sampled)]
        sampled += level
    return sampled


def _inner_containers(value: Any, n_sampled: int) -> list[Any]:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found: list[Any] = []
    for member in islice(members, _MOST_LOOKED_AT):
        if isinstance(member, _HOLD_OTHERS) and member:
            found.append(member)
            if len(found) == n_sampled:
                break
    return found


def _objects(inner: Shape, document: Any) -> Iterator[tuple[_Place, _Around, dict[str, Any]]]:
    """The objects of the inner shape and the attempts that ended before giving one, outermost first."""
    waiting: list[tuple[_Place, _Around, Any]] = [((), (), document)]
    while waiting:
        pointer, around, value = waiting.pop()
        if isinstance(value, dict):
            if pointer and inner.recognises(value):
                yield pointer, around, value
                continue
            members = [((*pointer, key), (value, *around), member) for key, member in value.items()]
        elif isinstance(value, list):
            members = [((*pointer, str(position)), around, member) for position, member in enumerate(value)]
        else:
            continue
        members = [entry for entry in members if isinstance(entry[2], dict | list) and entry[2]]
        if isinstance(value, dict) and pointer and _is_failed_attempt(value) and not _samples_hold(inner, value):
            yield pointer, around, value
        elif len(pointer) < LARGEST_DEPTH:
            waiting.extend(reversed(members))


def _is_failed_attempt(found: dict[str, Any]) -> bool:
    return _model_of(found) is not None and (found.get("success") is False or text(found.get("error")) is not None)


def _model_of(found: dict[str, Any]) -> str | None:
    return text(found.get("model_name")) or text(found.get("model")) or text(found.get("model_key"))


def _failed(pointer: _Place, around: _Around, found: dict[str, Any]) -> Record:
    claimed = (text(member.get(key)) for member in (found, *around) for key in ("platform", "hardware"))
    return Record(
        pointer=pointer,
        model_id=_model_of(found),
        claimed_hardware=next((name for name in claimed if name), None),
        own=found,
        enclosing=around,
        failure=failure_of(found.get("error") or found.get("stderr"), found.get("status")),
        started_at=found.get("timestamp"),
        mode="inference",
    )


BATCH_DIRECT_BENCHMARK = _collection_of(direct_benchmark.SHAPE, "batch_direct_benchmark")
WEB_PLATFORM_BATCH = _collection_of(web_platform_result.SHAPE, "web_platform_batch")
