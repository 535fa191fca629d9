"""optimum-benchmark 0.0.x: one CSV line per run, columns like `forward.latency(s)`, numbers of three digits.

Belongs here: the column names of that generation with their misprints, and what its units really were (B9). Does not belong
here: newer files (`optimum_report`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from hwbench_pipeline.imports.documents import TextTable
from hwbench_pipeline.imports.optimum_configuration import Configuration, read_configuration
from hwbench_pipeline.imports.records import (
    Document,
    ImportedRow,
    Refused,
    is_close,
    json_text,
    plain_value,
    quantity_of,
)
from hwbench_pipeline.legacy.json_values import pointer_text

_COLUMN = re.compile(
    r"(?P<target>forward|generate|decode|prefill|diffusion|training|warmup|overall_training|model)\."
    r"(?P<what>[a-z_]+)\((?P<unit>[^)]*)\)",
    re.IGNORECASE,
)
_TARGETS = {"model": "forward", "diffusion": "call", "overall_training": "overall", "training": "train"}
_SCENARIOS = {"train": "train_step"}
_RATES = {
    "samples/s": "items",
    "samles/s": "items",  # as 19 published files print it
    "images/s": "items",
    "iter/s": "calls",
    "tokens/s": "tokens",
    "tok/s": "tokens_of_one_item",
}
_ROUNDING = 0.012  # three significant digits in each of two numbers
_CONFIGURATION_ROOTS = ("backend", "benchmark", "environment", "launcher", "hub_kwargs")
_MEMORY_COLUMNS = ("max_memory_allocated", "max_memory_used", "peak_memory")
_LONGEST_LIST = 10_000


def is_first_generation(header: tuple[str, ...]) -> bool:
    """Whether the columns are those of 0.0.x: a target and a quantity with its unit in parentheses."""
    return any(
        (match := _COLUMN.fullmatch(name)) and match["what"].lower() in ("latency", "throughput", "runtime")
        for name in header
    )


def read_first_generation(table: TextTable) -> Document:
    """The rows of such a table: one for each target of each line."""
    rows: list[ImportedRow] = []
    refused: list[Refused] = []
    for position, line in enumerate(table.rows):
        if len(line) != len(table.header):
            refused.append(
                Refused(f"/{position}", f"{len(line)} cells, expected {len(table.header)}. Fix: restore the line")
            )
            continue
        cells = {name: text for name, text in zip(table.header, line, strict=True) if name and text.strip()}
        for item in _line(cells, str(position)):
            (rows if isinstance(item, ImportedRow) else refused).append(item)  # type: ignore[arg-type]
    return Document("optimum_benchmark_0.0", rows, refused)


def _line(cells: Mapping[str, str], position: str) -> Iterator[ImportedRow | Refused]:
    configuration = read_configuration(_configuration(cells))
    targets: dict[str, dict[str, tuple[str, str]]] = {}
    for name, cell in cells.items():
        match = _COLUMN.fullmatch(name)
        if match:
            target = match["target"].lower()
            targets.setdefault(_TARGETS.get(target, target), {})[match["what"].lower()] = (match["unit"].lower(), cell)
    for target, stated in targets.items():
        yield _row(target, stated, targets, configuration, pointer_text((position, target)))


def _configuration(cells: Mapping[str, str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name, cell in cells.items():
        root, _, rest = name.partition(".")
        if name in ("model", "device", "task"):
            config[name] = cell
        elif root in _CONFIGURATION_ROOTS and rest:
            level = config.setdefault(root, {})
            *path, last = rest.split(".", 6)
            for part in path:
                inner = level.get(part)
                if not isinstance(inner, dict):
                    inner = level[part] = {}
                level = inner
            level[last] = _value(cell, last)
    return config


def _value(cell: str, column: str) -> Any:
    if cell.strip()[0] == "[" and len(cell) <= _LONGEST_LIST:
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            return ast.literal_eval(cell.strip())
    return plain_value(cell, column)


def _row(
    target: str,
    stated: Mapping[str, tuple[str, str]],
    targets: Mapping[str, Mapping[str, tuple[str, str]]],
    configuration: Configuration,
    pointer: str,
) -> ImportedRow | Refused:
    is_training = target in ("train", "warmup", "overall")
    latency_s = _number(stated, "latency", "s")
    runtime_s = _number(stated, "runtime", "s")
    rate_unit, rate_cell = stated.get("throughput", ("", ""))
    rate, kind = quantity_of(rate_cell), _RATES.get(rate_unit)
    corrections: list[str] = list(configuration.corrections)
    contradiction: str | None = None
    remark: str | None = None
    quantity: dict[str, Any] = {"latency_ms_mean": None if latency_s is None else latency_s * 1e3}
    batch = configuration.batch_size
    if rate is not None and kind is None:
        remark = f"throughput in {rate_unit!r:.40} is not understood"
    elif rate is not None and is_training:
        quantity |= _training_rate(target, rate, runtime_s, targets, configuration, corrections)
        steps = _steps(target, configuration)
        if runtime_s is not None and steps is not None:
            quantity["latency_ms_mean"] = runtime_s / steps * 1e3
    elif rate is not None and kind == "items":
        quantity["throughput_items_per_s"] = rate
        if latency_s is not None and batch is not None:
            expected = batch / latency_s
            if not is_close(rate, expected, _ROUNDING) and target == "forward":
                contradiction = f"{rate:g} {rate_unit} stated, batch {batch} in {latency_s:g} s is {expected:.4g}"
    elif rate is not None and kind == "calls":
        corrections.append(
            "B9 iter/s are calls: multiplied by the batch size"
            if batch
            else "B9 iter/s are calls, without a batch size no items"
        )
        quantity["throughput_items_per_s"] = None if batch is None else rate * batch
        if latency_s is not None and not is_close(rate, 1 / latency_s, _ROUNDING):
            contradiction = f"{rate:g} iter/s stated, a call takes {latency_s:g} s"
    elif rate is not None and kind == "tokens":
        quantity["tokens_per_s"] = rate
    elif rate is not None:
        corrections.append(
            "B9 tok/s are those of one item: multiplied by the batch size"
            if batch
            else "B9 tok/s are those of one item, without a batch size no total"
        )
        quantity["tokens_per_s"] = None if batch is None else rate * batch
    memory = next((number for name in _MEMORY_COLUMNS if (number := _number(stated, name, "mb")) is not None), None)
    if memory is not None:
        quantity |= {
            "peak_memory_mb": memory,
            "memory_method": "as stated by optimum-benchmark 0.0.x, which does not say whose",
        }
    if all(value is None for value in quantity.values()):
        return Refused(
            pointer, f"no number to take from {json_text({name: cell for name, (_, cell) in stated.items()})}"
        )
    harness = "optimum-benchmark 0.0.x"
    worth = {"provenance": "unknown", "provenance_reason": f"{harness}: {contradiction}"}
    if contradiction is None:
        reason = f"measured by others with {harness}: means of three digits without raw samples"
        worth = {"provenance": "measured", "provenance_reason": "; ".join(part for part in (reason, remark) if part)}
    columns = {
        **configuration.columns,
        "source": "optimum_benchmark",
        "status": "ok",
        "mode": "training" if is_training else "inference",
        "scenario": _SCENARIOS.get(target, target),
        **quantity,
        "harness_version": harness,
        "corrections": "; ".join(corrections) or None,
        "reported_values": json_text(
            configuration.reported | {f"{name}({unit})": cell for name, (unit, cell) in stated.items()}
        ),
        **worth,
    }
    return ImportedRow(pointer, columns, configuration.environment)


def _number(stated: Mapping[str, tuple[str, str]], what: str, unit: str) -> float | None:
    given, cell = stated.get(what, ("", ""))
    return quantity_of(cell) if given == unit else None


def _steps(target: str, configuration: Configuration) -> int | None:
    """Optimizer steps that a target's runtime holds; None where the configuration does not say."""
    most, warmup = configuration.max_steps, configuration.warmup_steps
    if target == "overall":
        return most
    if target == "warmup":
        return warmup
    return most - warmup if most is not None and warmup is not None and most > warmup else None


