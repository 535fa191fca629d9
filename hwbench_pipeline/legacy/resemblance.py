"""Whether a document of no known shape looks like it holds benchmark results.

Belongs here: the one question that separates a file to put aside from a file that holds no results. Does not belong
here: reading such a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hwbench_pipeline.legacy.json_values import finite_number, objects_within, positive_number

_QUANTITY_KEY = re.compile(
    r"(?:^|_)(?:latency|latencies|throughput|fps|qps|rps)(?:_|$)"
    r"|(?:inference|elapsed|generation|processing|response|forward|iteration|avg|average|mean|median|p50|p95)_times?(?:_|$)"
    r"|^(?:cpu|cuda|gpu|rocm|mps|openvino|webgpu|webnn|qualcomm)_(?:\w+_)?time(?:_|$)"
    r"|(?:tokens|items|samples|images|requests|steps)_per_s(?:ec(?:ond)?)?(?:_|$)"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VOCABULARY_SIZE = 500
_PROCESS_KEYS = frozenset(
    {"return_code", "returncode", "exit_code"}
    # processor time beside the time on the wall is the account of a process, not the time of a call on the CPU
    | {f"{kind}_time{unit}" for kind in ("wall", "wall_clock", "user", "sys", "system") for unit in ("", "_ms", "_s")}
)


def result_objects(document: Any) -> int:
    """How many objects of a document hold a number of their own under a key that means latency or throughput.

    A vocabulary, which maps thousands of words to numbers, holds none, whatever its words are.
    """
    return sum(is_result_object(found) for found in objects_within(document))


def is_result_object(found: Mapping[str, Any]) -> bool:
    """Whether an object holds a number of its own under a key that means latency or throughput."""
    if not _PROCESS_KEYS.isdisjoint(found):  # times of a process that was started are no inference times
        return False
    if len(found) > _VOCABULARY_SIZE and all(finite_number(value) is not None for value in found.values()):
        return False
    # a type test first: most values are neither a number nor a list, most keys are no quantity
    for key, value in found.items():
        if isinstance(value, (int, float, list)) and _means_quantity(key) and _holds_number(value):
            return True
    return False


@lru_cache(maxsize=1 << 16)
def _means_quantity(key: str) -> bool:
    return _QUANTITY_KEY.search(_CAMEL.sub("_", key).lower().replace("-", "_").replace(" ", "_")) is not None


def _holds_number(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(positive_number(member) is not None for member in value)
    return positive_number(value) is not None
