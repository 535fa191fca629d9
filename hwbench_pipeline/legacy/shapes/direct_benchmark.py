"""One model on one device: `model`, `hardware`, `batch_results.<batch size>`.

Belongs here: that one object. Does not belong here: files that collect several of them. The `success` beside
`batch_results` says only that the script ended; each batch has its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hwbench_pipeline.legacy.configuration import Configuration
from hwbench_pipeline.legacy.json_values import positive_integer, positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of, is_success_word
from hwbench_pipeline.legacy.records import MemoryStatement, Record, Shape, Timing, Unreadable

_MEMORY_COVERS = "resident set size of the whole benchmark process, read once after the batch; no peak of the model"


def recognises(document: Any) -> bool:
    """True for an object with a model, a hardware and `batch_results` by batch size."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("batch_results"), dict)
        and text(document.get("model")) is not None
        and text(document.get("hardware")) is not None
        and all(positive_integer(key) is not None for key in document["batch_results"])
    )


def read(document: Any) -> Iterator[Record | Unreadable]:
    """One record per batch size; one failed record where no batch was tried and the run says that it failed."""
    for key, batch in document["batch_results"].items():
        yield _batch_record(document, key, batch)
    if not document["batch_results"] and _says_failed(document):
        yield Record(
            pointer=("error",) if "error" in document else ("success",),
            model_id=text(document["model"]),
            claimed_hardware=text(document["hardware"]),
            own=document,
            enclosing=(),
            failure=failure_of(document.get("error")),
            started_at=document.get("timestamp"),
            mode="inference",
        )


def remarks(document: Any) -> list[str]:
    """What gave no record: a run without a single batch that does not say why."""
    return [] if document["batch_results"] or _says_failed(document) else ["no batch was tried"]


def _says_failed(document: dict[str, Any]) -> bool:
    return text(document.get("error")) is not None or document.get("success") is False


def _batch_record(document: dict[str, Any], key: str, batch: Any) -> Record | Unreadable:
    pointer = ("batch_results", key)
    if not isinstance(batch, dict):
        return Unreadable(pointer, "not an object with the results of one batch size")
    mean = positive_number(batch.get("avg_latency_ms"))
    failed = "success" in batch and not is_success_word(batch["success"])
    has_numbers = mean is not None or "latencies_ms" in batch
    if not (has_numbers or failed or text(batch.get("error"))):
        return Unreadable(pointer, "it holds neither a latency nor an error")
    has_failed = failed or not has_numbers
    memory_mb = positive_number(batch.get("memory_mb"))
    return Record(
        pointer=pointer,
        model_id=text(document["model"]),
        claimed_hardware=text(document["hardware"]),
        own=batch,
        enclosing=(document,),
        configuration=Configuration(batch_size=positive_integer(key)),
        timing=None
        if has_failed
        else Timing(
            declared_unit="ms",
            samples=batch.get("latencies_ms"),
            mean=mean,
            minimum=positive_number(batch.get("min_latency_ms")),
            maximum=positive_number(batch.get("max_latency_ms")),
            throughput=positive_number(batch.get("throughput_items_per_second")),
        ),
        failure=failure_of(batch.get("error")) if has_failed else None,
        recorded_device=text(batch.get("device")),
        memory=None if has_failed or memory_mb is None else MemoryStatement(memory_mb, _MEMORY_COVERS),
        # the run's own stamp is its start; a batch is stamped when it is written down
        started_at=document.get("timestamp", batch.get("timestamp")),
        mode="inference",
    )


SHAPE = Shape("direct_benchmark", 0, recognises, read, remarks)
