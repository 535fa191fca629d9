"""What pytest-benchmark writes: `machine_info` and `benchmarks[].stats`, whose times are seconds by definition.

Belongs here: that document. Does not belong here: guessing a model from the name of a test function; a benchmark
whose parameters name no model or no hardware is put aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hwbench_pipeline.legacy.configuration import Configuration
from hwbench_pipeline.legacy.identities import (
    configuration_in,
    fields_of,
    hardware_in,
    mode_in,
    model_in,
    precision_in,
)
from hwbench_pipeline.legacy.json_values import positive_integer, positive_number, text
from hwbench_pipeline.legacy.records import Record, Shape, Timing, Unreadable


def recognises(document: Any) -> bool:
    """True for an object with `machine_info` and a list of benchmarks that have `stats` with a mean and rounds."""
    if not isinstance(document, dict) or "machine_info" not in document:
        return False
    benchmarks = document.get("benchmarks")
    return isinstance(benchmarks, list) and any(_stats_of(benchmark) is not None for benchmark in benchmarks)


def read(document: Any) -> Iterator[Record | Unreadable]:
    """One record per benchmark, or a place put aside where its parameters do not say what ran where."""
    for position, benchmark in enumerate(document["benchmarks"]):
        pointer = ("benchmarks", str(position))
        stats = _stats_of(benchmark)
        if stats is None:
            yield Unreadable(pointer, "no stats with a mean and rounds in it")
            continue
        blocks = [fields_of(block) for block in _descriptions(benchmark)]
        model = next((name for block in blocks if (name := model_in(block))), None)
        claims = next((found for block in blocks if (found := hardware_in(block))[0]), (None, None))
        mean = positive_number(stats["mean"])
        if model is None or claims[0] is None or mean is None:
            named = f"model {model!r:.80}" if model else "no model"
            yield Unreadable(
                pointer,
                f"saw mean={stats['mean']!r:.40} s of {text(benchmark.get('name')) or 'a test'!r:.80}; {named}; "
                f"{f'hardware {claims[0]!r:.80}' if claims[0] else 'no hardware'} in its params and extra_info",
            )
            continue
        stated = [configuration_in(block) for block in blocks]
        yield Record(
            pointer=pointer,
            model_id=model,
            claimed_hardware=claims[0],
            recorded_device=claims[1],
            own=benchmark,
            enclosing=(document,),
            configuration=Configuration(
                next((one.batch_size for one in stated if one.batch_size), None),
                next((one.sequence_length for one in stated if one.sequence_length), None),
            ),
            timing=Timing(
                declared_unit="s",
                samples=stats.get("data") or None,
                mean=mean,
                minimum=positive_number(stats.get("min")),
                maximum=positive_number(stats.get("max")),
                std=positive_number(stats.get("stddev")),
                p50=positive_number(stats.get("median")),
                n_samples=positive_integer(stats["rounds"]),
            ),
            started_at=document.get("datetime"),
            mode=next((mode for block in blocks if (mode := mode_in(block))), None),
            precision=next((precision for block in blocks if (precision := precision_in(block))), None),
        )


def remarks(_: Any) -> list[str]:
    """Nothing: every benchmark is a record or put aside."""
    return []


def _stats_of(benchmark: Any) -> Mapping[str, Any] | None:
    stats = benchmark.get("stats") if isinstance(benchmark, dict) else None
    return stats if isinstance(stats, dict) and "mean" in stats and "rounds" in stats else None


def _descriptions(benchmark: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [block for name in ("params", "extra_info") if isinstance(block := benchmark.get(name), dict)] or [{}]


SHAPE = Shape("pytest_benchmark", 0, recognises, read, remarks)
