"""A training step trains what it says, or says that it does not."""

from __future__ import annotations

import copy

import pytest
import torch

from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.configs import model_config
from hwbench_pipeline.catalog.inputs import make_inputs
from hwbench_pipeline.catalog.labels import make_labels
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.training.learning import LEARNING_STEPS
from hwbench_pipeline.training.optimizers import OPTIMIZERS
from hwbench_pipeline.training.phases import PHASES
from hwbench_pipeline.training.recipe import OPTIMIZER_KEYS, Recipe
from hwbench_pipeline.training.step import LossError, NotLearningError, TrainingStep

RECIPES = [*(Recipe(key) for key in OPTIMIZER_KEYS), Recipe(accumulation_steps=2), Recipe(checkpointing=True)]


def inputs_of(key, batch_size=4):
    return make_inputs(key, model_config(key, "tiny"), batch_size=batch_size)


@pytest.fixture
def model():
    return build_model("bert", "tiny")


@pytest.fixture
def inputs():
    return inputs_of("bert")


def prepare(model, inputs, recipe=None, *, key="bert", precision="fp32", **more):
    parts = (recipe or Recipe()).accumulation_steps
    part = inputs_of(key, 4 // parts) if parts > 1 else None
    return TrainingStep.prepare(
        "cpu", key, model, inputs, precision=precision, seed=0, recipe=recipe, part=part, **more
    )


def without_dropout(model):
    """Training mode in which nothing is drawn."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for name in ("attention_probs_dropout_prob", "hidden_dropout_prob"):
        setattr(model.config, name, 0.0)
    return model


def gradients(step):
    step.compute_gradients()
    return {
        name: parameter.grad.clone() for name, parameter in step.model.named_parameters() if parameter.grad is not None
    }


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_loss_of_a_fixed_batch_falls(model, inputs, precision):
    step = prepare(model, inputs, precision=precision)
    before = step.loss_with_same_draws()
    for _ in range(5):
        step()
    assert step.loss_with_same_draws() < before
    assert len(step.losses) == 5
    step.require_learning(before)


@pytest.mark.parametrize("key", ["bert", "t5", "wav2vec2", "detr"])
def test_the_same_draws_give_the_same_loss_and_leave_chance_as_it_was(key):
    step = prepare(build_model(key, "tiny"), inputs_of(key), key=key)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    assert step.loss_with_same_draws() == pytest.approx(step.loss_with_same_draws(), rel=1e-6)
    assert torch.equal(torch.rand(3), expected)


def test_a_step_whose_loss_moves_nothing_is_refused(model, inputs):
    """A head of zeros passes no gradient on, and the head itself is held: the loss is finite and trains nothing."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("word_embeddings" in name)
    with torch.no_grad():
        model.cls.predictions.transform.dense.weight.zero_()
        model.cls.predictions.decoder.weight = torch.nn.Parameter(
            torch.zeros_like(model.cls.predictions.decoder.weight)
        )
    model.cls.predictions.decoder.weight.requires_grad_(requires_grad=False)
    step = prepare(model, inputs)
    with pytest.raises(LossError, match="trained nothing"):
        step()


def test_steps_that_change_no_weight_are_no_training(model, inputs):
    """Dropout makes the losses jump, so that any of them may lie below the first; the same draws do not."""
    step = prepare(model, inputs)
    step.optimizer.step = lambda: None
    before = step.loss_with_same_draws()
    step()
    with pytest.raises(NotLearningError, match=f"did not fall in {LEARNING_STEPS} steps"):
        step.require_learning(before)
    assert len({float(loss) for loss in step.losses}) > 1


def test_a_rate_that_makes_the_loss_grow_is_no_training(model, inputs):
    step = prepare(model, inputs, Recipe("sgd", 1e4))
    before = step.loss_with_same_draws()
    step()
    with pytest.raises(LossError):
        step.require_learning(before)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_the_parts_add_up_to_the_step(model, inputs, recipe):
    import time

    step = prepare(model, inputs, recipe)
    walls = []
    for _ in range(12):
        start = time.perf_counter_ns()
        step()
        walls.append((time.perf_counter_ns() - start) / 1e6)
    parts = step.phases.times_ms()
    assert len(parts) == len(walls)
    assert all(times[phase] > 0 for times in parts for phase in PHASES)
    shares = sorted(sum(times.values()) / wall for times, wall in zip(parts[2:], walls[2:], strict=True))
    assert 0.95 <= shares[len(shares) // 2] <= 1.0  # of each step by itself: its median is no matter of noise


@pytest.mark.parametrize("key", OPTIMIZER_KEYS)
def test_a_step_changes_weights_as_torchs_own_optimizer_does(model, inputs, key):
    without_dropout(model)
    twin = copy.deepcopy(model).train()
    step = prepare(model, inputs, Recipe(key))
    labels = make_labels("bert", model_config("bert", "tiny"), inputs)
    expected = {
        "adamw": torch.optim.AdamW(twin.parameters(), lr=1e-4),
        "adam": torch.optim.Adam(twin.parameters(), lr=1e-4),
        "sgd": torch.optim.SGD(twin.parameters(), lr=1e-3),
        "adafactor": torch.optim.Adafactor(twin.parameters(), lr=1e-2),
    }[key]
    for _ in range(2):
        step()
        expected.zero_grad()
        twin(**inputs, **labels).loss.backward()
        expected.step()
    assert type(step.optimizer) is type(expected) is OPTIMIZERS[key]
    assert step.options["optimizer"] == type(expected).__name__
    assert step.options["learning_rate"] == expected.param_groups[0]["lr"]
    changed = 0
    before = build_model("bert", "tiny").state_dict()
    for (name, ours), theirs in zip(step.model.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-7), name
        changed += not torch.equal(ours, before[name])
    assert changed > 10


@pytest.mark.parametrize("key", ["bert", "vit", "t5", "llama", "whisper", "wav2vec2", "llava_next"])
def test_accumulation_gives_the_gradients_of_the_whole_batch(key):
    models = [build_model(key, "tiny") for _ in range(2)]
    whole = prepare(models[0], inputs_of(key), key=key)
    cut = prepare(models[1], inputs_of(key), Recipe(accumulation_steps=2), key=key)
    for step in (whole, cut):
        step.model.eval()  # nothing is drawn by chance
    expected, found = gradients(whole), gradients(cut)
    assert set(found) == set(expected)
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient, rtol=1e-3, atol=1e-4 * largest), name
    assert cut.loss_without_dropout() == pytest.approx(whole.loss_without_dropout(), rel=1e-5)


@pytest.mark.parametrize("key", ["bert", "t5", "llama", "whisper", "clip"])
def test_checkpointing_changes_neither_loss_nor_gradients(key):
    kept = prepare(build_model(key, "tiny"), inputs_of(key), key=key)
    again = prepare(build_model(key, "tiny"), inputs_of(key), Recipe(checkpointing=True), key=key)
    assert again.options["gradient_checkpointing"] is True
    found = []
    for step in (kept, again):
        torch.manual_seed(3)
        found.append((float(step.compute_gradients()), step))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    for (name, one), other in zip(kept.model.named_parameters(), again.model.parameters(), strict=True):
        if one.grad is not None:
            assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-6), name


