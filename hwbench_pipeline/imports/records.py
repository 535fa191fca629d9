"""What a format's reader hands over: result rows in their final columns, and what could not be taken.

Belongs here: the vocabulary between the format modules and `reading`, and values that several formats take the same way.
Does not belong here: what any one format means.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hwbench_pipeline.legacy.json_values import finite_number, positive_number
from hwbench_pipeline.schema.table import canonical_json

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NAMES = re.compile(r"(?:.*[._])?(?:version|commit|model|name|processor|device_ids)")
_LONGEST_NUMBER = 40
_LONGEST_JSON_TEXT = 200_000


class ForeignDocumentError(ValueError):
    """A readable file that is no result file of the format; the message says what it is, what was expected, the fix."""


@dataclass(frozen=True)
class ImportedRow:
    """One result row without what `reading` adds (source path, hash, result_id), and the environment it names."""

    pointer: str
    columns: Mapping[str, Any]
    environment: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Refused:
    """A place where a result should be, which is invalid or could not be understood, and why."""

    pointer: str
    reason: str


@dataclass(frozen=True)
class Document:
    """What one file holds. `remarks` say what in it is no result, `fix` what mends these and what was refused, where the
    format knows it."""

    shape: str
    rows: Sequence[ImportedRow]
    refused: Sequence[Refused] = ()
    remarks: Sequence[str] = field(default_factory=tuple)
    fix: str | None = None


def number_of(value: Any) -> float | None:
    """The value as a finite float, also from a text that is a plain decimal number; else None."""
    if isinstance(value, str):
        value = value.strip()
        if len(value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(value):
            return None
        value = float(value)
    return finite_number(value)


def plain_value(text: str, column: str = "") -> Any:
    """A table cell as the value that was written: a whole number, a number, True or False; else the text as it stands.

    Names and versions stay text: version 2.10 is no number.
    """
    said = text.strip()
    if _NAMES.fullmatch(column):
        return text
    if said in ("True", "False"):
        return said == "True"
    number = number_of(said)
    if number is None:
        return text
    return int(said) if said.isdigit() and said.isascii() else number


def object_of(value: Any) -> Mapping[str, Any]:
    """A JSON object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def quantity_of(value: Any) -> float | None:
    """`number_of` where it is above zero and within what a measurement can give; else None."""
    return positive_number(number_of(value))


def count_of(value: Any) -> int | None:
    """The value as a whole number from 1 on, also from `1024.0` or its text; else None."""
    number = number_of(value)
    return int(number) if number is not None and number.is_integer() and 1 <= number <= 2**53 else None


def json_text(value: Any) -> str | None:
    """Canonical JSON of a value from a file; NaN and Infinity in it become null. None for nothing at all.

    A value that is too deep or too large to be kept is named instead.
    """
    if value in (None, {}, [], ""):
        return None
    try:
        text = canonical_json(value)
        if "NaN" in text or "Infinity" in text:
            text = canonical_json(json.loads(text, parse_constant=lambda _: None))
    except (RecursionError, ValueError, TypeError):
        return canonical_json("not kept: nested too deep, or no JSON")
    if len(text) > _LONGEST_JSON_TEXT:
        return canonical_json(f"not kept: {len(text)} characters")
    return text


def is_close(one: float, other: float, tolerance: float) -> bool:
    """Whether two numbers are the same within a relative tolerance."""
    return math.isclose(one, other, rel_tol=tolerance)
