"""Recognising files of formats that `hwbench import` reads, so that an ingest of old results says so.

Belongs here: which of the imported formats a parsed document has, by what only that format writes. Does not belong here:
reading them, with the known errors of each format corrected, which is `imports`' work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from hwbench_pipeline.imports.bundle_format import FORMAT as BUNDLE_FORMAT
from hwbench_pipeline.imports.mlperf import is_result
from hwbench_pipeline.imports.optimum_first_generation import is_first_generation
from hwbench_pipeline.imports.optimum_report import is_target
from hwbench_pipeline.imports.timm import has_times

_MEMBERS_ASKED = 20
_MOST_FIELDS = 2000
# a latency with a unit stands in many documents; with the number of calls beside it, under these names, in one format only
_TARGETS = frozenset(
    {"load_model", "load", "first_forward", "forward", "first_generate", "generate", "prefill", "decode", "per_token"}
    | {"first_call", "call", "overall", "warmup", "train"}
)


def living_format_of(document: Any) -> str | None:
    """The format, by the name that `hwbench import` takes, of a document or of the first members of a list; else None."""
    members = islice(document, _MEMBERS_ASKED) if isinstance(document, list) else (document,)
    for member in members:
        if isinstance(member, dict) and len(member) <= _MOST_FIELDS:
            found = next((name for name, recognises in _RECOGNISERS if recognises(member)), None)
            if found is not None:
                return found
    return None


def _is_optimum_benchmark(document: Mapping[str, Any]) -> bool:
    report, configuration = document.get("report"), document.get("config")
    if isinstance(report, dict) and isinstance(configuration, dict) and isinstance(configuration.get("backend"), dict):
        return any(map(is_target, report.values()))
    if any(_is_counted(document.get(name)) for name in _TARGETS):
        return True
    if any(name.endswith(".latency.count") and f"{name[:-5]}unit" in document for name in document):
        return True
    return is_first_generation(tuple(document))


def _is_counted(target: Any) -> bool:
    return (
        is_target(target) and isinstance(latency := target.get("latency"), dict) and {"unit", "count"} <= latency.keys()
    )


_RECOGNISERS: tuple[tuple[str, Callable[[Mapping[str, Any]], bool]], ...] = (
    ("bundle", lambda document: document.get("format") == BUNDLE_FORMAT),
    ("mlperf", is_result),
    ("timm", has_times),
    ("optimum-benchmark", _is_optimum_benchmark),
)