def test_a_class_without_checkpointing_is_unsupported():
    key = "resnet"
    config = model_config(key, "tiny")
    with pytest.raises(UnsupportedError, match=r"gradient.checkpointing.*Fix:"):
        TrainingStep.prepare(
            "cpu",
            key,
            build_model(key, "tiny"),
            make_inputs(key, config, batch_size=2),
            precision="fp32",
            seed=0,
            recipe=Recipe(checkpointing=True),
        )


@pytest.mark.parametrize("key", ["bert", "t5", "clip", "llava"])
def test_lora_trains_adapters_and_nothing_else(key):
    model = build_model(key, "tiny")
    plain = prepare(model, inputs_of(key), key=key).loss_without_dropout()
    step = prepare(model, inputs_of(key), Recipe(lora_rank=4), key=key)
    assert step.loss_without_dropout() == pytest.approx(plain, rel=1e-6)  # adapters begin as nothing
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for _ in range(3):
        step()
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed
    assert all("lora_" in name for name in changed)
    n_adapters = sum(value.numel() for name, value in before.items() if "lora_" in name)
    assert step.options["trained_parameters"] == n_adapters
    assert step.options["lora_rank"] == 4
    assert "peft" in step.libraries


def test_lora_without_a_linear_layer_is_unsupported():
    with pytest.raises(UnsupportedError, match="no linear layer"):
        prepare(
            _Convolution(), {"pixel_values": torch.rand(2, 3, 4, 4)}, Recipe(lora_rank=4), key="resnet", own_loss=False
        )


class _Convolution(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.config = model_config("resnet", "tiny")
        self.layer = torch.nn.Conv2d(3, 2, 1)

    def forward(self, pixel_values):
        return {"last_hidden_state": self.layer(pixel_values)}


def test_int8_trains_nowhere(model, inputs):
    with pytest.raises(UnsupportedError, match="not int8"):
        prepare(model, inputs, precision="int8")
