"""The zone that a caller states for local times, as text that gives the same zone back.

Belongs here: that text. Does not belong here: reading time stamps (`timestamps`).
"""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")


def zone_named(text: str) -> tzinfo:
    """The zone of `UTC`, an offset like `-08:00`, or a name like `Europe/Berlin`. Raises ValueError for anything else."""
    if text.upper() in ("UTC", "Z"):
        return UTC
    offset = _OFFSET.fullmatch(text)
    if offset and int(offset[2]) < 24 and int(offset[3]) < 60:
        span = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-span if offset[1] == "-" else span)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{text!r} is no zone: takes UTC, an offset like -08:00, or a name like Europe/Berlin"
        ) from None


def zone_text(zone: tzinfo | None) -> str | None:
    """The text that `zone_named` turns into an equal zone."""
    if zone is None:
        return None
    if isinstance(zone, ZoneInfo):
        return zone.key
    offset = zone.utcoffset(None)
    if offset is None:
        raise ValueError(f"{zone!r} has neither a name nor one offset")
    if not offset:
        return "UTC"
    minutes = round(abs(offset).total_seconds() / 60)
    return f"{'-' if offset < timedelta(0) else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
