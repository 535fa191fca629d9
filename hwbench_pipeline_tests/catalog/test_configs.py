"""Configurations: published sizes, consistency of the tiny ones, and identity."""

from __future__ import annotations

import json

import pytest

from hwbench_pipeline.catalog.building import count_parameters, meta_model
from hwbench_pipeline.catalog.configs import (
    SIZES,
    config_json,
    config_sha256,
    config_source,
    model_config,
    published_parameters,
)
from hwbench_pipeline.catalog.inputs import special_token_ids
from hwbench_pipeline.catalog.names import UnknownModelError, model_keys, resolve


@pytest.mark.parametrize("key", model_keys())
def test_reference_has_the_published_parameter_count(key: str) -> None:
    assert count_parameters(meta_model(key, "reference")) == pytest.approx(published_parameters(key), rel=0.002)


@pytest.mark.parametrize("key", model_keys())
def test_tiny_is_tiny_and_consistent(key: str) -> None:
    config = model_config(key, "tiny")
    assert count_parameters(meta_model(key, "tiny")) < 1_000_000
    assert config.model_type == key
    assert config.architectures == [resolve(key).model_class]
    if resolve(key).takes_text:
        vocabulary = (getattr(config, "text_config", None) or config).vocab_size
        assert max(special_token_ids(config)) < vocabulary


@pytest.mark.parametrize("key", model_keys())
def test_hash_is_stable_and_tells_sizes_apart(key: str) -> None:
    hashes = {size: config_sha256(model_config(key, size)) for size in SIZES}
    assert hashes == {size: config_sha256(model_config(key, size)) for size in SIZES}
    assert len(set(hashes.values())) == 2


def test_hash_ignores_how_a_model_is_called_and_follows_what_it_computes() -> None:
    config = model_config("llava", "tiny")
    before = config_sha256(config)
    config.use_cache = False
    config.text_config.use_cache = False
    config._attn_implementation = "eager"
    config._name_or_path = "/somewhere"
    config.transformers_version = "0.0"
    assert config_sha256(config) == before
    config.text_config.intermediate_size += 1
    assert config_sha256(config) != before


def test_json_is_canonical_and_rebuilds_the_configuration() -> None:
    for key in model_keys():
        config = model_config(key, "reference")
        text = config_json(config)
        assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert "transformers_version" not in text
        assert config_sha256(type(config)(**json.loads(text))) == config_sha256(config)


def test_building_a_model_leaves_its_hash() -> None:
    for key in ("bert", "detr", "clap", "llava_next"):
        assert config_sha256(meta_model(key, "tiny").config) == config_sha256(model_config(key, "tiny"))


def test_configurations_share_nothing() -> None:
    one = model_config("wav2vec2", "tiny")
    one.conv_dim[0] = 7
    assert model_config("wav2vec2", "tiny").conv_dim[0] == 32


def test_source_names_the_published_file() -> None:
    assert config_source("clip", "reference").startswith("https://huggingface.co/openai/clip-vit-base-patch32/")
    assert config_source("clip", "tiny").startswith("shrunk from https://")


def test_wrong_calls_say_what_is_expected() -> None:
    with pytest.raises(ValueError, match=r"'huge': expected one of tiny, reference. Fix:"):
        model_config("bert", "huge")
    with pytest.raises(UnknownModelError):
        model_config("distilbret", "tiny")
