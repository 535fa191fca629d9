"""What is put in place of code that tracing and runtimes cannot follow gives what the original gives."""

from __future__ import annotations

import pytest
import torch

from hwbench_pipeline.catalog.exporting import _solved_by_products, exported_inputs


@pytest.mark.parametrize("width", [1, 2, 3, 16, 50, 64])
def test_a_triangular_system_is_solved_by_products(width):
    generator = torch.Generator().manual_seed(width)
    system = torch.tril(torch.randn(2, 3, width, width, generator=generator, dtype=torch.float64)) / width**0.5
    values = torch.randn(2, 3, width, 5, generator=generator, dtype=torch.float64)
    expected = torch.linalg.solve_triangular(system, values, upper=False, unitriangular=True)
    torch.testing.assert_close(_solved_by_products(system, values, upper=False, unitriangular=True), expected)


def test_another_system_is_left_to_torch():
    system, values = torch.triu(torch.ones(3, 3)), torch.ones(3, 2)
    expected = torch.linalg.solve_triangular(system, values, upper=True)
    torch.testing.assert_close(_solved_by_products(system, values, upper=True), expected)


def test_numbers_that_a_model_takes_apart_are_inputs_by_their_place():
    sizes, pixels = torch.tensor([[30, 40], [50, 60]]), torch.ones(1, 3)
    given = exported_inputs(["input.image_sizes_1_0", "pixels"], {"image_sizes": sizes, "pixels": pixels})
    assert int(given[0]) == 50
    assert given[1] is pixels
    with pytest.raises(ValueError, match="image_sizes_1"):
        exported_inputs(["image_sizes_1"], {"image_sizes": sizes})
