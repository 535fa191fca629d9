"""A training step trains, or says that it does not."""

from __future__ import annotations

import pytest
import torch

from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.configs import model_config
from hwbench_pipeline.catalog.inputs import make_inputs
from hwbench_pipeline.training.step import LossError, TrainingStep


@pytest.fixture
def model():
    return build_model("bert", "tiny")


@pytest.fixture
def inputs():
    return make_inputs("bert", model_config("bert", "tiny"), batch_size=2)


def test_the_loss_of_a_fixed_batch_falls(model, inputs):
    step = TrainingStep.prepare("cpu", "bert", model, inputs, precision="fp32", seed=0)
    for _ in range(5):
        step.run()
    assert step.last_loss < step.first_loss


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
    step = TrainingStep.prepare("cpu", "bert", model, inputs, precision="fp32", seed=0)
    with pytest.raises(LossError, match="trained nothing"):
        step.run()
