"""The parts of a step's memory are the bytes of its tensors."""

import pytest
import torch

from hwbench_pipeline.training.batches import whole_batch
from hwbench_pipeline.training.memory_split import split_memory
from hwbench_pipeline.training.recipe import Recipe
from hwbench_pipeline.training.step import TrainingStep

WIDTH, ITEMS, LAYERS = 64, 32, 3
WEIGHTS = LAYERS * WIDTH * WIDTH
MB = 4 / 1e6  # of one fp32 value


class Layers(torch.nn.Module):
    """Matrices and squashing between them: what is kept for the backward pass is known."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(LAYERS))

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x))
        return {"last_hidden_state": x}


def step_of(recipe):
    return TrainingStep(
        Layers(),
        whole_batch({"x": torch.rand(ITEMS, WIDTH)}),
        recipe.resolved(),
        torch.device("cpu"),
        precision="fp32",
        has_own_loss=False,
        options={},
        libraries={},
    )


@pytest.mark.parametrize(("optimizer", "moments"), [("adamw", 2), ("adam", 2), ("sgd", 0)])
def test_parameters_gradients_and_moments_are_exact(optimizer, moments):
    step = step_of(Recipe(optimizer))
    step()
    split = split_memory(step)
    assert split["parameter_memory_mb"] == pytest.approx(WEIGHTS * MB)
    assert split["gradient_memory_mb"] == pytest.approx(WEIGHTS * MB)
    n_steps = LAYERS if moments else 0  # each parameter's number of steps is a value of its own
    assert split["optimizer_memory_mb"] == pytest.approx((moments * WEIGHTS + n_steps) * MB)


def test_adafactor_keeps_a_row_and_a_column():
    step = step_of(Recipe("adafactor"))
    step()
    assert split_memory(step)["optimizer_memory_mb"] == pytest.approx(LAYERS * (2 * WIDTH + 1) * MB)


def test_activations_are_what_the_forward_pass_holds():
    split = split_memory(step_of(Recipe()))
    kept = LAYERS * ITEMS * WIDTH * MB  # each tanh's output; its input is set free
    assert kept <= split["activation_memory_mb"] <= kept + 3 * ITEMS * WIDTH * MB
    assert "CPU allocator" in split["activation_memory_method"]


def test_gradients_are_set_free_and_the_weights_go_on_training():
    step = step_of(Recipe())
    before = [parameter.clone() for parameter in step.model.parameters()]
    split_memory(step)
    assert all(parameter.grad is None for parameter in step.model.parameters())
    assert not any(torch.equal(old, new) for old, new in zip(before, step.model.parameters(), strict=True))
