"""What is put in place of code that tracing and runtimes cannot follow gives what the original gives."""

from __future__ import annotations

import pytest
import torch
from transformers.masking_utils import _vmap_expansion_sdpa

from hwbench_pipeline.catalog import traceable
from hwbench_pipeline.catalog.traceable import solved_by_products


@pytest.mark.parametrize("width", [1, 2, 3, 16, 50, 64])
def test_a_triangular_system_is_solved_by_products(width):
    generator = torch.Generator().manual_seed(width)
    system = torch.tril(torch.randn(2, 3, width, width, generator=generator, dtype=torch.float64)) / width**0.5
    values = torch.randn(2, 3, width, 5, generator=generator, dtype=torch.float64)
    expected = torch.linalg.solve_triangular(system, values, upper=False, unitriangular=True)
    torch.testing.assert_close(solved_by_products(system, values, upper=False, unitriangular=True), expected)


@pytest.mark.parametrize("dim", [0, -1])
def test_differences(dim):
    values = torch.tensor([[3, 5, 2, 9], [1, 1, 8, 0], [4, 4, 4, 7]])
    before = torch.zeros_like(values.narrow(dim, 0, 1))
    torch.testing.assert_close(traceable.differences(values, dim=dim), torch.diff(values, dim=dim))
    torch.testing.assert_close(
        traceable.differences(values, dim=dim, prepend=before), torch.diff(values, dim=dim, prepend=before)
    )


def test_differences_of_truth_values():
    values = torch.tensor([True, True, False, True])
    torch.testing.assert_close(traceable.differences(values), torch.diff(values))


def test_differences_of_a_higher_order_are_refused():
    with pytest.raises(NotImplementedError, match="order 2"):
        traceable.differences(torch.ones(4), n=2)


@pytest.mark.parametrize("limits", [{}, {"nan": 2.0, "posinf": 5.0, "neginf": -5.0}])
def test_numbers_in_place_of_infinities(limits):
    values = torch.tensor([1.0, float("nan"), float("inf"), -float("inf"), -3.0, 7.0, -8.0])
    torch.testing.assert_close(traceable.finite(values, **limits), torch.nan_to_num(values, **limits))


@pytest.mark.parametrize("divisor", [2, -2, 7, torch.tensor([3, -3, 5, 1, -1, 2, 2, 4])])
def test_quotients_are_rounded_down(divisor):
    dividend = torch.tensor([-9, -3, -1, 0, 1, 3, 7, 100])
    torch.testing.assert_close(traceable.floored_quotient(dividend, divisor), dividend // divisor)


def test_a_mask_is_broadcast_as_it_is_mapped():
    padding = torch.tensor([[True, True, False, True], [True, False, True, True]])

    def mask(batch, head, query, key):
        return (key <= query) & (query - key < 3) & padding[batch, key]

    indices = (torch.arange(2), torch.arange(1), torch.arange(5), torch.arange(4))
    from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex

    with TransformGetItemToIndex():
        expected = _vmap_expansion_sdpa(mask)(*indices)
    torch.testing.assert_close(traceable.broadcast_mask(mask)(*indices), expected)


class _Uses(torch.nn.Module):
    """A model of one call, for tracing it as it stands and with what takes its place."""

    def __init__(self, call):
        super().__init__()
        self.call = call

    def forward(self, values):
        with traceable.traceable_code(self):
            return self.call(values)


def _operations(call, example):
    return {node.kind() for node in torch.jit.trace(_Uses(call), example, check_trace=False).inlined_graph.nodes()}


@pytest.mark.parametrize(
    ("call", "original"),
    [
        (lambda values: torch.diff(values), "aten::diff"),
        (lambda values: values.diff(), "aten::diff"),
        (lambda values: values.nan_to_num(), "aten::nan_to_num"),
        (lambda values: values.long() // 2, "aten::floor_divide"),
    ],
)
def test_a_trace_holds_none_of_the_original(call, original):
    example = torch.tensor([0.0, 1.0, 3.0, 2.0, 1.0])
    assert original not in _operations(call, example)
    torch.testing.assert_close(torch.jit.trace(_Uses(call), example)(example), call(example))


def test_truth_values_are_numbers_in_a_trace():
    example = torch.zeros(3, dtype=torch.int64)
    traced = torch.jit.trace(_Uses(lambda values: torch.full_like(values, True)), example)  # noqa: FBT003
    assert traced(example).tolist() == [1, 1, 1]


def test_outside_of_a_trace_nothing_is_replaced():
    diff = torch.diff
    with traceable.traceable_code(torch.nn.Identity()):
        assert torch.diff is diff


def _solved(values, *, upper):
    system = torch.eye(3) + values.float()
    return torch.linalg.solve_triangular(system, system, upper=upper, unitriangular=True)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda values: values.diff() // 2, {"diff", "floordiv"}),
        (lambda values: values.sum() // 2, set()),  # as extents of shapes are, which are divided as ever
        (lambda values: torch.full_like(values, True), {"full_like"}),  # noqa: FBT003
        (lambda values: torch.full_like(values, fill_value=True), {"full_like"}),
        (lambda values: torch.full_like(values, 2), set()),
        (lambda values: torch.zeros(3).scatter(0, values // values, 1.0), {"floordiv"}),
        (lambda values: _solved(values, upper=False), {"solve_triangular"}),
        (lambda values: _solved(values, upper=True), set()),
    ],
)
def test_what_was_replaced_and_called_is_named(call, named):
    model = torch.nn.Identity()
    called = set()

    def forward(values):
        with traceable.traceable_code(model, called):
            return call(values)

    torch.jit.trace(forward, torch.tensor([1, 4, 9]))
    assert called == named


def test_torch_is_as_it_was_after_a_trace():
    before = (torch.diff, torch.Tensor.diff, torch.Tensor.__floordiv__, torch.full_like, torch.Tensor.scatter)
    torch.jit.trace(_Uses(lambda values: values + 1), torch.ones(2))
    assert before == (torch.diff, torch.Tensor.diff, torch.Tensor.__floordiv__, torch.full_like, torch.Tensor.scatter)
