"""Seeded damage to result files: bytes, JSON structure and table cells.

Belongs here: one mutation of one file as a pure function of a number, so that a finding can be made again. Does not
belong here: what a reader has to make of it.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

Mutation = Callable[[bytes, random.Random], bytes]

STRANGE_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    0.0,
    -0.5,
    1e-320,
    1e308,
    2**63,
    -(2**63) - 1,
    10**400,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    " ",
    "NaN",
    "12.4",
    "100.0%",
    "5.17x",
    "(1, 2)",
    "batch_0_seq_-1",
    "\ud800",
    "a\0b",
    "🦙" * 40,
    "<script>alert(1)</script>",
    "x" * 5000,
    [],
    {},
    [[]],
    [None],
    [1.5, "2.5", None],
    {"": {}},
    {"latency_ms": {"mean": [1]}},
)
STRANGE_KEYS = (
    *("", "0", "-1", "batch_1", "batch_999999999999999999999_seq_1", "latency", "latencies", "avg_latency"),
    *("latency_ms", "throughput", "examples", "elapsed_time", "is_simulated", "results", "metadata", "status", "model"),
    *("hardware", "cpu", "cuda", "benchmarks", "performance", "\ud800", "a/b~c", "é" * 50),
)


def flip_bytes(data: bytes, draw: random.Random) -> bytes:
    """One to four bytes become others."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        if changed:
            changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def change_digits(data: bytes, draw: random.Random) -> bytes:
    """One to eight digits become others, which mostly leaves a document that can be read."""
    changed = bytearray(data)
    places = [place for place in (draw.randrange(len(data)) for _ in range(60)) if data[place : place + 1].isdigit()]
    for place in places[: draw.randint(1, 8)]:
        changed[place] = draw.choice(b"0123456789.eE-")
    return bytes(changed)


def cut(data: bytes, draw: random.Random) -> bytes:
    """The end, or a slice of the middle, is gone."""
    start = draw.randrange(len(data))
    return data[:start] if draw.random() < 0.5 else data[:start] + data[start + draw.randint(1, 200) :]


def insert(data: bytes, draw: random.Random) -> bytes:
    """Foreign bytes stand somewhere."""
    what = draw.choice(
        (b"\0", b"\xff", b"\xef\xbb\xbf", b"{", b"]", b",", b'"', b"\n", b"NaN", b"-Infinity", b"9" * 5000, b"[" * 3000)
    )
    place = draw.randrange(len(data) + 1)
    return data[:place] + what + data[place:]


def duplicate_slice(data: bytes, draw: random.Random) -> bytes:
    """A slice stands twice."""
    start = draw.randrange(len(data))
    stop = start + draw.randint(1, 300)
    return data[:stop] + data[start:]


def _random_place(document: Any, draw: random.Random) -> tuple[Any, Any] | None:
    """A container and the key or position of a member of it, drawn by walking down."""
    place = None
    current = document
    while isinstance(current, dict | list) and current:
        key = draw.choice(list(current)) if isinstance(current, dict) else draw.randrange(len(current))
        if place is not None and draw.random() < 0.15:
            break
        place = (current, key)
        current = current[key]
    return place


def _nested(value: Any, depth: int) -> Any:
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def _is_ordinary_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _mutate_member(document: Any, container: Any, key: Any, draw: random.Random) -> None:
    kind = draw.randrange(8)
    if kind in (0, 1):
        container[key] = copy.deepcopy(draw.choice(STRANGE_VALUES))  # the next change may be within it
    elif kind == 2:
        del container[key]
    elif kind == 3 and isinstance(container, dict):
        container[draw.choice((*STRANGE_KEYS, *container))] = container.pop(key)
    elif kind == 4:
        container[key] = _nested(container[key], draw.choice((1, 2, 50, 300)))
    elif kind == 5 and _is_ordinary_number(container[key]):
        container[key] *= draw.choice((0, -1, 1e-9, 1e-3, 3, 1e3, 1e6, 1e12, 1e300))
    elif kind == 6:
        other = _random_place(document, draw)
        if other is not None:  # a copy: a value that stands within itself could not be written
            container[key] = json.loads(json.dumps(other[0][other[1]]))
    else:
        container[key] = str(container[key])[:200]


def change_json(data: bytes, draw: random.Random) -> bytes:
    """One to four members of a JSON document change their type, value, key or place; other bytes are flipped."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return flip_bytes(data, draw)
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        place = _random_place(document, draw)
        if place is None:
            break
        _mutate_member(document, *place, draw)
    return json.dumps(document).encode()


def change_cells(data: bytes, draw: random.Random) -> bytes:
    """Cells of a table in text become others; lines go, come twice or lose a cell."""
    lines = [line.split(b",") for line in data.split(b"\n")]
    for _ in range(draw.randint(1, 4)):
        line = draw.choice(lines)
        cells = (b"", b"NaN", b"inf", b"-1", b"1e999", b'"', b"'; drop table x; --", b"0", b"1,5", b"\xff", b"cpu")
        kind = draw.randrange(5)
        if kind < 3:
            line[draw.randrange(len(line))] = draw.choice(cells)
        elif kind == 3:
            lines.append(list(line))
        elif len(line) > 1:
            line.pop()
    return b"\n".join(b",".join(line) for line in lines)


_ANY: tuple[Mutation, ...] = (flip_bytes, change_digits, cut, insert, duplicate_slice)


def mutated(data: bytes, draw: random.Random) -> bytes:
    """The file's bytes after one mutation that suits its format."""
    if not data:
        return insert(data, draw)
    if data[:4] == b"PAR1" or data[8:12] == b"DUCK":
        return draw.choice(_ANY)(data, draw)
    if data.lstrip()[:1] in (b"{", b"["):
        return (change_json if draw.random() < 0.7 else draw.choice(_ANY))(data, draw)
    return (change_cells if draw.random() < 0.7 else draw.choice(_ANY))(data, draw)
