"""Every tiny model: builds quickly, depends on its seed and its inputs, and trains on its own loss."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import pytest
import torch

from hwbench_pipeline.catalog import inputs as inputs_module
from hwbench_pipeline.catalog.building import build_model, meta_model, model_class, strengthen_weights
from hwbench_pipeline.catalog.configs import model_config
from hwbench_pipeline.catalog.exporting import TracedForward
from hwbench_pipeline.catalog.inputs import (
    default_sequence_length,
    image_token_count,
    input_shape_text,
    items_and_tokens,
    make_inputs,
    max_sequence_length,
    place_inputs,
)
from hwbench_pipeline.catalog.labels import make_labels, training_loss_kind
from hwbench_pipeline.catalog.names import model_keys, resolve
from hwbench_pipeline.catalog.signal import primary_output

ALL = pytest.mark.parametrize("key", model_keys())


def outputs_of(key: str, model: torch.nn.Module, *, batch_size: int, seed: int = 0) -> dict[str, torch.Tensor]:
    inputs = make_inputs(key, model_config(key, "tiny"), batch_size=batch_size, seed=seed)
    with torch.no_grad():
        return primary_output(model(**inputs))


@ALL
def test_builds_in_less_than_a_second(key: str) -> None:
    meta_model(key, "tiny")  # importing the class is not building it
    started = time.perf_counter()
    model = build_model(key, "tiny")
    assert time.perf_counter() - started < 1
    assert not model.training
    assert isinstance(model, model_class(key))


@ALL
def test_outputs_are_finite_and_depend_on_every_item(key: str) -> None:
    model = build_model(key, "tiny")
    one, two = outputs_of(key, model, batch_size=1), outputs_of(key, model, batch_size=2)
    other = outputs_of(key, model, batch_size=2, seed=1)
    assert one.keys() == two.keys()
    for name, output in two.items():
        assert one[name].isfinite().all()
        assert output.isfinite().all()
        spread = output.std()
        assert spread > 0.01, name
        # the answer is of this input, not of the weights alone
        assert (output - other[name]).abs().max() > 0.1 * spread, name
        assert (output[0] - output[1]).abs().max() > 0.1 * spread, name


@ALL
def test_every_modality_changes_the_output(key: str) -> None:
    model = build_model(key, "tiny")
    config = model_config(key, "tiny")
    inputs = make_inputs(key, config, batch_size=2)
    changed = make_inputs(key, config, batch_size=2, seed=1)
    with torch.no_grad():
        reference = primary_output(model(**inputs))
        for name in ("input_ids", "decoder_input_ids", "pixel_values", "input_features", "input_values"):
            if name in inputs:
                output = primary_output(model(**{**inputs, name: changed[name]}))
                apart = max(float((output[n] - reference[n]).abs().max() / reference[n].std()) for n in reference)
                assert apart > 0.05, name


@ALL
def test_weights_follow_the_seed_alone(key: str) -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = (build_model(key, "tiny", seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    a, b, c = (torch.cat([p.flatten() for p in m.parameters()]) for m in (first, again, other))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@ALL
def test_inputs_follow_the_seed_alone(key: str) -> None:
    config = model_config(key, "tiny")
    first, again, other = (make_inputs(key, config, batch_size=2, seed=seed) for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@ALL
def test_own_loss_is_finite_and_reaches_the_parameters(key: str) -> None:
    if key == "detr":
        pytest.importorskip("scipy")
    config = model_config(key, "tiny")
    model = build_model(key, "tiny")
    inputs = make_inputs(key, config, batch_size=2)
    labels = make_labels(key, config, inputs)
    assert labels is not None
    loss = model(**inputs, **labels).loss
    loss.backward()
    assert loss.isfinite()
    assert loss > 0
    trainable = [p for p in model.parameters() if p.requires_grad]
    reached = [p for p in trainable if p.grad is not None and p.grad.isfinite().all() and p.grad.any()]
    # LLaVA reads its vision tower one layer before the end, and DETR's first decoder layer attends to zeros
    assert len(reached) >= {"llava": 0.7, "llava_next": 0.7, "detr": 0.93}.get(key, 0.98) * len(trainable)


@ALL
def test_bfloat16_gives_about_the_same(key: str) -> None:
    model = build_model(key, "tiny", dtype=torch.bfloat16)
    inputs = make_inputs(key, model_config(key, "tiny"), batch_size=2)
    exact = outputs_of(key, build_model(key, "tiny"), batch_size=2)
    with torch.no_grad():
        rounded = primary_output(model(**place_inputs(inputs, dtype=torch.bfloat16)))
    for name, output in rounded.items():
        assert output.dtype in (torch.bfloat16, torch.float32)
        assert (output.float() - exact[name]).abs().max() < 0.5 * exact[name].abs().max(), name


@ALL
def test_eager_and_default_attention_agree(key: str) -> None:
    default = outputs_of(key, build_model(key, "tiny"), batch_size=2)
    eager = outputs_of(key, build_model(key, "tiny", attn_implementation="eager"), batch_size=2)
    for name, output in default.items():
        torch.testing.assert_close(eager[name], output, rtol=1e-4, atol=1e-4)


@ALL
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_trace_equals_the_model(key: str) -> None:
    model = build_model(key, "tiny", attn_implementation="eager")
    inputs = make_inputs(key, model_config(key, "tiny"), batch_size=2)
    wrapper = TracedForward(model.train(), inputs)
    assert not model.training
    with torch.no_grad():
        expected = primary_output(model(**inputs))
        traced = torch.jit.trace(wrapper, wrapper.example_input, check_trace=False)
        outputs = traced(*wrapper.example_input)
    assert wrapper.output_names == tuple(expected)
    for output, value in zip(outputs, expected.values(), strict=True):
        torch.testing.assert_close(output, value, rtol=1e-4, atol=1e-5)


@ALL
def test_sequence_length_is_the_text_tokens(key: str) -> None:
    config = model_config(key, "tiny")
    if not resolve(key).takes_text:
        assert default_sequence_length(key, config) is None
        assert items_and_tokens(make_inputs(key, config, batch_size=3)) == (3, None)
        with pytest.raises(ValueError, match="takes no text"):
            make_inputs(key, config, batch_size=1, sequence_length=16)
        return
    assert default_sequence_length(key, config) == 32
    inputs = make_inputs(key, config, batch_size=3, sequence_length=16)
    assert items_and_tokens(inputs) == (3, 3 * (16 + image_token_count(key, config)))
    limit = max_sequence_length(key, config)
    if limit is not None and limit <= 512:
        with torch.no_grad():
            build_model(key, "tiny")(**make_inputs(key, config, batch_size=1, sequence_length=limit))
        with pytest.raises(ValueError, match="Fix:"):
            make_inputs(key, config, batch_size=1, sequence_length=limit + 1)


def test_reference_inputs_have_published_shapes() -> None:
    def shapes(key: str) -> str:
        return input_shape_text(make_inputs(key, model_config(key, "reference"), batch_size=1))

    assert shapes("bert") == "attention_mask=1x128;input_ids=1x128;token_type_ids=1x128"
    assert shapes("vit") == "pixel_values=1x3x224x224"
    assert shapes("clip") == "attention_mask=1x77;input_ids=1x77;pixel_values=1x3x224x224"
    assert shapes("whisper").endswith("decoder_input_ids=1x128;input_features=1x80x3000")
    assert shapes("llava") == "attention_mask=1x704;input_ids=1x704;pixel_values=1x3x336x336"
    assert "input_ids=1x2468;pixel_values=1x5x3x336x336" in shapes("llava_next")
    assert "input_features=1x1x1001x64" in shapes("clap")


def test_image_placeholders_fill_their_count() -> None:
    for key in ("llava", "llava_next"):
        config = model_config(key, "tiny")
        ids = make_inputs(key, config, batch_size=2)["input_ids"]
        assert (ids == config.image_token_index).sum(1).tolist() == [image_token_count(key, config)] * 2


def test_batch_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"batch size 0 for bert: expected 1 or more. Fix:"):
        make_inputs("bert", model_config("bert", "tiny"), batch_size=0)


def test_attention_that_a_class_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'sdpa' of clap: expected eager. Fix:"):
        build_model("clap", "tiny", attn_implementation="sdpa")


def test_meta_model_is_all_on_meta() -> None:
    for key in model_keys():
        module = build_model(key, "tiny", device="meta", dtype=torch.bfloat16)
        assert {t.device.type for t in module.parameters()} == {"meta"}


def test_detr_trains_all_but_the_first_stage_of_its_backbone() -> None:
    names = [n for n, p in build_model("detr", "tiny").named_parameters() if not p.requires_grad]
    assert names
    assert all(".embedder." in name or ".stages.0." in name for name in names)


def test_detr_without_scipy_has_a_surrogate_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert training_loss_kind("detr") == "surrogate"
    config = model_config("detr", "tiny")
    assert make_labels("detr", config, make_inputs("detr", config, batch_size=1)) is None


def test_zero_and_vanishing_weights_are_drawn_anew() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Linear(64, 64), torch.nn.Linear(64, 64))
    with torch.no_grad():
        module[0].weight.zero_()
        module[1].weight.normal_(std=0.01)
        module[2].weight.normal_(std=0.125)
    kept = module[2].weight.clone()
    assert strengthen_weights(module) == ("0.weight", "1.weight")
    assert module[0].weight.any()
    assert module[1].weight.std().item() == pytest.approx(0.125, rel=0.1)
    assert torch.equal(module[2].weight, kept)


def test_generation_with_a_cache() -> None:
    model: Any = build_model("llama", "tiny", use_cache=True)
    inputs = make_inputs("llama", model_config("llama", "tiny"), batch_size=1, sequence_length=8)
    assert model.generate(**inputs, max_new_tokens=3, min_new_tokens=3, do_sample=False).shape == (1, 11)


def test_primary_output_rule() -> None:
    states = {"last_hidden_state": torch.ones(1), "loss": torch.ones(1), "hidden_states": (torch.ones(1),)}
    assert list(primary_output(states)) == ["last_hidden_state"]
    assert list(primary_output({**states, "logits": torch.ones(1), "encoder_last_hidden_state": torch.ones(1)})) == [
        "logits"
    ]
    with pytest.raises(ValueError, match=r"with loss: .* Fix:"):
        primary_output({"loss": torch.ones(1)})


def test_constant_inputs_stay_on_the_cpu() -> None:
    inputs = make_inputs("llava_next", model_config("llava_next", "tiny"), batch_size=1)
    placed = place_inputs(inputs, device="meta", dtype=torch.float16)
    assert placed["image_sizes"].device.type == "cpu"
    assert placed["pixel_values"].dtype is torch.float16
    assert placed["input_ids"].device.type == "meta"
    assert "image_sizes" in inputs_module.CONSTANT_INPUTS
