"""One model on one device by batch size: `model_path`, `hardware_key`, `batch_sizes.<batch size>`.

Belongs here: that one object. Does not belong here: whether its numbers follow a formula (`provenance`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hwbench_pipeline.legacy.configuration import Configuration
from hwbench_pipeline.legacy.json_values import positive_integer, positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of, is_success_word
from hwbench_pipeline.legacy.records import MemoryStatement, Record, Shape, Timing, Unreadable

_MEMORY_COVERS = "as the source states it; what it covers is not recorded"
_MODELS = ("model_path", "model_id", "model_name", "model")
_HARDWARE = ("hardware_key", "hardware_type", "hardware", "device")


def recognises(document: Any) -> bool:
    """True for an object with a model, a hardware, and results under `batch_sizes`."""
    if not isinstance(document, dict) or not isinstance(document.get("batch_sizes"), dict):
        return False
    by_batch = document["batch_sizes"]
    return (
        _first_text(document, _MODELS) is not None
        and _first_text(document, _HARDWARE) is not None
        and all(positive_integer(key) is not None for key in by_batch)
    )


def read(document: Any) -> Iterator[Record | Unreadable]:
    """One record per batch size; one failed record where none was tried and the run says that it failed."""
    for key, batch in document["batch_sizes"].items():
        yield _batch_record(document, key, batch)
    if not document["batch_sizes"] and text(document.get("error")) is not None:
        yield Record(
            pointer=("error",),
            model_id=_first_text(document, _MODELS),
            claimed_hardware=_first_text(document, _HARDWARE),
            own=document,
            enclosing=(),
            failure=failure_of(document["error"], document.get("status")),
            started_at=document.get("timestamp"),
            mode="inference",
        )


def remarks(document: Any) -> list[str]:
    """What gave no record: a run without a single batch that does not say why."""
    return [] if document["batch_sizes"] or text(document.get("error")) is not None else ["no batch was tried"]


def _first_text(document: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((found for name in names if (found := text(document.get(name))) is not None), None)


def _batch_record(document: dict[str, Any], key: str, batch: Any) -> Record | Unreadable:
    pointer = ("batch_sizes", key)
    if not isinstance(batch, dict):
        return Unreadable(pointer, "not an object with the results of one batch size")
    mean = positive_number(batch.get("latency_ms")) or positive_number(batch.get("avg_latency_ms"))
    throughput = positive_number(batch.get("throughput")) or positive_number(batch.get("throughput_items_per_second"))
    memory_mb = positive_number(batch.get("memory_usage_mb")) or positive_number(batch.get("memory_mb"))
    failed = "success" in batch and not is_success_word(batch["success"])
    has_numbers = mean is not None or throughput is not None
    if not (has_numbers or failed or text(batch.get("error"))):
        return Unreadable(pointer, "it holds neither a latency nor an error")
    has_failed = not has_numbers
    return Record(
        pointer=pointer,
        model_id=_first_text(document, _MODELS),
        claimed_hardware=_first_text(document, _HARDWARE),
        own=batch,
        enclosing=(document,),
        configuration=Configuration(batch_size=positive_integer(key)),
        timing=None if has_failed else Timing(declared_unit="ms", mean=mean, throughput=throughput),
        failure=failure_of(batch.get("error")) if has_failed else None,
        memory=None if has_failed or memory_mb is None else MemoryStatement(memory_mb, _MEMORY_COVERS),
        started_at=document.get("timestamp"),
        mode="inference",
    )


SHAPE = Shape("key_model_benchmark", 0, recognises, read, remarks)
