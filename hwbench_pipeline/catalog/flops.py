"""Floating-point operations of one call, counted from the operations torch dispatches.

Belongs here: counting without running, where that works. Does not belong here: rooflines and measured rates.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import (
    FlopCounterMode,
    conv_flop_count,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)

from hwbench_pipeline.catalog.building import build_model
from hwbench_pipeline.catalog.configs import model_config
from hwbench_pipeline.catalog.entries import catalog_model
from hwbench_pipeline.catalog.inputs import CONSTANT_INPUTS, make_inputs, place_inputs
from hwbench_pipeline.catalog.signal import primary_output


@dataclass(frozen=True)
class FlopCount:
    """Operations of one call, a multiply-add counted as two; `flops` is None where no way of counting worked.

    `method` says how they were counted, or why every way failed.
    """

    flops: int | None
    method: str


class DependsOnValuesError(ValueError):
    """How much a model computes hangs on what its tensors hold: a loop that ends with a token, for example."""


_MOST_CONDITIONS = 10_000
"""A model asks for its layers, experts and items; more questions are a loop that waits for another answer."""
_ERRORS_OF_CHECKS = (ValueError, AssertionError, RuntimeError)
"""What a model raises for inputs that do not fit, by exact class: their subclasses in torch tell of missing data."""


class _Conditions(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Answers where model code asks a tensor without data whether a condition holds; `n_asked` says how often it did.

    With the inputs of this catalog most hold: masks are all ones, and placeholders are as many as image features.
    """

    def __init__(self, *, hold: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._hold = hold
        self.n_asked = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].dtype is torch.bool:
            self.n_asked += 1
            if self.n_asked > _MOST_CONDITIONS:
                raise DependsOnValuesError(f"a loop goes on while a condition is {self._hold}")
            return self._hold
        return func(*args, **(kwargs or {}))


def _convolution_backward_flops(
    gradient: Any,
    inputs: Any,
    weight: Any,
    *arguments: Any,
    out_shape: Any = None,  # noqa: ARG001 - torch passes it
) -> int:
    """As many operations as the forward convolution, for each gradient asked for: of the input, of the weight.

    torch 2.13's own formula forgets the groups, and counts wav2vec2's position convolution 16 times.
    `arguments` are bias, stride, padding, dilation, transposed, output padding, groups and the output mask.
    """
    transposed, asked = arguments[4], arguments[7]
    return int(conv_flop_count(inputs, weight, gradient, transposed=transposed)) * (bool(asked[0]) + bool(asked[1]))


def _grouped_product_flops(
    left: Any,
    right: Any,
    *_offsets: Any,
    out_shape: Any = None,  # noqa: ARG001 - torch passes it
    **_settings: Any,
) -> int:
    """Products of a mixture of experts: every row of `left` (rows × inputs) meets one expert of `right` (… × outputs).

    torch 2.13 has no formula for it and counts nothing. The first argument's last two extents, of the backward pass too,
    and the second's last one are what is multiplied.
    """
    rows, inputs = left[-2], left[-1]
    experts = left[0] if len(left) == 3 else 1
    return int(2 * experts * rows * inputs * right[-1])


def _fused_attention_flops(
    query: Any,
    key: Any,
    value: Any,
    *_arguments: Any,
    out_shape: Any = None,  # noqa: ARG001 - torch passes it
    **_settings: Any,
) -> int:
    """The two products of attention; torch 2.13 has the formula, and not for the CPU's kernel of it."""
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


def _fused_attention_backward_flops(
    gradient: Any,
    query: Any,
    key: Any,
    value: Any,
    *_arguments: Any,
    out_shape: Any = None,  # noqa: ARG001 - torch passes it
    **_settings: Any,
) -> int:
    """As torch counts its other kernels of it: the scores anew, and two products for each of the forward ones."""
    return int(sdpa_backward_flop_count(gradient, query, key, value))  # type: ignore[no-untyped-call]


def _fused_recurrence_flops(
    inputs: Any,
    input_weights: Any,
    hidden_weights: Any,
    *_arguments: Any,
    out_shape: Any = None,  # noqa: ARG001 - torch passes it
    **_settings: Any,
) -> int:
    """Each step of each item meets both matrices once; torch 2.13 has no formula for oneDNN's layer."""
    return int(2 * math.prod(inputs[:-1]) * (math.prod(input_weights) + math.prod(hidden_weights)))


def _fused_recurrence_backward_flops(*arguments: Any, out_shape: Any = None, **settings: Any) -> int:
    """For each product of the forward layer one for the gradient of its input and one for that of its weights."""
    return 2 * _fused_recurrence_flops(*arguments, out_shape=out_shape, **settings)


_FORMULAS = {
    torch.ops.aten.convolution_backward: _convolution_backward_flops,
    torch.ops.aten._grouped_mm: _grouped_product_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _fused_attention_flops,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _fused_attention_backward_flops,
    torch.ops.aten.mkldnn_rnn_layer: _fused_recurrence_flops,
    torch.ops.aten.mkldnn_rnn_layer_backward: _fused_recurrence_backward_flops,
}


