"""What is known of a model at a size without building its weights, asked often and so remembered.

Belongs here: the identity that stands in every result row. Does not belong here: the catalog table (`rows`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hwbench_pipeline.catalog.building import count_parameters, count_streamed_parameters, meta_model
from hwbench_pipeline.catalog.configs import config_sha256, model_config
from hwbench_pipeline.catalog.inputs import default_sequence_length
from hwbench_pipeline.catalog.names import resolve


@dataclass(frozen=True)
class ModelFacts:
    """Identity of one model at one size. `default_sequence_length` is None for models that take no text.

    `n_streamed_parameters` are those that every call reads whole.
    """

    key: str
    model_size: str
    model_id: str
    architecture: str
    category: str
    config_sha256: str
    n_parameters: int
    n_streamed_parameters: int
    default_sequence_length: int | None


@cache
def model_facts(key: str, model_size: str) -> ModelFacts:
    """The facts of a catalog model. Raises UnknownModelError, or ValueError for an unknown size."""
    model = resolve(key)
    config = model_config(key, model_size)
    module = meta_model(key, model_size)
    return ModelFacts(
        key=model.key,
        model_size=model_size,
        model_id=model.tiny_model_id if model_size == "tiny" else model.model_id,
        architecture=str(config.model_type),
        category=model.category,
        config_sha256=config_sha256(config),
        n_parameters=count_parameters(module),
        n_streamed_parameters=count_streamed_parameters(module),
        default_sequence_length=default_sequence_length(key, config),
    )
