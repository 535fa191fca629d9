"""One run of a benchmark suite: `benchmarks.<family>.<model>.<hardware>.benchmark_results.<configuration>`.

Belongs here: reading that object, as a file of its own or nested in another (`suite_master`). Does not belong here:
deciding which hardware really ran (`hardware_claims`); this shape's own claim is often wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hwbench_pipeline.legacy.configuration import Configuration, parse_configuration
from hwbench_pipeline.legacy.json_values import positive_number, text
from hwbench_pipeline.legacy.outcomes import failure_of, is_success_word
from hwbench_pipeline.legacy.records import Record, Shape, Timing, Unreadable

_GENERATES = re.compile(r"LMHead|ForCausalLM|ForConditionalGeneration|Seq2Seq|CTC|Generation")


def recognises(document: Any) -> bool:
    """True for an object whose `benchmarks` holds family → model → hardware → an attempt, or is empty in a run log."""
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), dict):
        return False
    benchmarks = document["benchmarks"]
    if not benchmarks:
        return isinstance(document.get("system_info"), dict)
    return any(_is_attempt(attempt) for _, _, _, attempt in _attempts(benchmarks))


def read(document: Any) -> Iterator[Record | Unreadable]:
    """The records of a suite run."""
    yield from read_run(document, pointer=(), around=())


def read_run(
    run: Mapping[str, Any], pointer: tuple[str, ...], around: tuple[Mapping[str, Any], ...]
) -> Iterator[Record | Unreadable]:
    """The records of a suite run that lies at `pointer` inside the objects `around`, nearest first."""
    for family, model, hardware, attempt in _attempts(run["benchmarks"]):
        place = (*pointer, "benchmarks", family, model, hardware)
        if not _is_attempt(attempt):
            yield Unreadable(place, "no benchmark_results and no status")
            continue
        results = attempt.get("benchmark_results")
        if results is not None and not isinstance(results, dict):
            yield Unreadable((*place, "benchmark_results"), "not an object with one member per configuration")
        elif results:
            for key, result in results.items():
                yield _record(run, attempt, model, hardware, (*place, "benchmark_results", key), result, around)
        elif _has_failed(attempt):
            yield _failed(run, attempt, model, hardware, place, attempt, Configuration(), (run, *around))


def remarks(document: Any) -> list[str]:
    """What of a suite run gave no record: attempts that ended without a result and without an error."""
    return [
        f"{family}/{model} on {hardware} holds no results"
        for family, model, hardware, attempt in _attempts(document["benchmarks"])
        if _is_attempt(attempt) and not attempt.get("benchmark_results") and not _has_failed(attempt)
    ]


def _attempts(benchmarks: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    for family, models in benchmarks.items():
        for model, by_hardware in models.items() if isinstance(models, dict) else ():
            for hardware, attempt in by_hardware.items() if isinstance(by_hardware, dict) else ():
                yield family, model, hardware, attempt


def _is_attempt(attempt: Any) -> bool:
    return isinstance(attempt, dict) and (
        isinstance(attempt.get("benchmark_results"), dict)
        or (isinstance(attempt.get("status"), str) and ("error" in attempt or "benchmark_results" in attempt))
    )


def _has_failed(attempt: Mapping[str, Any]) -> bool:
    return text(attempt.get("error")) is not None or not is_success_word(attempt.get("status"))


def _record(
    run: Mapping[str, Any],
    attempt: Mapping[str, Any],
    model: str,
    hardware: str,
    pointer: tuple[str, ...],
    result: Any,
    around: tuple[Mapping[str, Any], ...],
) -> Record | Unreadable:
    if not isinstance(result, dict):
        return Unreadable(pointer, "not an object with the results of one configuration")
    configuration = parse_configuration(pointer[-1])
    has_numbers = "latencies" in result or positive_number(result.get("avg_latency")) is not None
    if text(result.get("error")) is not None or not (has_numbers or is_success_word(result.get("status"))):
        return _failed(run, attempt, model, hardware, pointer, result, configuration, (attempt, run, *around))
    if not has_numbers:
        return Unreadable(pointer, "it says that it succeeded but holds no latency")
    model_class = text(attempt.get("model_class"))
    return Record(
        pointer=pointer,
        model_id=text(attempt.get("model_name")) or model,
        claimed_hardware=text(attempt.get("hardware")) or hardware,
        own=result,
        enclosing=(attempt, run, *around),
        configuration=configuration,
        timing=Timing(
            declared_unit="s",
            samples=result.get("latencies"),
            mean=positive_number(result.get("avg_latency")),
            minimum=positive_number(result.get("min_latency")),
            maximum=positive_number(result.get("max_latency")),
            throughput=positive_number(result.get("throughput")),
        ),
        load_s=positive_number(attempt.get("model_load_time")),
        started_at=attempt.get("timestamp", run.get("timestamp")),
        model_class=model_class,
        mode="inference",
        # a class that cannot generate leaves only the forward pass to be timed
        scenario="forward" if model_class and not _GENERATES.search(model_class) else None,
        run_document=run,
    )


def _failed(
    run: Mapping[str, Any],
    attempt: Mapping[str, Any],
    model: str,
    hardware: str,
    pointer: tuple[str, ...],
    own: Mapping[str, Any],
    configuration: Configuration,
    enclosing: tuple[Mapping[str, Any], ...],
) -> Record:
    return Record(
        pointer=pointer,
        model_id=text(attempt.get("model_name")) or model,
        claimed_hardware=text(attempt.get("hardware")) or hardware,
        own=own,
        enclosing=enclosing,
        configuration=configuration,
        failure=failure_of(own.get("error"), own.get("status")),
        load_s=positive_number(attempt.get("model_load_time")),
        started_at=attempt.get("timestamp", run.get("timestamp")),
        model_class=text(attempt.get("model_class")),
        mode="inference",
        run_document=run,
    )


SHAPE = Shape("suite_benchmarks", 0, recognises, read, remarks)
