"""What the launchpad takes for a cell."""

import pytest

from hwbench_pipeline.bench.grid import default_points
from hwbench_pipeline.orchestration.assets.bench import BenchConfig
from hwbench_pipeline.training.recipe import Recipe


def test_left_alone_a_cell_measures_the_nightlys_points():
    assert BenchConfig().points_for("cpu", "bert", "inference") == default_points("cpu", "bert", "inference")


def test_each_cell_takes_the_variants_of_its_backend():
    config = BenchConfig(model_sizes=["tiny"], scenarios=["forward", "generate"], variants=["compile", "throughput"])
    for hardware, variant in (("cpu", "compile"), ("openvino", "throughput")):
        points = config.points_for(hardware, "llama", "inference")
        assert {point.variant for point in points} == {variant}
        assert [(point.scenario, point.new_tokens) for point in points] == [("forward", None), ("generate", 32)]


def test_a_training_cell_takes_every_recipe():
    config = BenchConfig(
        model_sizes=["tiny"],
        batch_sizes=[4],
        optimizers=["adamw", "sgd"],
        learning_rates=[0.5],
        gradient_accumulation_steps=[1, 2],
        gradient_checkpointing=True,
        lora_ranks=[8],
    )
    names = [point.recipe.name for point in config.points_for("cpu", "bert", "training")]
    assert len(set(names)) == 4
    assert names[0] == "adamw lr=0.5 checkpointing lora=8"
    assert {point.recipe for point in BenchConfig(model_sizes=["tiny"]).points_for("cpu", "bert", "training")} == {
        Recipe().resolved()
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"variants": ["compile"]}, "variants needs model_sizes"),
        ({"model_sizes": ["tiny"], "sounds_s": [5.0]}, "only from_sound hears"),
        ({"model_sizes": ["tiny"], "scenarios": ["from_sound"], "sounds_s": [0.0]}, "takes seconds"),
        ({"precisions": ["fp32"], "scenarios": ["forward"]}, "precisions, scenarios need model_sizes"),
        ({"model_sizes": ["tiny"], "scenarios": ["decode"]}, "takes forward, generate"),
        ({"model_sizes": ["tiny"], "precisions": ["fp4"]}, "takes fp32, bf16, fp16, int8, int4"),
        ({"model_sizes": ["tiny"], "batch_sizes": [0]}, "whole numbers from 1 on"),
        (
            {"optimizers": ["sgd"], "gradient_checkpointing": True},
            "optimizers, gradient_checkpointing need model_sizes",
        ),
        ({"model_sizes": ["tiny"], "optimizers": ["lion"]}, "takes adamw, adam, sgd, adafactor"),
        ({"model_sizes": ["tiny"], "learning_rates": [0.0]}, "more than 0"),
        ({"model_sizes": ["tiny"], "lora_ranks": [0]}, "whole numbers from 1 on"),
        ({"model_sizes": ["tiny"], "gradient_accumulation_steps": [2]}, r"Fix: batch_sizes: \[2\]"),
    ],
)
def test_a_wrong_configuration_says_what_it_takes(given, said):
    with pytest.raises(ValueError, match=said):
        BenchConfig(**given)
