"""What takes the place of code that `torch.jit.trace` cannot follow, or that runtimes have no operation for.

Belongs here: functions that give what the original gives, in operations that can be traced, and where they are put while a
model is traced. Does not belong here: the ways to a graph (`exporting`), and anything by which a trace would fix what hangs on the
values of an input: how many tokens each expert gets, for example, which would be right for one input only.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch

_NUMBERS = ("fill_value", "value", "src")
"""Names of arguments that are numbers; others take True and False as such."""
_POSITIONS_OF_PATCHES = "transformers.vision_utils"


def unpad_by_whole_numbers(tensor: torch.Tensor, original_size: Any) -> torch.Tensor:
    """What transformers' `unpad_image` does, on sizes that are Python numbers.

    While tracing, `tensor.shape` holds tensors, and the original rounds a quotient of them, which tensors cannot.
    """
    if isinstance(original_size, torch.Tensor):
        original_size = original_size.tolist()
    original_height, original_width = (int(extent) for extent in original_size)
    height, width = (int(extent) for extent in tensor.shape[1:])
    if original_width / original_height > width / height:
        padding = (height - int(round(original_height * (width / original_width), 7))) // 2
        return tensor[:, padding : height - padding, :]
    padding = (width - int(round(original_width * (height / original_height), 7))) // 2
    return tensor[:, :, padding : width - padding]


def solved_by_products(system: torch.Tensor, values: torch.Tensor, **_how: bool) -> torch.Tensor:
    """What `torch.linalg.solve_triangular` gives for a lower matrix with ones on its diagonal, in matrix products.

    1 + N with N strictly lower has the inverse (1 - N)(1 + N²)(1 + N⁴)…, which ends where the power reaches the matrix's
    width: N to that power is zero. Runtimes have no operation for the original.
    """
    width = int(system.shape[-1])
    power = torch.tril(system, diagonal=-1)
    values = values - power @ values
    covered = 2
    while covered < width:
        power = power @ power
        values = values + power @ values
        covered *= 2
    return values


def _is_unit_lower(*_: Any, upper: bool, left: bool = True, unitriangular: bool = False) -> bool:
    return left and unitriangular and not upper


def differences(values: torch.Tensor, n: int = 1, dim: int = -1, **beside: Any) -> torch.Tensor:
    """What `torch.diff` gives, by two slices; runtimes have no operation for it."""
    if n != 1:
        raise NotImplementedError(f"differences of order {n} in a traced graph")
    around = [beside.get("prepend"), values, beside.get("append")]
    whole = torch.cat([part for part in around if part is not None], dim=dim)
    leading = (slice(None),) * (dim % whole.dim())
    later, earlier = whole[(*leading, slice(1, None))], whole[(*leading, slice(None, -1))]
    return later ^ earlier if whole.dtype == torch.bool else later - earlier


def finite(
    values: torch.Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> torch.Tensor:
    """What `torch.nan_to_num` gives, in comparisons."""
    if not values.is_floating_point():
        return values
    limits = torch.finfo(values.dtype)
    highest, lowest = limits.max if posinf is None else posinf, limits.min if neginf is None else neginf
    values = values.masked_fill(values != values, nan)
    return values.masked_fill(values == float("inf"), highest).masked_fill(values == -float("inf"), lowest)


def floored_quotient(dividend: torch.Tensor, divisor: Any) -> torch.Tensor:
    """What `//` gives for whole numbers.

    OpenVINO 2026.4.1 rounds them towards zero (-3 // 2 gives -1), and `(mask.sum(-1) - 1) // 2 + 1` of a hundred ones to 51.
    """
    towards_zero = torch.div(dividend, divisor, rounding_mode="trunc")
    rest = dividend - towards_zero * divisor
    quotient: torch.Tensor = towards_zero - (rest * divisor < 0).to(towards_zero.dtype)
    return quotient


def _holds_whole_numbers(dividend: Any, *_: Any, **_named: Any) -> bool:
    """Whether a quotient is computed anew: single numbers are extents of shapes, which runtimes divide right."""
    return isinstance(dividend, torch.Tensor) and not dividend.is_floating_point() and dividend.dim() > 0


def untraced(function: Any) -> Any:
    """The same function, whose results are constants of the trace."""

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        tracer: Any = torch._C
        state = tracer._get_tracing_state()
        tracer._set_tracing_state(None)
        try:
            return function(*arguments, **named)
        finally:
            tracer._set_tracing_state(state)

    return called


def with_number(function: Any) -> Any:
    """The same function with a number where it was given True or False, for which the tracer finds no operation."""

    @functools.wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        return function(
            *(int(value) if isinstance(value, bool) else value for value in arguments),
            **{
                name: int(value) if name in _NUMBERS and isinstance(value, bool) else value
                for name, value in named.items()
            },
        )

    return called


def _has_truth_value(*arguments: Any, **named: Any) -> bool:
    values = [*arguments, *(named[name] for name in _NUMBERS if name in named)]
    return any(isinstance(value, bool) for value in values)


def _always(*_: Any, **_named: Any) -> bool:
    return True


def broadcast_mask(mask_function: Any) -> Any:
    """What transformers' `_vmap_expansion_sdpa` gives for a mask of indices, by broadcasting: vmap cannot be traced."""

    def mask(*indices: torch.Tensor) -> torch.Tensor:
        shape = [int(index.shape[0]) for index in indices]
        spread = [
            index.reshape([-1 if axis == place else 1 for axis in range(len(indices))])
            for place, index in enumerate(indices)
        ]
        found: torch.Tensor = mask_function(*spread)
        return found.expand(shape)

    return mask


@dataclass(frozen=True)
class _Replacement:
    """What tracing cannot follow or runtimes do not have, where it stands, and what takes its place for which arguments."""

    owner: Any
    name: str
    function: Any
    applies: Callable[..., bool] = _always

    def in_place_of(self, original: Any, called: set[str] | None) -> Any:
        """The original, except where the replacement applies; `called` gets its name then."""
        if not callable(original) or isinstance(original, type):
            return self.function

        @functools.wraps(original)
        def chosen(*arguments: Any, **named: Any) -> Any:
            if not self.applies(*arguments, **named):
                return original(*arguments, **named)
            if called is not None:
                called.add(self.name.strip("_"))
            return self.function(*arguments, **named)

        return chosen


def _replacements(model: torch.nn.Module) -> Iterator[_Replacement]:
    for module in {sys.modules[type(part).__module__] for part in model.modules()}:
        if hasattr(module, "unpad_image"):
            yield _Replacement(module, "unpad_image", unpad_by_whole_numbers)
        for name, function in list(vars(module).items()):
            # positions of patches follow from the sizes of images, which are constants of a graph
            if getattr(function, "__module__", None) == _POSITIONS_OF_PATCHES and name.startswith("get_vision_"):
                yield _Replacement(module, name, untraced(function))
    masks = importlib.import_module("transformers.masking_utils")
    if hasattr(masks, "_vmap_expansion_sdpa"):
        yield _Replacement(masks, "_vmap_expansion_sdpa", broadcast_mask)
        yield _Replacement(masks, "TransformGetItemToIndex", contextlib.nullcontext)  # which is for vmap
    yield _Replacement(torch.linalg, "solve_triangular", solved_by_products, _is_unit_lower)
    for owner in (torch, torch.Tensor):
        yield _Replacement(owner, "diff", differences)
        yield _Replacement(owner, "nan_to_num", finite)
        yield _Replacement(owner, "scatter", with_number(owner.scatter), _has_truth_value)
    yield _Replacement(torch, "floor_divide", floored_quotient, _holds_whole_numbers)
    yield _Replacement(torch.Tensor, "__floordiv__", floored_quotient, _holds_whole_numbers)
    yield _Replacement(torch, "full_like", with_number(torch.full_like), _has_truth_value)


@contextlib.contextmanager
def traceable_code(model: torch.nn.Module, called: set[str] | None = None) -> Iterator[None]:
    """While tracing, the same in operations that can be traced and that runtimes have, in place of what is not.

    `called` gets the names of what took an original's place and was called.
    """
    with contextlib.ExitStack() as replaced:
        if torch._C._get_tracing_state() is not None:
            for replacement in _replacements(model):
                original = getattr(replacement.owner, replacement.name)
                chosen = replacement.in_place_of(original, called)
                replaced.enter_context(mock.patch.object(replacement.owner, replacement.name, chosen))
        yield
