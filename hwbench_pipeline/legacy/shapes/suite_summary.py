"""The summary of a benchmark suite: `model_families.<family>.hardware_results.<hardware>`, lists by position.

Belongs here: means over all configurations of a model, which this shape keeps apart from the names of the models. Does
not belong here: the runs that they summarise (`suite_benchmarks`). A model that failed leaves no place in the lists, so
lists that are not as long as the list of models give no record: nothing says which model a number belongs to. A row
has one place in the file, so where a latency stands the mean rate in the list beside it is left there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hwbench_pipeline.legacy.json_values import positive_number, text
from hwbench_pipeline.legacy.records import Record, Shape, Timing, Unreadable
from hwbench_pipeline.legacy.resemblance import result_objects
from hwbench_pipeline.legacy.units import TimeUnit

_LATENCIES: dict[str, TimeUnit] = {
    "latency_ms": "ms",
    "avg_latency_ms": "ms",
    "mean_latency_ms": "ms",
    "latencies_ms": "ms",
    "latency_s": "s",
    "latency_seconds": "s",
    "mean_latency": "s",
    "avg_latency": "s",
}
_THROUGHPUTS = ("throughput", "throughput_items_per_second", "mean_throughput", "avg_throughput")


def recognises(document: Any) -> bool:
    """True for an object whose families name the models tested and hold results by hardware."""
    return isinstance(document, dict) and any(
        isinstance(family.get("models_tested"), list) and isinstance(family.get("hardware_results"), dict)
        for _, family in _families(document)
    )


def read(document: Any) -> Iterator[Record | Unreadable]:
    """One record per model and hardware whose numbers can be told from those of the other models."""
    for name, family in _families(document):
        models, by_hardware = family.get("models_tested"), family.get("hardware_results")
        if not isinstance(models, list) or not isinstance(by_hardware, dict):
            continue
        for hardware, result in by_hardware.items():
            pointer = ("model_families", name, "hardware_results", hardware)
            if isinstance(result, dict):
                yield from _of_hardware(document, family, models, hardware, result, pointer)
            else:
                yield Unreadable(pointer, "not an object with lists of latencies and throughputs")


def remarks(document: Any) -> list[str]:
    """The hardware for which the summary holds no number."""
    return [
        f"{name} on {hardware} holds no number"
        for name, family in _families(document)
        if isinstance(by_hardware := family.get("hardware_results"), dict)
        for hardware, result in by_hardware.items()
        if isinstance(result, dict)
        and not any(_holds_number(_list_in(result, key)[1]) for key in (_LATENCIES, _THROUGHPUTS))
    ]


def _families(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    families = document.get("model_families")
    for name, family in families.items() if isinstance(families, dict) else ():
        if isinstance(family, dict):
            yield name, family


def _list_in(result: Mapping[str, Any], names: Mapping[str, Any] | Sequence[str]) -> tuple[str | None, list[Any]]:
    """The first list of the result under one of the names, with its name."""
    return next(((name, result[name]) for name in names if isinstance(result.get(name), list)), (None, []))


def _holds_number(values: Sequence[Any]) -> bool:
    return any(positive_number(value) is not None for value in values)


def _of_hardware(
    document: Mapping[str, Any],
    family: Mapping[str, Any],
    models: Sequence[Any],
    hardware: str,
    result: Mapping[str, Any],
    pointer: tuple[str, ...],
) -> Iterator[Record | Unreadable]:
    yield from _by_name(document, family, hardware, result, pointer)
    latency_name, latencies = _list_in(result, _LATENCIES)
    throughput_name, throughputs = _list_in(result, _THROUGHPUTS)
    if not _holds_number(latencies) and not _holds_number(throughputs):
        return
    lengths = {len(models), *(len(values) for values in (latencies, throughputs) if values)}
    names = [text(model) for model in models]
    is_told_apart = len(lengths) == 1 and None not in names and len(set(names)) == len(names)
    for position in range(max(len(latencies), len(throughputs))):
        latency = _number_at(latencies, position)
        throughput = _number_at(throughputs, position)
        if latency is None and throughput is None:
            continue
        list_name = latency_name if latency is not None else throughput_name
        place = (*pointer, str(list_name), str(position))
        if not is_told_apart:
            yield Unreadable(
                place,
                f"{len(latencies)} latencies and {len(throughputs)} throughputs for {len(models)} models: "
                "nothing says which model this number belongs to",
            )
            continue
        yield Record(
            pointer=place,
            model_id=names[position],
            claimed_hardware=hardware,
            own={"latency": latency} if latency is not None else {"throughput": throughput},
            enclosing=(result, family, document),
            timing=Timing(
                declared_unit=_LATENCIES.get(latency_name or "", "ms"),
                mean=latency,
                throughput=throughput if latency is None else None,
            ),
            started_at=document.get("timestamp"),
            mode="inference",
            flags=("is_aggregate",),
            run_document=document,
        )


def _by_name(
    document: Mapping[str, Any],
    family: Mapping[str, Any],
    hardware: str,
    result: Mapping[str, Any],
    pointer: tuple[str, ...],
) -> Iterator[Record | Unreadable]:
    """Latencies that do not stand by position: under the names of their models, or alone."""
    for name, unit in _LATENCIES.items():
        latencies = result.get(name)
        if positive_number(latencies) is not None:
            yield Unreadable((*pointer, name), "one latency for all models: nothing says which model it belongs to")
        for model, value in latencies.items() if isinstance(latencies, dict) else ():
            mean = positive_number(value)
            if mean is None:
                continue
            yield Record(
                pointer=(*pointer, name, model),
                model_id=text(model),
                claimed_hardware=hardware,
                own={"latency": mean},
                enclosing=(result, family, document),
                timing=Timing(declared_unit=unit, mean=mean),
                started_at=document.get("timestamp"),
                mode="inference",
                flags=("is_aggregate",),
                run_document=document,
            )
    for model, inner in result.items():
        if isinstance(inner, dict) and model not in (*_LATENCIES, *_THROUGHPUTS) and result_objects(inner):
            yield Unreadable((*pointer, model), "numbers of one model where lists by position were expected")


def _number_at(values: Sequence[Any], position: int) -> float | None:
    return positive_number(values[position]) if position < len(values) else None


SHAPE = Shape("suite_summary", 2, recognises, read, remarks)
