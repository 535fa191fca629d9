"""The inputs of a graph are those of the call."""

from __future__ import annotations

import pytest
import torch

from hwbench_pipeline.catalog.exporting import exported_inputs


def test_numbers_that_a_model_takes_apart_are_inputs_by_their_place():
    sizes, pixels = torch.tensor([[30, 40], [50, 60]]), torch.ones(1, 3)
    given = exported_inputs(["input.image_sizes_1_0", "pixels"], {"image_sizes": sizes, "pixels": pixels})
    assert int(given[0]) == 50
    assert given[1] is pixels
    with pytest.raises(ValueError, match="image_sizes_1"):
        exported_inputs(["image_sizes_1"], {"image_sizes": sizes})
