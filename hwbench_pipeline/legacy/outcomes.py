"""How an attempt ended, from the words an old file has for it.

Belongs here: success words, and the status and kind of a failure from its message. Does not belong here: whether
a number may be believed (`provenance`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hwbench_pipeline.legacy.json_values import text

SUCCESS_WORDS = frozenset({"completed", "complete", "success", "successful", "succeeded", "ok", "passed", "done"})

_STATUS_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "out_of_memory",
        re.compile(r"out of memory|\boom\b|memoryerror|bad_alloc|cannot allocate memory", re.IGNORECASE),
    ),
    ("timeout", re.compile(r"\btimed?[ -]?out\b|timeout(?:expired|error)", re.IGNORECASE)),
    (
        "no_hardware",
        re.compile(
            r"no (?:cuda|nvidia|gpu|rocm|hip|mps|webgpu|openvino)\b[\w -]{0,30}(?:device|gpu|driver|adapter|found)"
            r"|(?:cuda|gpu|rocm|mps|webgpu|webnn|openvino|device|hardware|adapter) (?:is )?not (?:available|found|present)",
            re.IGNORECASE,
        ),
    ),
    (
        "unsupported",
        re.compile(r"not (?:yet )?(?:supported|implemented)|unsupported|notimplementederror", re.IGNORECASE),
    ),
)
_EXCEPTION = re.compile(r"\b(?:\w+\.)*([A-Z]\w*(?:Error|Exception|Interrupt))\b")
_PREFIX = re.compile(r"\s*([A-Za-z][\w -]{2,40}):\s")


@dataclass(frozen=True)
class Failure:
    """A failed attempt: one of the result row's statuses, the kind of error, and the message of the source."""

    status: str
    error_class: str
    error_message: str


def is_success_word(value: Any) -> bool:
    """Whether a status value says that the attempt succeeded."""
    return value is True or (isinstance(value, str) and value.strip().lower() in SUCCESS_WORDS)


def failure_of(message: Any, status_word: Any = None) -> Failure:
    """The failure that a message and a status word describe; both may be missing."""
    said = text(message)
    word = text(status_word)
    searched = " ".join(part for part in (said, word) if part)
    status = next((name for name, pattern in _STATUS_PATTERNS if pattern.search(searched)), "failed")
    return Failure(
        status=status,
        error_class=_error_class(said, status),
        error_message=said or f"the source says {word or 'that it did not succeed'!r} without a message",
    )


def _error_class(message: str | None, status: str) -> str:
    if message:
        exceptions = _EXCEPTION.findall(message)
        if exceptions:
            return str(exceptions[-1])  # a traceback ends with the one that was raised
        prefix = _PREFIX.match(message)
        if prefix:
            return prefix[1]
    return status
