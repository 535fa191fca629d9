"""The catalog is derived from transformers' own mappings, and takes in what a user registers."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point
from hwbench_pipeline.bench.verifying import ONE_CALL
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
    assert asked_model("TinyLlama-1.1B").model_id == "TinyLlama/TinyLlama-1.1B-Chat-v1.0"
    assert asked_model("Qwen2-0.5B").key == "qwen2"
    with pytest.raises(UnknownModelError, match="another checkpoint"):
        asked_model("Qwen/Qwen2-0.5B")
    with pytest.raises(UnknownModelError, match="another checkpoint"):
        asked_model("prajjwal1/bert-tiny")
    with pytest.raises(UnknownModelError, match="distilbert"):
        asked_model("distilbret")
    with pytest.raises(UnknownModelError, match=r"'nougat' has a configuration .* no class .* Fix: name the model"):
        asked_model("nougat")


def test_a_registered_class_appears_and_runs(registered):
    """Registered through transformers' own way: derived, shrunk, given inputs, and, in processes of their own, measured and
    trained, without an edit of ours."""
    assert registered in catalog_keys()
    known = derived(registered)
    assert (known.reason, known.category, known.rung) == (None, "text_decoder", "narrow")
    assert catalog_model(registered).model_class.endswith("WordCountForCausalLM")
    with CellProcesses() as processes:
        for mode in ("inference", "training"):
            (row,) = run_cell(CellPlan("cpu", registered, mode, (Point(),), ONE_CALL), processes).rows
            assert (row["status"], row["model"]) == ("ok", registered), row["error_message"]
            assert row["n_parameters"] < 1_000_000


def test_a_class_that_no_other_process_can_import_is_refused_with_the_fix(registered, monkeypatch):
    monkeypatch.setattr(WordCountConfig, "__module__", "__main__")
    with CellProcesses() as processes:
        (row,) = run_cell(CellPlan("cpu", registered, points=(Point(),), sampling=ONE_CALL), processes).rows
    assert row["status"] == "failed"
    assert "Fix: put it into a module of its own" in row["error_message"]


def test_a_module_that_registers_types_is_named_for_the_command_line(tmp_path):
    source = inspect.getsource(WordCountConfig) + inspect.getsource(WordCountForCausalLM)
    head = (
        "import torch\nfrom transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel\n"
    )
    head += "from transformers.modeling_outputs import CausalLMOutput\n\n"
    tail = "AutoConfig.register(WordCountConfig.model_type, WordCountConfig)\n"
    tail += "AutoModelForCausalLM.register(WordCountConfig, WordCountForCausalLM)\n"
    (tmp_path / "my_types.py").write_text(head + source + tail)
    call = [str(Path(sys.executable).with_name("hwbench")), "verify", "--model", WordCountConfig.model_type]

    def verified(modules):
        environment = os.environ | {"HWBENCH_MODELS": modules, "HWBENCH_HOST_LOCK": str(tmp_path / "lock")}
        return subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    done = verified("my_types")
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = verified("my_type")
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (2, False), wrong.stderr
    assert "No module named 'my_type'" in " ".join(wrong.stderr.split())
