"""The environment a run describes: `system_info` and `hardware_details` as a row of `core_legacy__environments`.

Belongs here: which field of those blocks is which column. Does not belong here: probing this machine (`hardware/`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hwbench_pipeline.hardware.environment import environment_id_of, rounded_memory_mb
from hwbench_pipeline.legacy.json_values import positive_integer, positive_number, storable, text
from hwbench_pipeline.legacy.units import memory_from_gb
from hwbench_pipeline.schema.table import canonical_json
from hwbench_pipeline.schema.tables.catalog import CORE_LEGACY__ENVIRONMENTS

_ARCHITECTURE_NAME = re.compile(r"x86(?:_64)?|amd64|i\d86|aarch64|arm64|armv\w+|ppc64le|riscv64", re.IGNORECASE)
_LIBRARY_FIELDS = {
    "cuda_version": "cuda",
    "rocm_version": "rocm",
    "numpy_version": "numpy",
    "onnxruntime_version": "onnxruntime",
}


def environment_row(run: Mapping[str, Any] | None, hardware: str | None) -> dict[str, Any] | None:
    """The environment row of a run's object on the hardware that really ran it; None where it describes none.

    `environment_id` is the hash of all other columns, so that the same description always gives the same id.
    """
    system = run.get("system_info") if run is not None else None
    if run is None or not isinstance(system, dict) or not system:
        return None
    row = dict.fromkeys(CORE_LEGACY__ENVIRONMENTS.column_names)
    row.update(_system_columns(system, run))
    row.update(_device_columns(system, run, hardware))
    if all(value is None for value in row.values()):
        return None
    row = {name: storable(value) if isinstance(value, str) else value for name, value in row.items()}
    del row["environment_id"]
    return {"environment_id": environment_id_of(row), **row}


def _system_columns(system: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    memory_gb = positive_number(system.get("total_memory_gb"))
    libraries = {
        library: version for name, library in _LIBRARY_FIELDS.items() if (version := text(system.get(name))) is not None
    }
    return {
        "machine": text(system.get("hostname")),
        "os": " ".join(part for name in ("os", "os_release") if (part := text(system.get(name))))
        or text(system.get("platform")),
        "cpu_name": _cpu_name(system, run),
        "cpu_cores_physical": positive_integer(system.get("cpu_count_physical")),
        "cpu_cores_logical": positive_integer(system.get("cpu_count_logical")),
        "memory_total_mb": None if memory_gb is None else rounded_memory_mb(memory_from_gb(memory_gb).mb),
        "python_version": text(system.get("python_version")),
        "torch_version": text(system.get("torch_version")),
        "transformers_version": text(system.get("transformers_version")),
        "openvino_version": text(system.get("openvino_version")),
        "libraries": canonical_json(libraries) if libraries else None,
    }


def _device_columns(system: Mapping[str, Any], run: Mapping[str, Any], hardware: str | None) -> dict[str, Any]:
    if hardware == "cpu":
        return {"device_name": _cpu_name(system, run)}
    devices = system.get("cuda_devices")
    if hardware == "cuda" and isinstance(devices, list) and len(devices) == 1 and isinstance(devices[0], dict):
        memory_gb = positive_number(devices[0].get("total_memory_gb"))
        return {
            "device_name": text(devices[0].get("name")),
            "device_memory_mb": None if memory_gb is None else memory_from_gb(memory_gb).mb,
        }
    return {}


def _cpu_name(system: Mapping[str, Any], run: Mapping[str, Any]) -> str | None:
    """The CPU's model name: an architecture such as x86_64 is none, OpenVINO's device list has one."""
    processor = text(system.get("processor"))
    if processor is not None and not _ARCHITECTURE_NAME.fullmatch(processor):
        return processor
    details = run.get("hardware_details")
    devices = details.get("openvino_device_info") if isinstance(details, dict) else None
    return text(devices.get("CPU")) if isinstance(devices, dict) else None
