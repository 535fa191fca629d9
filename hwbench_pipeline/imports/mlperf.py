"""MLPerf Inference `summary_results.json`: one row per published result of a system.

Belongs here: which unit means which direction, how many accelerators a number stands for, and what the round says against
a row. Does not belong here: LoadGen's own logs.

A number is that of the whole system: nothing is divided by the accelerators, whose number stands in `device_name` and
`options`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hwbench_pipeline.catalog.names import catalog_key
from hwbench_pipeline.imports.documents import is_json, json_document
from hwbench_pipeline.imports.environments import described_environment
from hwbench_pipeline.imports.records import (
    Document,
    ForeignDocumentError,
    ImportedRow,
    Refused,
    count_of,
    json_text,
    number_of,
    quantity_of,
)
from hwbench_pipeline.legacy.json_values import text

_RATE_COLUMN = {"samples": "throughput_items_per_s", "queries": "throughput_items_per_s", "tokens": "tokens_per_s"}
_RATE = re.compile(r"(samples|queries|tokens)\s*(?:/|per)\s*(?:s|sec|second)", re.IGNORECASE)
_LATENCY = re.compile(r"latency\s*\(\s*(s|ms|us|ns)\s*\)", re.IGNORECASE)
_MS_PER = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
# what LoadGen's rules report as the latency of a scenario
_PERCENTILE_COLUMN = {"singlestream": "latency_ms_p90", "multistream": "latency_ms_p99"}
_POWER = re.compile(r"(milli|m|micro|u)?joules?\s*/\s*stream", re.IGNORECASE)
_JOULES_PER = {"": 1.0, "m": 1e-3, "milli": 1e-3, "u": 1e-6, "micro": 1e-6}
_IDENTITY = ("Submitter", "Category", "Suite", "System", "Platform", "Availability", "Software", "weight_data_types")
_CONTEXT = (
    "ID",
    "Accuracy",
    "Notes",
    "Location",
    "compliance",
    "errors",
    "inferred",
    "has_power",
    "UsedModel",
    "a#",
    "p#",
    "Nodes",
    "host_processors_per_node",
    "host_processor_core_count",
)


def read(data: bytes, name: str) -> Document:  # noqa: ARG001 - the content says everything
    """The rows of a summary. Raises ForeignDocumentError and UnreadableDocumentError."""
    if not is_json(data):
        raise ForeignDocumentError("no JSON, expected summary_results.json of an MLPerf round. Fix: none needed")
    document = json_document(data)
    rows = document if isinstance(document, list) else [document]
    if not any(is_result(row) for row in rows):
        raise ForeignDocumentError(
            "JSON without MLPerf results, expected a list of objects with Submitter, Scenario and Performance_Result. "
            "Fix: none needed if it is no summary_results.json"
        )
    kept: list[ImportedRow] = []
    refused: list[Refused] = []
    for position, row in enumerate(rows):
        pointer = f"/{position}" if isinstance(document, list) else ""
        if not isinstance(row, dict) or not is_result(row):
            refused.append(Refused(pointer, "no result object, expected Submitter, Scenario and Performance_Result"))
            continue
        taken = _row(row, pointer)
        (kept if isinstance(taken, ImportedRow) else refused).append(taken)  # type: ignore[arg-type]
    return Document("mlperf_inference_summary", kept, refused)


def is_result(row: Any) -> bool:
    """Whether a member of a document is a result of an MLPerf summary, by the fields that only those have."""
    return (
        isinstance(row, dict)
        and "Submitter" in row
        and "Scenario" in row
        and ("Performance_Result" in row or "Accuracy" in row)
    )


def _row(row: Mapping[str, Any], pointer: str) -> ImportedRow | Refused:
    value = quantity_of(row.get("Performance_Result"))
    unit = text(row.get("Performance_Units"))
    if value is None:
        what = "an accuracy only" if text(row.get("Accuracy")) else "neither accuracy nor performance"
        stated = row.get("Performance_Result")
        return Refused(pointer, f"{what}: Performance_Result is {stated!r:.60}, expected a number above zero")
    scenario = text(row.get("Scenario"))
    quantity = _quantity(value, unit, scenario)
    if quantity is None:
        return Refused(
            pointer,
            f"Performance_Result {value:g} in {unit!r:.60} ({scenario!r:.40}), expected Samples/s, Queries/s, Tokens/s, or a "
            "latency in SingleStream or MultiStream. Fix: add the unit to imports/mlperf",
        )
    model_id = text(row.get("Model"))
    accelerator = text(row.get("Accelerator"))
    per_node, nodes = count_of(row.get("a#")), count_of(row.get("Nodes"))
    n_accelerators = per_node * nodes if accelerator and per_node and nodes else None
    environment = described_environment(
        os=text(row.get("operating_system")),
        cpu_name=text(row.get("Processor")),
        device_name=accelerator,
    )
    corrections = []
    if isinstance(row.get("a#"), str) or isinstance(row.get("host_processor_core_count"), str):
        corrections.append("B11 counts written as text, read as numbers")
    if "latency" in (unit or "").lower():
        corrections.append("B11 Performance_Result is a latency here, not a rate: lower is better")
    columns: dict[str, Any] = {
        "source": "mlperf",
        "status": "ok",
        "model_id": model_id,
        "model": None if model_id is None else catalog_key(model_id),
        "options": json_text(_options(row, n_accelerators, nodes)),
        "hardware": _hardware(accelerator),
        "hardware_requested": _hardware(accelerator),
        "device_name": _device_name(accelerator, n_accelerators),
        "mode": "inference",
        "scenario": scenario,
        # one query holds one sample in SingleStream, by the rules; nothing else is recorded
        "batch_size": 1 if (scenario or "").lower() == "singlestream" else None,
        "environment_id": None if environment is None else environment["environment_id"],
        "harness_version": f"MLPerf Inference {version}" if (version := text(row.get("version"))) else None,
        "reported_values": json_text(_reported(row)),
        "corrections": "; ".join(corrections) or None,
        **quantity,
        **_energy(row, scenario),
        **_worth(row, n_accelerators, accelerator),
    }
    return ImportedRow(pointer, columns, environment)


def _quantity(value: float, unit: str | None, scenario: str | None) -> dict[str, Any] | None:
    """The column the number belongs to; None where the unit, or the statistic a latency is, is not known."""
    rate = _RATE.fullmatch(unit or "")
    if rate:
        return {_RATE_COLUMN[rate[1].lower()]: value}
    latency = _LATENCY.fullmatch(unit or "")
    column = _PERCENTILE_COLUMN.get((scenario or "").lower())
    if latency is None or column is None:
        return None
    return {column: value * _MS_PER[latency[1].lower()]}


def _options(row: Mapping[str, Any], n_accelerators: int | None, nodes: int | None) -> dict[str, Any]:
    stated = {name.lower(): value for name in _IDENTITY if (value := text(row.get(name))) is not None}
    return stated | {
        name: value for name, value in (("n_accelerators", n_accelerators), ("n_nodes", nodes)) if value is not None
    }


def _reported(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("Performance_Result", "Performance_Units", "Power_Result", "Power_Units", *_CONTEXT)
    return {name: row[name] for name in names if row.get(name) not in (None, "")}


def _hardware(accelerator: str | None) -> str | None:
    """The platform of an accelerator; None without one: an empty field does not prove that the CPU did the work."""
    said = (accelerator or "").lower()
    if "nvidia" in said:
        return "cuda"
    return "rocm" if "amd" in said and "instinct" in said else None


def _device_name(accelerator: str | None, n_accelerators: int | None) -> str | None:
    if accelerator is None or n_accelerators in (None, 1):
        return accelerator
    return f"{n_accelerators} x {accelerator}"


def _energy(row: Mapping[str, Any], scenario: str | None) -> dict[str, Any]:
    """Energy of one query, where a power analyzer measured it; power in watts has no column and stays as reported."""
    value, unit = quantity_of(row.get("Power_Result")), _POWER.fullmatch(text(row.get("Power_Units")) or "")
    if value is None or unit is None or (scenario or "").lower() not in _PERCENTILE_COLUMN:
        return {}
    joules = value * _JOULES_PER[(unit[1] or "").lower()]
    return {"energy_j": joules, "energy_source": "power analyzer at the wall (MLPerf Power), whole system"}


def _worth(row: Mapping[str, Any], n_accelerators: int | None, accelerator: str | None) -> dict[str, Any]:
    submitter, identity = text(row.get("Submitter")) or "an unnamed submitter", text(row.get("ID")) or "no ID"
    system = "of the whole system"
    if accelerator is None:
        system += ", which names no accelerator"
    elif n_accelerators is None:
        system += ", whose number of accelerators is not stated"
    elif n_accelerators > 1:
        system += f" of {n_accelerators} accelerators"
    basis = f"published MLPerf result {identity} of {submitter}, {system}; an aggregate without raw samples"
    if _is_set(row.get("inferred")):
        return {
            "provenance": "unknown",
            "provenance_reason": f"MLPerf marks it as inferred from another scenario, not run; {basis}",
        }
    if _is_set(row.get("errors")):
        return {"provenance": "unknown", "provenance_reason": f"the run logged {row['errors']!r:.20} errors; {basis}"}
    return {"provenance": "measured", "provenance_reason": basis}


def _is_set(value: Any) -> bool:
    number = number_of(value)
    return (
        number != 0
        if number is not None
        else value is True or (isinstance(value, str) and value.strip().lower() in ("true", "yes"))
    )