def _training_rate(
    target: str,
    rate: float,
    runtime_s: float | None,
    targets: Mapping[str, Mapping[str, tuple[str, str]]],
    configuration: Configuration,
    corrections: list[str],
) -> dict[str, Any]:
    """Items per second. The overall rate of 0.0.x leaves out the items of the warm-up steps, but not their time."""
    if target != "overall" or runtime_s is None:
        return {"throughput_items_per_s": rate}
    volumes = {
        name: number * seconds
        for name in ("train", "warmup")
        if (number := quantity_of(targets.get(name, {}).get("throughput", ("", ""))[1])) is not None
        and (seconds := _number(targets.get(name, {}), "runtime", "s")) is not None
    }
    items = (
        configuration.max_steps * configuration.per_step if configuration.max_steps and configuration.per_step else None
    )
    if items is None and len(volumes) == 2:
        items_by_parts = volumes["train"] + volumes["warmup"]
        if is_close(rate * runtime_s, volumes["train"], _ROUNDING) and not is_close(
            rate * runtime_s, items_by_parts, _ROUNDING
        ):
            corrections.append("B9 the overall rate leaves out the warm-up's items: recomputed from both parts")
            return {"throughput_items_per_s": items_by_parts / runtime_s}
        return {"throughput_items_per_s": rate}
    if items is not None and not is_close(rate * runtime_s, items, _ROUNDING):
        corrections.append(f"B9 the overall rate leaves out the warm-up's items: {items} items in {runtime_s:g} s")
        return {"throughput_items_per_s": items / runtime_s}
    return {"throughput_items_per_s": rate}
