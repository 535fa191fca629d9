"""The rows of the table core_models: what is known of every catalog model without running it.

Belongs here: one row per model and size. Does not belong here: writing tables, and anything measured.
"""

from __future__ import annotations

from typing import Any

from hwbench_pipeline.catalog import checkpoints, memory
from hwbench_pipeline.catalog.architectures import (
    architectures,
    main_input,
    model_class_named,
    output_modalities,
)
from hwbench_pipeline.catalog.building import count_parameters, meta_model, weight_bytes_fp32
from hwbench_pipeline.catalog.configs import SIZES, config_json, config_sha256, config_source, model_config
from hwbench_pipeline.catalog.deriving import derived
from hwbench_pipeline.catalog.diffusion import DIFFUSERS, adapting
from hwbench_pipeline.catalog.entries import catalog_keys, catalog_model
from hwbench_pipeline.catalog.flops import count_flops
from hwbench_pipeline.catalog.inputs import default_sequence_length, input_shape_text, make_inputs
from hwbench_pipeline.catalog.names import CatalogModel, model_keys

DEAR_COLUMNS = ("n_parameters", "weight_bytes_fp32", "input_shape", "flops", "flops_method", "reason")
"""Columns for which a model is built on the meta device and called: remembered but for key models."""


def model_row(key: str, size: str) -> dict[str, Any]:
    """The core_models row of one model at one size. Raises UnknownModelError, or ValueError for another size."""
    model: CatalogModel = catalog_model(key)
    is_key_model = model.key in model_keys()
    architecture = architectures().get(model.architecture)
    row: dict[str, Any] = {
        "model": model.key,
        "model_size": size,
        "model_id": model.model_id if size == "reference" else model.tiny_model_id,
        "architecture": model.architecture,
        "category": model.category,
        "model_class": model.model_class,
        "modalities": list(model.modalities),
        **_of_class(model),
        "tasks": list(architecture.tasks) if architecture else [],
        "component_of": list(architecture.component_of) if architecture else [],
        "config_sha256": None,
        "config_json": None,
        "config_source": config_source(model.key, size),
        "sequence_length": None,
    }
    try:
        config = model_config(model.key, size)
    except Exception as error:  # a configuration class may raise anything
        if is_key_model:
            raise
        return row | dict.fromkeys(DEAR_COLUMNS) | _unbuilt(model, error)
    row |= {
        "config_sha256": config_sha256(config),
        "config_json": config_json(config),
        "sequence_length": default_sequence_length(model.key, config),
    }
    if is_key_model:
        return row | {"reason": None} | counted(model.key, size)
    return row | remembered(model.key, size)


def _of_class(model: CatalogModel) -> dict[str, Any]:
    """What the class says of itself: its main input and what it gives; NULL for diffusers, whose classes say neither."""
    if model.architecture in DIFFUSERS:
        return {"output_modalities": None, "main_input": None}
    if model.architecture in model_keys():
        built = model_class_named(architectures()[model.architecture].model_class)
        gives, takes = output_modalities(built), main_input(built)
    else:
        known = derived(model.architecture)
        gives, takes = known.output_modalities, known.main_input
    return {"output_modalities": None if gives is None else list(gives), "main_input": takes}


def remembered_as(key: str, size: str) -> str:
    """The name under which `DEAR_COLUMNS` are kept.

    Memory goes by the version of transformers and the rules. A model of diffusers follows neither: its name says what it does.
    A checkpoint's key may come to stand for another revision.
    """
    if checkpoints.kept(key) is not None:
        return f"{key}.{config_sha256(model_config(key, size))}"
    if key not in DIFFUSERS:
        return f"{key}.{size}"
    return ".".join((key, size, config_sha256(model_config(key, size)), *adapting.libraries().values()))


def remembered(key: str, size: str) -> dict[str, Any]:
    """`DEAR_COLUMNS`, counted only where they are not kept yet. Raises what `model_config` raises."""
    name = remembered_as(key, size)
    dear: dict[str, Any] | None = memory.recall(name)
    if dear is None:
        dear = counted(key, size)
        memory.remember(name, dear)
    return dear


def _unbuilt(model: CatalogModel, error: Exception) -> dict[str, Any]:
    # what a type said when it was tried is kept
    reason = str(error) if model.key in DIFFUSERS else derived(model.architecture).reason
    return {"flops_method": "not counted: its configuration cannot be built", "reason": reason}


def counted(key: str, size: str) -> dict[str, Any]:
    """The columns for which a model is built on the meta device and called there. Raises nothing for what fails."""
    model = catalog_model(key)
    is_declared = model.architecture in model_keys() or key in DIFFUSERS
    row: dict[str, Any] = dict.fromkeys(DEAR_COLUMNS)
    row["reason"] = None if is_declared else derived(model.architecture).reason
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
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if row["n_parameters"] is None:
            row["reason"] = row["reason"] or f"cannot be built at this size: {said}"
        return row | {"flops_method": f"not counted: {said}"}
    return row | {"flops": flops.flops, "flops_method": flops.method}


def model_rows() -> list[dict[str, Any]]:
    """A row for every catalog model, tiny and reference, parts of others next to last, this machine's checkpoints last.

    No weights are made: shapes only.
    """
    return [
        model_row(key, size) for key in (*catalog_keys(components=True), *checkpoints.kept_keys()) for size in SIZES
    ]
