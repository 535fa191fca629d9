"""The rows of the table core_models: what is known of every catalog model without running it.

Belongs here: one row per model and size. Does not belong here: writing tables, and anything measured.
"""

from __future__ import annotations

from typing import Any

from hwbench_pipeline.catalog.building import count_parameters, meta_model, weight_bytes_fp32
from hwbench_pipeline.catalog.configs import SIZES, config_json, config_sha256, config_source, model_config
from hwbench_pipeline.catalog.flops import count_flops
from hwbench_pipeline.catalog.inputs import default_sequence_length, input_shape_text, make_inputs
from hwbench_pipeline.catalog.names import CatalogModel, model_keys, resolve


def model_row(key: str, size: str) -> dict[str, Any]:
    """The core_models row of one model at one size. Raises UnknownModelError, or ValueError for another size."""
    model: CatalogModel = resolve(key)
    config = model_config(model.key, size)
    module = meta_model(model.key, size)
    counted = count_flops(model.key, size, batch_size=1)
    return {
        "model": model.key,
        "model_size": size,
        "model_id": model.model_id if size == "reference" else model.tiny_model_id,
        "architecture": config.model_type,
        "category": model.category,
        "model_class": model.model_class,
        "modalities": list(model.modalities),
        "config_sha256": config_sha256(config),
        "config_json": config_json(config),
        "config_source": config_source(model.key, size),
        "n_parameters": count_parameters(module),
        "weight_bytes_fp32": weight_bytes_fp32(module),
        "input_shape": input_shape_text(make_inputs(model.key, config, batch_size=1)),
        "sequence_length": default_sequence_length(model.key, config),
        "flops": counted.flops,
        "flops_method": counted.method,
    }


def model_rows() -> list[dict[str, Any]]:
    """A row for every catalog model, tiny and reference, in catalog order. No weights are made: shapes only."""
    return [model_row(key, size) for key in model_keys() for size in SIZES]
