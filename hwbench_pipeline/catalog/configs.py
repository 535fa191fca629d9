"""Configuration objects of the catalog models, their canonical JSON and their hash. Never touches the network.

Belongs here: turning the data of `reference_configs` and `tiny_configs` into transformers configurations, and
identifying a configuration. Does not belong here: the data itself, and building modules (`building`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import transformers
from transformers import CONFIG_MAPPING, PretrainedConfig

from hwbench_pipeline.catalog import checkpoints
from hwbench_pipeline.catalog.checkpoints import Checkpoint
from hwbench_pipeline.catalog.deriving import derived
from hwbench_pipeline.catalog.diffusion import DIFFUSERS, adapting
from hwbench_pipeline.catalog.entries import catalog_model
from hwbench_pipeline.catalog.exceptions import exception_of
from hwbench_pipeline.catalog.names import CatalogModel
from hwbench_pipeline.catalog.reference_configs import REFERENCE_CONFIGS
from hwbench_pipeline.catalog.shrinking import RUNGS, reference_config, tiny_config
from hwbench_pipeline.catalog.tiny_configs import TINY_CHANGES
from hwbench_pipeline.schema.table import canonical_json

SIZES = ("tiny", "reference")

# What says where a configuration came from or how a call is made, not what the model computes.
VOLATILE_FIELDS = frozenset(
    {
        "_name_or_path",
        "_attn_implementation",
        "_attn_implementation_internal",
        "attn_implementation",
        "_experts_implementation",
        "dtype",
        "output_attentions",
        "output_hidden_states",
        "return_dict",
        "torch_dtype",
        "transformers_version",
        "use_cache",
    }
)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, sub-configurations field by field."""
    result = dict(base)
    for name, value in changes.items():
        inner = result.get(name)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            result[name] = _merged(inner, value)
        else:
            result[name] = value
    return result


def _require_size(size: str) -> None:
    if size not in SIZES:
        raise ValueError(f"model size {size!r}: expected one of {', '.join(SIZES)}. Fix: name one of these")


def model_config(key: str, size: str) -> PretrainedConfig:
    """A fresh configuration object of a catalog model; `size` is tiny or reference.

    `key` may be any name that `entries.catalog_model` knows. `architectures` names the class that `building` builds.
    Raises UnknownModelError; ValueError for another size; `NoModelClassError` for a model of diffusers where that is absent.
    """
    model = catalog_model(key)
    _require_size(size)
    checkpoint = checkpoints.kept(model.key)
    if checkpoint is not None:
        # what a file says of precision or attention is the caller's to say, in every part of the model
        is_own = size == "reference"
        found = checkpoint.transformers_config(VOLATILE_FIELDS) if is_own else model_config(model.architecture, size)
        found.architectures = [model.model_class]
        return found
    if model.key in DIFFUSERS:
        return adapting.diffusers_config(model.key, size)
    if model.key not in REFERENCE_CONFIGS:
        return _derived_config(model, size)
    values: dict[str, Any] = REFERENCE_CONFIGS[model.key].values
    if size == "tiny":
        values = _merged(values, TINY_CHANGES[model.key])
    # the configuration class changes dictionaries that it is given, so it gets its own
    return CONFIG_MAPPING[model.key](**_copied(values), architectures=[model.model_class])


def _derived_config(model: CatalogModel, size: str) -> PretrainedConfig:
    """Raises whatever the configuration's class raises where its defaults cannot be built."""
    config = (
        reference_config(model.key)
        if size == "reference"
        else tiny_config(model.key, derived(model.key).rung or RUNGS[0])
    )
    config.architectures = [model.model_class.rpartition(":")[2]]
    return config


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copied(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(inner) for inner in value]
    return value


def config_source(key: str, size: str) -> str:
    """Where a configuration's values come from, in words, with the address of the published file."""
    model = catalog_model(key)
    _require_size(size)
    checkpoint = checkpoints.kept(model.key)
    if checkpoint is not None:
        return _checkpoint_source(checkpoint, model, size)
    if model.key in DIFFUSERS:
        return adapting.config_source(model.key, size)
    reference = REFERENCE_CONFIGS.get(model.key)
    if reference is None:
        return _derived_source(model.key, size)
    address = f"{model_config_url(model)} (from knowledge, verified by parameter count)"
    if reference.note:
        address = f"{address}; {reference.note}"
    return address if size == "reference" else f"shrunk from {address}"


def _checkpoint_source(checkpoint: Checkpoint, model: CatalogModel, size: str) -> str:
    if size == "tiny":
        return f"that of {model.architecture}: {config_source(model.architecture, size)}"
    named = (checkpoint.config.get("architectures") or [model.model_class])[0]
    built = "" if named == model.model_class else f"; names the class {named}, built is {model.model_class}"
    return f"{checkpoint.source}{built}"


def _derived_source(key: str, size: str) -> str:
    exception = exception_of(key)
    changed = f"; changed: {exception.why}" if exception.reference or (exception.tiny and size == "tiny") else ""
    default = f"defaults of transformers {transformers.__version__}"
    return f"{default}{changed}" if size == "reference" else f"shrunk ({derived(key).rung}) from {default}{changed}"


def model_config_url(model: CatalogModel) -> str:
    """Address of the published configuration file."""
    return f"https://huggingface.co/{model.model_id}/blob/main/config.json"


def published_parameters(key: str) -> int:
    """Published parameter count of the reference checkpoint, rounded as published (four or more digits)."""
    return round(REFERENCE_CONFIGS[catalog_model(key).key].parameters_millions * 1e6)


def _identity(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {str(name): _identity(inner) for name, inner in value.items() if name not in VOLATILE_FIELDS}
        labels = kept.get("id2label")
        if isinstance(labels, dict) and labels == {str(i): f"LABEL_{i}" for i in range(len(labels))}:
            # the default label texts say no more than how many there are
            del kept["id2label"]
            kept.pop("label2id", None)
            kept["num_labels"] = len(labels)
        return kept
    if isinstance(value, list | tuple):
        return [_identity(inner) for inner in value]
    return value


def config_json(config: PretrainedConfig) -> str:
    """The configuration as canonical JSON, without `VOLATILE_FIELDS`, at every level.

    Default label texts (LABEL_0, …) stand as `num_labels`. Equal configurations give equal text.
    """
    return canonical_json(_identity(config.to_dict()))


def config_sha256(config: PretrainedConfig) -> str:
    """Hex SHA-256 of `config_json`: the identity of the exact configuration that runs."""
    return hashlib.sha256(config_json(config).encode()).hexdigest()
