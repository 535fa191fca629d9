"""Plans travel as JSON and sweeps cover every combination, smallest first."""

import json

import pytest

from hwbench_pipeline.bench.grid import REFERENCE_SIZE_MODELS, default_points
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling, sweep
from hwbench_pipeline.catalog.names import model_keys
from hwbench_pipeline.training.recipe import Recipe


def test_a_plan_survives_json():
    plan = CellPlan(
        "cpu",
        "bert",
        "training",
        (Point("tiny", "bf16", 4, 64, recipe=Recipe("sgd", 0.1)), Point()),
        Sampling(min_samples=3),
        seed=7,
    )
    assert CellPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_sweep_has_every_combination_once_smallest_batch_first():
    points = sweep(
        model_sizes=["tiny", "tiny"], precisions=["fp32", "bf16"], batch_sizes=[8, 1, 8], sequence_lengths=[128, 32]
    )
    assert len(points) == len(set(points)) == 8
    assert [point.batch_size for point in points if point.precision == "fp32"] == [1, 1, 8, 8]


def test_every_model_is_measured_tiny_and_four_at_reference_size():
    for mode in ("inference", "training"):
        for model in model_keys():
            sizes = {point.model_size for point in default_points("cpu", model, mode)}
            assert "tiny" in sizes
            assert ("reference" in sizes) == (model in REFERENCE_SIZE_MODELS)


@pytest.mark.parametrize("hardware", ["wasm", "webgpu", "webnn"])
def test_a_browser_takes_one_point_by_default(hardware):
    assert default_points(hardware, "bert", "inference") == (Point("tiny", batch_size=1),)


def test_training_defaults_can_contrast():
    assert all(
        point.batch_size > 1
        for model in ("clip", "clap", "xclip")
        for point in default_points("cpu", model, "training")
    )
