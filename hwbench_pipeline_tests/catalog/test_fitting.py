"""Inputs by rule: what forward asks for, deterministic, with as many placeholders as the towers make features."""

from __future__ import annotations

import pytest
import torch

from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.configs import model_config
from hwbench_pipeline.catalog.deriving import LARGEST_TINY_PARAMETERS, derive, derived
from hwbench_pipeline.catalog.inputs import default_sequence_length, make_inputs
from hwbench_pipeline.catalog.labels import make_labels, training_loss_kind
from hwbench_pipeline.catalog.signal import primary_output

# one of each way of taking inputs
SAMPLE = ("gpt2", "bart", "roberta", "swin", "convnext", "hubert", "speech_to_text", "internvl", "siglip", "patchtst")


@pytest.mark.parametrize("key", SAMPLE)
def test_an_architecture_no_code_names_runs_at_any_batch(key):
    """Built, called with other batch sizes than it was tried with, and its answer depends on its input."""
    known = derived(key)
    assert known.reason is None
    config = model_config(key, "tiny")
    model = build_model(key, "tiny")
    assert sum(parameter.numel() for parameter in model.parameters()) < LARGEST_TINY_PARAMETERS
    answers = []
    for seed in (0, 1):
        inputs = make_inputs(key, config, batch_size=3, seed=seed)
        with torch.no_grad():
            answers.append(primary_output(model(**inputs)))
    name = next(iter(answers[0]))
    assert torch.isfinite(answers[0][name]).all()
    assert not torch.equal(answers[0][name], answers[1][name])


@pytest.mark.parametrize("key", SAMPLE)
def test_inputs_are_the_same_for_the_same_seed(key):
    """Two makers of one seed agree to the bit."""
    config = model_config(key, "tiny")
    first, second = (make_inputs(key, config, batch_size=2, seed=7) for _ in range(2))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_placeholders_are_counted_from_the_tower():
    """As many as InternVL's projector makes of its patches: (448 / 14 / 2)² per image, beside the text asked for."""
    known = derived("internvl")
    assert dict(known.counts) == {"image": 256}
    config = model_config("internvl", "tiny")
    inputs = make_inputs("internvl", config, batch_size=2, sequence_length=16)
    assert int((inputs["input_ids"] == config.image_token_id).sum()) == 2 * 256
    assert inputs["input_ids"].shape == (2, 256 + 16)
    assert default_sequence_length("internvl", config) == 32


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("roberta", "masked_lm"),
        ("gpt2", "causal_lm"),
        ("bart", "seq2seq"),
        ("swin", "classification"),
        ("hubert", "ctc"),
        ("siglip", "contrastive"),
    ],
)
def test_labels_give_the_models_own_loss(key, kind):
    """The kind by rule, and a finite loss that is not zero."""
    assert training_loss_kind(key) == kind
    config = model_config(key, "tiny")
    inputs = make_inputs(key, config, batch_size=2)
    labels = make_labels(key, config, inputs)
    loss = build_model(key, "tiny")(**inputs, **labels).loss.detach()
    assert torch.isfinite(loss)
    assert float(loss) > 0


def test_what_cannot_run_says_why():
    """A library that is not installed is named; nothing is raised."""
    known = derive("dinat")
    assert known.rung is None
    assert "natten" in known.reason
    assert known.error_class == "NoModelClassError" or "ImportError" in known.reason
