"""The log of a whole suite: `performance_benchmarks.<family>` is a copy of a suite run, or the error that ended it.

Belongs here: finding the nested runs. Does not belong here: reading one (`suite_benchmarks`). The functionality
checks in the same file say only whether a test passed, and give no result records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hwbench_pipeline.legacy.json_values import text
from hwbench_pipeline.legacy.records import Record, Shape, Unreadable
from hwbench_pipeline.legacy.shapes import suite_benchmarks


def recognises(document: Any) -> bool:
    """True for an object whose `performance_benchmarks` holds suite runs or the errors in their place."""
    if not isinstance(document, dict) or not isinstance(document.get("performance_benchmarks"), dict):
        return False
    families = document["performance_benchmarks"]
    if not families:
        return isinstance(document.get("functionality_verification"), dict)
    return any(_is_error(family) or suite_benchmarks.recognises(family) for family in families.values())


def read(document: Any) -> Iterator[Record | Unreadable]:
    """The records of every nested suite run."""
    for name, family in document["performance_benchmarks"].items():
        pointer = ("performance_benchmarks", name)
        if suite_benchmarks.recognises(family):
            yield from suite_benchmarks.read_run(family, pointer, around=(document,))
        elif not _is_error(family):
            yield Unreadable(pointer, "neither a suite run nor an error")


def remarks(document: Any) -> list[str]:
    """The families that ended in an error before any attempt, and what the nested runs have to say."""
    said: list[str] = []
    for name, family in document["performance_benchmarks"].items():
        if suite_benchmarks.recognises(family):
            said.extend(suite_benchmarks.remarks(family))
        elif _is_error(family):
            said.append(f"family {name} ended in an error before any attempt: {_last_line(family)}")
    return said


def _is_error(family: Any) -> bool:
    return isinstance(family, dict) and isinstance(family.get("status"), str) and "benchmarks" not in family


def _last_line(family: Mapping[str, Any]) -> str:
    message = text(family.get("error")) or family["status"]
    return str(message).splitlines()[-1].strip()[:200]


SHAPE = Shape("suite_master", 1, recognises, read, remarks)
