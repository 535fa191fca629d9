"""The rows of the table core_models: what is known of every catalog model without running it.

Belongs here: one row per model and size. Does not belong here: writing tables, and anything measured.
"""

from __future__ import annotations

from typing import Any

from hwbench_pipeline.catalog import memory
from hwbench_pipeline.catalog.architectures import architectures
from hwbench_pipeline.catalog.building import count_parameters, meta_model, weight_bytes_fp32
from hwbench_pipeline.catalog.checkpoints import kept_keys
from hwbench_pipeline.catalog.configs import SIZES, config_json, config_sha256, config_source, model_config
from hwbench_pipeline.catalog.deriving import derived
from hwbench_pipeline.catalog.entries import catalog_keys, catalog_model
from hwbench_pipeline.catalog.flops import count_flops
from hwbench_pipeline.catalog.inputs import default_sequence_length, input_shape_text, make_inputs
from hwbench_pipeline.catalog.names import CatalogModel, model_keys

DEAR_COLUMNS = ("n_parameters", "weight_bytes_fp32", "input_shape", "flops", "flops_method", "reason")
"""Columns for which a model is built on the meta device and called: remembered for architectures by rule."""


def model_row(key: str, size: str) -> dict[str, Any]:
    """The core_models row of one model at one size. Raises UnknownModelError, or ValueError for another size."""
    model: CatalogModel = catalog_model(key)
    by_rule = model.key not in model_keys()
    architecture = architectures().get(model.architecture)
    row: dict[str, Any] = {
        "model": model.key,
        "model_size": size,
        "model_id": model.model_id if size == "reference" else model.tiny_model_id,
        "architecture": model.architecture,
        "category": model.category,
        "model_class": model.model_class,
        "modalities": list(model.modalities),
        "tasks": list(architecture.tasks) if architecture else [],
        "component_of": list(architecture.component_of) if architecture else [],
        "config_sha256": None,
        "config_json": None,
        "config_source": config_source(model.key, size),
        "sequence_length": None,
    }
    try:
        config = model_config(model.key, size)
    except ValueError:
        if not by_rule:
            raise
        return row | dict.fromkeys(DEAR_COLUMNS) | _unbuilt(model)
    except Exception:  # noqa: BLE001 - a configuration class may raise anything; what it said when tried is kept
        return row | dict.fromkeys(DEAR_COLUMNS) | _unbuilt(model)
    row |= {
        "config_sha256": config_sha256(config),
        "config_json": config_json(config),
        "sequence_length": default_sequence_length(model.key, config),
    }
    if not by_rule:
        return row | {"reason": None} | counted(model.key, size)
    # a checkpoint's key may come to stand for another revision, an architecture's is settled by transformers' version
    name = f"{model.key}.{size}" if model.key == model.architecture else f"{model.key}.{row['config_sha256']}"
    dear: dict[str, Any] | None = memory.recall(name)
    if dear is None:
        dear = counted(model.key, size)
        memory.remember(name, dear)
    return row | dear


def _unbuilt(model: CatalogModel) -> dict[str, Any]:
    reason = derived(model.architecture).reason
    return {"flops_method": "not counted: its configuration cannot be built", "reason": reason}


def counted(key: str, size: str) -> dict[str, Any]:
    """The columns for which a model is built on the meta device and called there. Raises nothing for what fails."""
    architecture = catalog_model(key).architecture
    known = derived(architecture) if architecture not in model_keys() else None
    row: dict[str, Any] = dict.fromkeys(DEAR_COLUMNS) | {"reason": known.reason if known else None}
    try:
        config = model_config(key, size)
        module = meta_model(key, size)
        row |= {"n_parameters": count_parameters(module), "weight_bytes_fp32": weight_bytes_fp32(module)}
        del module
        row["input_shape"] = input_shape_text(make_inputs(key, config, batch_size=1)) or None  # nothing by rule fits
        flops = count_flops(key, size, batch_size=1)
    except Exception as error:
        if key in model_keys():
            raise
        return row | {"flops_method": f"not counted: {type(error).__name__}: {' '.join(str(error).split())[:200]}"}
    return row | {"flops": flops.flops, "flops_method": flops.method}


def model_rows() -> list[dict[str, Any]]:
    """A row for every catalog model, tiny and reference, parts of others next to last, this machine's checkpoints last.

    No weights are made: shapes only.
    """
    return [model_row(key, size) for key in (*catalog_keys(components=True), *kept_keys()) for size in SIZES]
