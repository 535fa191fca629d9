"""The catalog is derived from transformers' own mappings, and takes in what a user registers."""

from __future__ import annotations

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from hwbench_pipeline.bench.cell import run_job
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.catalog.architectures import (
    architectures,
    category,
    modalities,
    model_class_named,
    without_model_class,
)
from hwbench_pipeline.catalog.deriving import derived
from hwbench_pipeline.catalog.entries import asked_model, catalog_keys, catalog_model
from hwbench_pipeline.catalog.names import UnknownModelError, model_keys


class WordCountConfig(PretrainedConfig):
    model_type = "word_count_of_a_test"

    def __init__(self, vocab_size=50_000, hidden_size=512, num_hidden_layers=12, num_attention_heads=8, **more):
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.num_hidden_layers, self.num_attention_heads = num_hidden_layers, num_attention_heads
        super().__init__(**more)


class WordCountForCausalLM(PreTrainedModel):
    config_class = WordCountConfig

    def __init__(self, config):
        super().__init__(config)
        self.words = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(config.hidden_size, config.hidden_size) for _ in range(config.num_hidden_layers)
        )
        self.head = torch.nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def forward(self, input_ids, attention_mask=None, labels=None):
        hidden = self.words(input_ids)
        for layer in self.layers:
            hidden = hidden + torch.tanh(layer(hidden))
        logits = self.head(hidden)
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        return CausalLMOutput(loss=loss, logits=logits)


@pytest.fixture(scope="module")
def registered():
    AutoConfig.register(WordCountConfig.model_type, WordCountConfig)
    AutoModelForCausalLM.register(WordCountConfig, WordCountForCausalLM)
    yield WordCountConfig.model_type
    CONFIG_MAPPING._extra_content.pop(WordCountConfig.model_type)
    AutoModelForCausalLM._model_mapping._extra_content.pop(WordCountConfig)


def test_every_type_with_a_model_class_is_there_and_nothing_else():
    """Counted from the mappings themselves, by another way than the catalog's."""
    from transformers.models.auto import modeling_auto

    named = set()
    for attribute, mapping in vars(modeling_auto).items():
        if attribute.startswith("MODEL_") and attribute.endswith("_MAPPING_NAMES"):
            named |= set(mapping)
    assert set(architectures()) == named & set(CONFIG_MAPPING)
    assert set(without_model_class()) == set(CONFIG_MAPPING) - named


def test_parts_of_other_models_are_told_apart():
    """By the sub-configurations that other types name."""
    found = architectures()
    assert "clip" in found["clip_vision_model"].component_of
    assert found["clip"].is_standalone
    assert found["gpt2"].is_standalone
    standalone = [key for key, one in found.items() if one.is_standalone]
    assert len(standalone) > 500
    assert len(found) > len(standalone)


@pytest.mark.parametrize(
    ("key", "expected_category", "expected_modalities"),
    [
        ("gpt2", "text_decoder", ("text",)),
        ("distilbert", "text_encoder", ("text",)),
        ("bart", "encoder_decoder", ("text",)),
        ("swin", "vision", ("image",)),
        ("internvl", "vision_text", ("text", "image")),
        ("qwen2_vl", "multimodal", ("text", "image", "video")),
        ("hubert", "audio", ("audio",)),
        ("speech_to_text", "speech_text", ("audio",)),
        ("videomae", "video", ("video",)),
        ("timesformer", "video", ("image",)),
        ("patchtst", "time_series", ("time",)),
        ("decision_transformer", "decision", ("text",)),
        ("gemma3n", "multimodal", ("text", "image", "audio")),
    ],
)
def test_category_and_modalities_by_rule(key, expected_category, expected_modalities):
    """Each from the class and the mappings, none from a list."""
    architecture = architectures()[key]
    model_class = model_class_named(architecture.model_class)
    is_encoder_decoder = bool(getattr(CONFIG_MAPPING[key](), "is_encoder_decoder", False))
    found = modalities(model_class)
    assert (category(architecture, model_class, is_encoder_decoder=is_encoder_decoder), found) == (
        expected_category,
        expected_modalities,
    )


def test_keys_begin_with_the_key_models_and_name_each_once():
    """Key models, standalone architectures, and parts only where they are asked for."""
    keys = catalog_keys()
    assert keys[: len(model_keys())] == model_keys()
    assert len(set(keys)) == len(keys)
    assert "clip_vision_model" not in keys
    assert "clip_vision_model" in catalog_keys(components=True)


def test_asking_for_a_model_by_its_type_or_checkpoint():
    """A type in any spelling, a key model's checkpoint; another checkpoint and nonsense are refused with the nearest."""
    assert asked_model("GPT2").key == "gpt2"
    assert asked_model("xlm_roberta").key == "xlm-roberta"
    assert asked_model("bert-base-uncased").key == "bert"
    with pytest.raises(UnknownModelError, match="another checkpoint"):
        asked_model("prajjwal1/bert-tiny")
    with pytest.raises(UnknownModelError, match="distilbert"):
        asked_model("distilbret")


def test_a_registered_class_appears_and_runs(registered, monkeypatch):
    """Registered through transformers' own way: derived, shrunk, given inputs, measured, trained, without an edit of ours."""
    assert registered in catalog_keys()
    known = derived(registered)
    assert (known.reason, known.category, known.rung) == (None, "text_decoder", "narrow")
    assert catalog_model(registered).model_class.endswith("WordCountForCausalLM")
    quick = Sampling(min_warmup=1, min_warmup_s=0, max_warmup_s=0, min_samples=3, min_duration_s=0)
    for mode in ("inference", "training"):
        events = []
        plan = CellPlan("cpu", registered, mode, (Point(),), quick)
        run_job({"plan": plan.to_json()}, events.append)
        done = [event for event in events if event["event"] != "phase"]
        assert [event["event"] for event in done] == ["measured"], done
        assert len(done[0]["values"]["samples_ms"]) >= 3
        assert done[0]["values"]["n_parameters"] < 1_000_000
