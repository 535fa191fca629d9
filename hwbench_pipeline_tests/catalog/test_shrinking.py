"""Tiny configurations by rule: consistent dimensions, a place for every token id, one of each kind of layer."""

from __future__ import annotations

import pytest
import torch
from transformers import CONFIG_MAPPING

from hwbench_pipeline.catalog.shrinking import RUNGS, TINY_EXPERTS, TINY_VOCABULARY, reference_config, tiny_config


@pytest.mark.parametrize("key", ["gpt2", "mistral", "bart", "deberta-v2", "opt", "falcon"])
def test_narrow_keeps_the_channels_of_a_head(key):
    """Widths and heads are divided by one number, so that what is computed per head is what it was."""
    from hwbench_pipeline.catalog.shrinking import _hidden_size

    reference, tiny = reference_config(key), tiny_config(key, RUNGS[0])
    heads = {"gpt2": "n_head"}.get(key, "num_attention_heads")
    before, after = getattr(reference, heads), getattr(tiny, heads)
    assert after < before
    assert _hidden_size(reference) // before == _hidden_size(tiny) // after
    assert tiny.vocab_size == TINY_VOCABULARY


def test_token_ids_stay_distinct_and_inside_the_vocabulary():
    """Two ids that differ go on to differ, all over the tree, and fall inside the smallest vocabulary."""
    reference, tiny = reference_config("internvl"), tiny_config("internvl", RUNGS[0])
    assert reference.image_token_id >= TINY_VOCABULARY
    ids = [tiny.image_token_id, tiny.text_config.bos_token_id, tiny.text_config.eos_token_id]
    known = [value for value in ids if value is not None]
    assert len(set(known)) == len(known)
    assert all(0 <= value < tiny.text_config.vocab_size for value in known)


def test_every_kind_of_layer_is_kept():
    """A hybrid keeps one of each kind, in its own order from the start."""
    reference, tiny = reference_config("gemma3_text"), tiny_config("gemma3_text", RUNGS[0])
    assert set(tiny.layer_types) == set(reference.layer_types)
    assert tiny.num_hidden_layers == len(tiny.layer_types) < reference.num_hidden_layers


def test_experts_shrink_with_what_chooses_among_them():
    """Never fewer experts than are chosen per token."""
    tiny = tiny_config("mixtral", RUNGS[0])
    assert tiny.num_experts_per_tok <= tiny.num_local_experts <= TINY_EXPERTS


def test_towers_that_agree_go_on_to_agree():
    """One factor for a whole tree; or one for each part, and a width that means another part's follows that one."""
    for rung in RUNGS[:2]:
        tiny = tiny_config("blip-2", rung)
        assert tiny.qformer_config.encoder_hidden_size == tiny.vision_config.hidden_size


def test_image_geometry_is_that_of_the_reference():
    """Placeholders are counted once, for both sizes."""
    for key in ("swin", "clip_vision_model", "siglip"):
        reference, tiny = reference_config(key), tiny_config(key, RUNGS[0])
        of = lambda config: getattr(config, "vision_config", config)  # noqa: E731
        assert (of(reference).image_size, of(reference).patch_size) == (of(tiny).image_size, of(tiny).patch_size)


def test_the_last_rung_is_the_reference_itself():
    """Nothing is shrunk there."""
    assert tiny_config("gpt2", RUNGS[-1]).to_dict() == reference_config("gpt2").to_dict()


def test_the_default_configuration_of_a_class_is_left_alone():
    """Shrinking makes new objects: transformers' own defaults are not touched."""
    before = CONFIG_MAPPING["internvl"]().to_dict()
    tiny_config("internvl", RUNGS[0])
    assert CONFIG_MAPPING["internvl"]().to_dict() == before


def test_tiny_models_are_built_in_under_a_second_of_work():
    """Counted in parameters, which is what building costs, not in seconds of a shared machine."""
    from transformers import AutoModelForCausalLM

    for key in ("mistral", "deepseek_v3", "qwen3_moe"):
        with torch.device("meta"):
            module = AutoModelForCausalLM.from_config(tiny_config(key, RUNGS[0]))
        assert sum(parameter.numel() for parameter in module.parameters()) < 30_000_000
