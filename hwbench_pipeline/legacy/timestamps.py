"""Time stamps of old files: epoch seconds, ISO with and without a zone, compact local time.

Belongs here: turning one into an instant where that is certain, and deriving a file's zone from the file itself.
Does not belong here: guessing a zone. A local time without one stays text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any

from hwbench_pipeline.legacy.json_values import finite_number, text

_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})[_T -]?(\d{2})(\d{2})(\d{2})")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s?(?:Z|z|[+-]\d{2}:?\d{2}(?::\d{2})?)?")
_EPOCH_TEXT = re.compile(r"\d{10}(?:\.\d+)?")
_TIME_KEY = re.compile(r"time|date|epoch|stamp|_at$|^(?:start|end|created|started|finished)", re.IGNORECASE)
_EARLIEST_EPOCH_S = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST_EPOCH_S = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
_HOLD_OTHERS = (dict, list)
_SHORTEST_STATED_TIME = len("20250301100000")
_ZONE_STEP = timedelta(minutes=15)
_LARGEST_OFFSET = timedelta(hours=14)
_SAME_INSTANT = timedelta(minutes=2)


@dataclass(frozen=True)
class TimeStamp:
    """A time stamp as the source wrote it, with its instant in UTC where that is certain."""

    written: str
    instant: datetime | None


def parse_time_stamp(value: Any, naive_zone: tzinfo | None = None) -> TimeStamp | None:
    """The time stamp in a JSON value, None where there is none.

    `naive_zone` is the zone of local times without one; without it they have no instant. A local time that the
    zone's clock showed twice or never has none either.
    """
    number = finite_number(value)
    if number is not None:
        return TimeStamp(str(value), _epoch_instant(number))
    written = text(value)
    return None if written is None else _time_stamp_in(written, naive_zone)


@lru_cache(maxsize=1024)
def _time_stamp_in(written: str, naive_zone: tzinfo | None) -> TimeStamp:
    """The time stamp in a text; the records of one run repeat theirs."""
    if _EPOCH_TEXT.fullmatch(written):
        return TimeStamp(written, _epoch_instant(float(written)))
    stated = _stated_time(written)
    if stated is None:
        return TimeStamp(written, None)
    return TimeStamp(written, _as_utc(stated, naive_zone))


def derive_zone(document: Any) -> timezone | None:
    """The zone of a document's local times, where it holds the same instants as epoch seconds and as local time.

    Pairs in one object count; without any, all pairs of the document. They must agree on one offset, a multiple of
    15 minutes; otherwise the answer is None.
    """
    times: list[tuple[list[float], list[str]]] = []
    waiting: list[Any] = [document]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += [member for member in found if isinstance(member, _HOLD_OTHERS)]
        elif isinstance(found, dict):
            own = _times_of(found, waiting)
            if own is not None:
                times.append(own)
    # most documents hold only one of the two, and then nothing needs to be worked out
    if not any(numbers for numbers, _ in times) or not any(texts for _, texts in times):
        return None
    epochs: list[datetime] = []
    naive: list[datetime] = []
    paired: list[timedelta | None] = []
    for numbers, texts in times:
        own_epochs = [instant for number in numbers if (instant := _epoch_instant(number)) is not None]
        own_naive = [time for text in texts if (time := _stated_time(text)) is not None and time.tzinfo is None]
        paired.extend(_offset(epoch, local) for epoch in own_epochs for local in own_naive)
        epochs += own_epochs
        naive += own_naive
    if not paired and epochs and naive:
        paired = [_offset(min(epochs), min(naive)), _offset(max(epochs), max(naive))]
    offsets = set(paired)
    offset = offsets.pop() if len(offsets) == 1 else None
    return None if offset is None else timezone(offset)


@lru_cache(maxsize=1 << 16)
def _names_time(key: str) -> bool:
    """Whether a key may name a time; files repeat their keys."""
    return _TIME_KEY.search(key) is not None


def _times_of(found: dict[str, Any], inner: list[Any]) -> tuple[list[float], list[str]] | None:
    """What may be epochs and what may be local times of an object, None for neither; what it holds goes to `inner`."""
    numbers: list[float] = []
    texts: list[str] = []
    for key, value in found.items():
        # type and size first: they cost less than the key
        if isinstance(value, str):
            if len(value) >= _SHORTEST_STATED_TIME and _names_time(key):
                texts.append(value.strip())
        elif isinstance(value, _HOLD_OTHERS):
            if value:
                inner.append(value)
        elif isinstance(value, (int, float)) and value >= _EARLIEST_EPOCH_S and _names_time(key):
            number = finite_number(value)
            if number is not None:
                numbers.append(number)
    return (numbers, texts) if numbers or texts else None


def _offset(epoch: datetime, local: datetime) -> timedelta | None:
    difference = local.replace(tzinfo=UTC) - epoch
    offset = round(difference / _ZONE_STEP) * _ZONE_STEP
    return offset if abs(difference - offset) <= _SAME_INSTANT and abs(offset) <= _LARGEST_OFFSET else None


def _epoch_instant(seconds: float) -> datetime | None:
    for unit in (1, 1000):
        if _EARLIEST_EPOCH_S <= seconds / unit < _LATEST_EPOCH_S:
            return datetime.fromtimestamp(seconds / unit, UTC)
    return None


@lru_cache(maxsize=1024)
def _stated_time(written: str) -> datetime | None:
    compact = _COMPACT.fullmatch(written)
    if not written.isascii() or not (compact or _ISO.fullmatch(written)):
        return None
    if compact:
        written = "{}-{}-{}T{}:{}:{}".format(*compact.groups())
    try:
        return datetime.fromisoformat(re.sub(r"\s?[Zz]$", "+00:00", written.replace(",", ".")))
    except ValueError:
        return None


def _as_utc(stated: datetime, naive_zone: tzinfo | None) -> datetime | None:
    try:
        if stated.tzinfo is not None:
            return stated.astimezone(UTC)
        if naive_zone is None:
            return None
        first, second = (stated.replace(tzinfo=naive_zone, fold=fold) for fold in (0, 1))
        if first.utcoffset() != second.utcoffset():  # shown twice or never
            return None
        return first.astimezone(UTC)
    except OverflowError:
        return None