def _call(module: torch.nn.Module, inputs: dict[str, torch.Tensor], *, training: bool) -> int:
    # eval mode even for training: layers that training drops at random would make the count a matter of luck
    module.requires_grad_(training)  # without a gradient asked for no operation of a backward pass is looked for either
    with FlopCounterMode(display=False, custom_mapping=_FORMULAS) as counter, torch.set_grad_enabled(training):
        outputs = primary_output(module(**inputs))
        if training:
            torch.stack([output.float().sum() for output in outputs.values()]).sum().backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


def _on_meta(
    key: str, size: str, inputs: dict[str, torch.Tensor], *, training: bool, dtype: torch.dtype = torch.float32
) -> int:
    module = build_model(key, size, device="meta", attn_implementation="eager", dtype=dtype)
    placed = place_inputs(inputs, device="meta", dtype=dtype)
    return _whatever_holds(lambda: _call(module, placed, training=training))


def _whatever_holds(count: Callable[[], int]) -> int:
    """The count with every condition answered yes, where answering no gives the same or cannot be.

    Raises `DependsOnValuesError`.
    """
    with _Conditions(hold=True) as conditions:
        counted = count()
    if conditions.n_asked:
        try:
            with _Conditions(hold=False):
                otherwise = count()
        except Exception as error:
            if type(error) in _ERRORS_OF_CHECKS:  # the model's own check of its inputs: the condition has to hold
                return counted
            raise DependsOnValuesError(
                f"{counted} operations where its conditions hold, and where not: {type(error).__name__}: {error}"
            ) from error
        if otherwise != counted:
            raise DependsOnValuesError(
                f"{counted} operations or {otherwise}, as the values of its tensors will have it"
            )
    return counted


def _on_meta_in_bf16(key: str, size: str, inputs: dict[str, torch.Tensor], *, training: bool) -> int:
    """Without data, torch's grouped products of experts know bf16 only; as many operations as in any other precision."""
    return _on_meta(key, size, inputs, training=training, dtype=torch.bfloat16)


def _without_data(module: torch.nn.Module) -> None:
    """Replaces, inside a FakeTensorMode, a meta module's parameters and buffers by fake ones; tied ones stay tied."""
    fakes: dict[int, torch.Tensor] = {}
    for inner in module.modules():
        for name, parameter in inner.named_parameters(recurse=False, remove_duplicate=False):
            fake = torch.nn.Parameter(torch.empty(parameter.shape), requires_grad=parameter.requires_grad)
            setattr(inner, name, fakes.setdefault(id(parameter), fake))
        for name, buffer in inner.named_buffers(recurse=False, remove_duplicate=False):
            setattr(inner, name, torch.empty(buffer.shape, dtype=buffer.dtype))


def _on_fake_tensors(key: str, size: str, inputs: dict[str, torch.Tensor], *, training: bool) -> int:
    module = build_model(key, size, device="meta", attn_implementation="eager")
    with FakeTensorMode(allow_non_fake_inputs=True) as fake_mode:
        _without_data(module)
        faked = {n: v if n in CONSTANT_INPUTS else fake_mode.from_tensor(v) for n, v in inputs.items()}
        return _whatever_holds(lambda: _call(module, faked, training=training))


def _on_cpu(key: str, size: str, inputs: dict[str, torch.Tensor], *, training: bool) -> int:
    if size != "tiny":
        raise ValueError("only tiny models are run for counting")
    return _call(build_model(key, size, attn_implementation="eager"), inputs, training=training)


_WAYS: tuple[tuple[str, Callable[..., int]], ...] = (
    ("meta device", _on_meta),
    ("meta device in bf16", _on_meta_in_bf16),
    ("FakeTensor", _on_fake_tensors),
    ("forward on the CPU", _on_cpu),
)


@functools.lru_cache(maxsize=1024)
def count_flops(
    key: str, size: str, *, batch_size: int, sequence_length: int | None = None, training: bool = False
) -> FlopCount:
    """Operations of one forward call, or of forward and backward of a scalar loss where `training`.

    Counted are matrix products, convolutions and attention (as their matrix products), which is nearly all; adding,
    norms and activations are not, as is usual. The loss is the sum of the primary outputs, whose own operations do
    not count. Tried in order: the meta device, FakeTensor, and for tiny models one real forward on the CPU.

    Raises UnknownModelError, and ValueError for a size, batch size or sequence length the model cannot take.
    """
    key = catalog_model(key).key
    inputs = make_inputs(key, model_config(key, size), batch_size=batch_size, sequence_length=sequence_length)
    failures: list[str] = []
    has_to_run = False
    for name, way in _WAYS:
        if has_to_run and way is not _on_cpu:
            continue
        try:
            flops = way(key, size, inputs, training=training)
        except DependsOnValuesError as error:
            has_to_run = True
            failures.append(f"{name}: {error}")
            continue
        except Exception as error:  # noqa: BLE001 - any model code may fail on tensors without data
            failures.append(f"{name}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
            continue
        if flops > 0:
            return FlopCount(flops, f"torch FlopCounterMode, {name}, eager attention")
        failures.append(f"{name}: no operation counted")
    return FlopCount(None, "not counted: " + "; ".join(failures))
