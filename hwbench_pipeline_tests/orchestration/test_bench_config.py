"""What the launchpad takes for a cell."""

import pytest

from hwbench_pipeline.bench.grid import default_points
from hwbench_pipeline.orchestration.assets.bench import BenchConfig


def test_left_alone_a_cell_measures_the_nightlys_points():
    assert BenchConfig().points_for("cpu", "bert", "inference") == default_points("cpu", "bert", "inference")


def test_each_cell_takes_the_variants_of_its_backend():
    config = BenchConfig(model_sizes=["tiny"], scenarios=["forward", "generate"], variants=["compile", "throughput"])
    for hardware, variant in (("cpu", "compile"), ("openvino", "throughput")):
        points = config.points_for(hardware, "llama", "inference")
        assert {point.variant for point in points} == {variant}
        assert [(point.scenario, point.new_tokens) for point in points] == [("forward", None), ("generate", 32)]


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
    ],
)
def test_a_wrong_configuration_says_what_it_takes(given, said):
    with pytest.raises(ValueError, match=said):
        BenchConfig(**given)
