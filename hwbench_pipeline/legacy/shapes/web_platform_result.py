"""One model on one web platform: `model_name`, `platform`, `metrics`, `platform_support`.

Belongs here: that one object. Does not belong here: files that collect or compare several. The writers of this shape
simulated; the `REAL_…` in `implementation_type` is a label they put on simulations (`provenance` judges).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hwbench_pipeline.legacy.json_values import positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of, is_success_word
from hwbench_pipeline.legacy.records import MemoryStatement, Record, Shape, Timing, Unreadable

_MEMORY_COVERS = "as the source states it; what it covers is not recorded"


def recognises(document: Any) -> bool:
    """True for an object that names a model and a platform, and reports the platform's metrics or support."""
    return (
        isinstance(document, dict)
        and "status" in document
        and text(document.get("platform")) is not None
        and _model_of(document) is not None
        and (
            isinstance(document.get("platform_support"), dict) or text(document.get("implementation_type")) is not None
        )
        and isinstance(document.get("metrics", {}), dict)
    )


def read(document: Any) -> Iterator[Record | Unreadable]:
    """The one record of the file."""
    metrics = document.get("metrics", {})
    mean = positive_number(metrics.get("inference_time_ms"))
    has_failed = not is_success_word(document["status"])
    if mean is None and not has_failed:
        yield Unreadable(("metrics",), "it says that it succeeded but holds no inference_time_ms")
        return
    memory_mb = positive_number(metrics.get("memory_mb"))
    load_ms = positive_number(metrics.get("load_time_ms"))
    yield Record(
        # a failure's load time, where it has one, is found from its pointer too
        pointer=("status",) if has_failed and load_ms is None else ("metrics",),
        model_id=_model_of(document),
        claimed_hardware=text(document["platform"]),
        own=document,
        enclosing=(),
        timing=None
        if has_failed
        else Timing(
            declared_unit="ms",
            mean=mean,
            throughput=positive_number(metrics.get("throughput_items_per_second")),
        ),
        failure=failure_of(document.get("error"), document["status"]) if has_failed else None,
        memory=None if has_failed or memory_mb is None else MemoryStatement(memory_mb, _MEMORY_COVERS),
        load_s=None if load_ms is None else load_ms / 1000,
        started_at=document.get("timestamp"),
        mode="inference",
    )


def remarks(document: Any) -> list[str]:  # noqa: ARG001 - every shape has this signature
    """Nothing: the file is one record."""
    return []


def _model_of(document: dict[str, Any]) -> str | None:
    return text(document.get("model_name")) or text(document.get("model_key"))


SHAPE = Shape("web_platform_result", 0, recognises, read, remarks)
