"""What is known of a model at a size without building its weights, asked often and so remembered.

Belongs here: the identity that stands in every result row. Does not belong here: the catalog table (`rows`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from hwbench_pipeline.catalog.building import count_parameters, count_streamed_parameters, meta_model
from hwbench_pipeline.catalog.configs import SIZES, config_sha256, model_config
from hwbench_pipeline.catalog.entries import catalog_model
from hwbench_pipeline.catalog.inputs import default_sequence_length
from hwbench_pipeline.catalog.names import model_keys


@dataclass(frozen=True)
class ModelFacts:
    """Identity of one model at one size. `default_sequence_length` is None for models that take no text.

    `n_streamed_parameters` are those that every call reads whole. What needs a configuration or a module that cannot be
    built is None; building it anew in the cell's own process says why.
    """

    key: str
    model_size: str
    model_id: str
    architecture: str
    category: str
    config_sha256: str | None
    n_parameters: int | None
    n_streamed_parameters: int | None
    default_sequence_length: int | None


@cache
def model_facts(key: str, model_size: str) -> ModelFacts:
    """The facts of a catalog model. Raises UnknownModelError, or ValueError for an unknown size."""
    model = catalog_model(key)
    facts: dict[str, Any] = dict.fromkeys(
        ("config_sha256", "n_parameters", "n_streamed_parameters", "default_sequence_length")
    )
    try:
        config = model_config(key, model_size)
        facts |= {
            "config_sha256": config_sha256(config),
            "default_sequence_length": default_sequence_length(key, config),
        }
        module = meta_model(key, model_size)
        facts |= {
            "n_parameters": count_parameters(module),
            "n_streamed_parameters": count_streamed_parameters(module),
        }
    except Exception:
        if model.key in model_keys() or model_size not in SIZES:
            raise
    return ModelFacts(
        key=model.key,
        model_size=model_size,
        model_id=model.tiny_model_id if model_size == "tiny" else model.model_id,
        architecture=model.architecture,
        category=model.category,
        **facts,
    )
