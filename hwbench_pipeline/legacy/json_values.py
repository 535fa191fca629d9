"""Reading single values out of JSON of unknown origin, without trusting their type.

Belongs here: numbers, texts and JSON pointers as an old file may hold them. Does not belong here: what a value
means (`units`, `timestamps`, `shapes/`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

LARGEST_INT64 = 2**63 - 1
SMALLEST_QUANTITY = 1e-12
LARGEST_QUANTITY = 1e15


def finite_number(value: Any) -> float | None:
    """The value as a finite float; None for anything that is no number, also for booleans, NaN and numeric text."""
    if type(value) is float:  # the common case first: this is asked of every value of every file
        return value if math.isfinite(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def positive_number(value: Any) -> float | None:
    """The value as a float above zero that a measurement can give, else None.

    Zero is what old writers put where nothing was measured; beyond 1e-12 and 1e15 there is no time, rate or amount of
    memory in any unit, and arithmetic would overflow.
    """
    number = finite_number(value)
    return number if number is not None and SMALLEST_QUANTITY <= number <= LARGEST_QUANTITY else None


def positive_integer(value: Any) -> int | None:
    """The value as an integer from 1 to 2^63 - 1, also from text of ASCII digits; else None."""
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(LARGEST_INT64))):
            return None
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 1 <= value <= LARGEST_INT64 else None


def text(value: Any) -> str | None:
    """The value as text without outer white space; None for anything else and for empty text."""
    return value.strip() or None if isinstance(value, str) else None


def significant_digits(number: float) -> int:
    """How many digits it takes to write the number exactly as it reads back: 80.0 has 1, 0.0613 has 3."""
    mantissa = repr(number).lstrip("-").partition("e")[0].replace(".", "")
    return len(mantissa.strip("0")) or 1


def digits_without_blur(number: float) -> int:
    """Significant digits of a number, without the last ones that a change of unit adds: 1000 × 0.0023 has 2."""
    # the twelve digits that `g` writes are those that `repr` would of the number they stand for
    mantissa = f"{number:.12g}".lstrip("-").partition("e")[0].replace(".", "")
    return len(mantissa.strip("0")) or 1


def pointer_text(parts: Iterable[str | int]) -> str:
    """The RFC 6901 JSON pointer of a path of keys and positions; the whole document is the empty pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def storable(value: str) -> str:
    """Text that UTF-8 can hold: lone surrogates, from bad escapes or odd file names, become `\\udcxx`."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def objects_within(document: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object of a document, the document itself first; without recursion, so depth does not matter."""
    waiting: list[Any] = [document]
    while waiting:
        value = waiting.pop()
        members: Iterable[Any]
        if isinstance(value, dict):
            yield value
            members = reversed(value.values())
        elif isinstance(value, list):
            members = reversed(value)
        else:
            continue
        waiting += [member for member in members if isinstance(member, (dict, list))]
