"""What a file that `hwbench export optimum-benchmark` wrote says about the row it was made of.

Belongs here: the `hwbench_<column>` statements of a configuration's environment, and what each is worth. Does not belong
here: writing them (`exports/`), and the report itself (`optimum_report`).

Numbers of the steady state come from the report's samples, never from a statement; what no column takes is kept as reported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hwbench_pipeline.catalog.names import model_keys
from hwbench_pipeline.hardware.platforms import hardware_keys
from hwbench_pipeline.imports.bundle_format import typed_row
from hwbench_pipeline.legacy.json_values import text
from hwbench_pipeline.schema.tables.catalog import CORE_BENCH__ENVIRONMENTS
from hwbench_pipeline.schema.tables.results import CORE_BENCH__INFERENCE, OWN_SOURCES
from hwbench_pipeline.schema.validation import takes

_PREFIX = "hwbench_"
_RESULT_ID = re.compile(r"[0-9a-f]{32}")
_NOT_MEASURED = ("simulated", "mock", "unknown")
_LONGEST_TEXT = 20_000
_LONGEST_REASON = 500

_OF_THE_RUN = frozenset(
    {
        "model_id",
        "architecture",
        "category",
        "model_size",
        "config_sha256",
        "n_parameters",
        "backend",
        "backend_version",
        "options",
        "output_max_rel_error",
        "hardware",
        "hardware_requested",
        "device_name",
        "precision",
        "batch_size",
        "sequence_length",
        "input_shape",
        "started_at",
        "started_at_text",
    }
)
_OF_THE_STEADY_STATE = frozenset(
    {
        "n_warmup",
        "load_ms",
        "compile_ms",
        "first_inference_ms",
        "memory_method",
        "flops",
        "loss_first",
        "loss_last",
        "flags",
        "load_avg_1m",
        "cpu_steal_percent",
        "cpu_clock_mhz",
        "temperature_c",
    }
)


@dataclass(frozen=True)
class OwnExport:
    """The row an exported file was made of, as far as the file says.

    `columns` hold for every target of the report, `steady_columns` for the one that the row measured. `environment` are
    columns of an environment. `origin` says in words who measured; `provenance` is `measured` or what is less.
    `unplaced` are the statements without a column here.
    """

    result_id: str
    columns: Mapping[str, Any]
    steady_columns: Mapping[str, Any]
    environment: Mapping[str, Any]
    libraries: Mapping[str, str]
    origin: str
    provenance: str
    stated_reason: str | None
    unplaced: Mapping[str, Any]


def read_own_export(stated: Mapping[str, Any]) -> OwnExport | None:
    """The row that a configuration's environment names as its origin; None where it names none."""
    said = {
        name.removeprefix(_PREFIX): value
        for name, value in stated.items()
        if isinstance(name, str) and name.startswith(_PREFIX) and value is not None
    }
    result_id = said.get("result_id")
    if not isinstance(result_id, str) or not _RESULT_ID.fullmatch(result_id):
        return None
    facts = _valid(said)
    columns = {name: facts[name] for name in _OF_THE_RUN & facts.keys()}
    if columns.get("hardware") not in hardware_keys():
        columns.pop("hardware", None)
    # only together with its size does a catalog key say what ran: a tiny model must not pass for the real one
    if "model_size" in columns and facts.get("model") in model_keys():
        columns["model"] = facts["model"]
    source, version = text(said.get("source")), text(facts.get("harness_version"))
    harness = version
    if source in OWN_SOURCES:
        harness = f"hwbench {version}" if version else "hwbench of unknown version"
        origin = f"measured with {harness}, exported by hwbench"
    else:
        origin = f"read by hwbench from a source it calls {source or 'nothing':.40}, exported by hwbench"
    if harness is not None:
        columns["harness_version"] = harness
    provenance = said.get("provenance")
    if provenance != "measured":
        provenance = provenance if provenance in _NOT_MEASURED else "unknown"
    reason = text(said.get("provenance_reason"))
    environment = _environment(said)
    placed = columns.keys() | _OF_THE_STEADY_STATE & facts.keys() | environment.keys() | {"result_id"}
    return OwnExport(
        result_id=result_id,
        columns=columns | {"exported_result_id": result_id},
        steady_columns={name: facts[name] for name in _OF_THE_STEADY_STATE & facts.keys()},
        environment=environment,
        libraries=_libraries(said.get("libraries")),
        origin=origin,
        provenance=provenance,
        stated_reason=None if reason is None else reason[:_LONGEST_REASON],
        unplaced={name: said[name] for name in sorted(said.keys() - placed)},
    )


def _valid(said: Mapping[str, Any]) -> dict[str, Any]:
    """The statements that are a value of their result column, with its type."""
    typed = typed_row(CORE_BENCH__INFERENCE, said)
    return {
        column.name: typed[column.name]
        for column in CORE_BENCH__INFERENCE.columns
        if typed.get(column.name) is not None and takes(column, typed[column.name]) and not _is_long(typed[column.name])
    }


def _environment(said: Mapping[str, Any]) -> dict[str, Any]:
    typed = typed_row(CORE_BENCH__ENVIRONMENTS, said)
    return {
        column.name: typed[column.name]
        for column in CORE_BENCH__ENVIRONMENTS.columns
        if column.name not in ("environment_id", "machine", "libraries")
        and typed.get(column.name) is not None
        and takes(column, typed[column.name])
        and not _is_long(typed[column.name])
    }


def _is_long(value: Any) -> bool:
    return isinstance(value, str | list) and len(value) > _LONGEST_TEXT


def _libraries(stated: Any) -> dict[str, str]:
    """Versions by library, from the canonical JSON of the environment's column."""
    if isinstance(stated, str) and len(stated) <= _LONGEST_TEXT:
        with suppress(ValueError, RecursionError):
            libraries = json.loads(stated)
            if isinstance(libraries, dict):
                return {name: version for name, version in libraries.items() if isinstance(version, str)}
    return {}
