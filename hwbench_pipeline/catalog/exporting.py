"""The ways from a catalog model to a graph that runtimes take: as a module of tensors in, tensors out, which is traced, or by
transformers' own exporters.

Belongs here: what is the same for every runtime. Does not belong here: converters and their runtimes, which live in
`bench/backends/`.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch

from hwbench_pipeline.catalog.inputs import CONSTANT_INPUTS
from hwbench_pipeline.catalog.signal import primary_output
from hwbench_pipeline.catalog.traceable import traceable_code

TRACED = "torch.jit.trace"
"""Every call of torch is written down while the model runs once: what depends on values is fixed as it was then."""
EXPORTED = "transformers.exporters"
"""torch.export with transformers' own mendings of what it cannot follow: slower, and takes other models."""
BATCHED = "torch.jit.trace, experts batched"
"""A trace in which each token fetches its experts' weights, as transformers' `batched_mm` does: more memory, and no count of tokens
that hangs on their values, which a trace would fix."""
ROUTES = (TRACED, EXPORTED, BATCHED)
"""The ways to a graph; of a first attempt on 121 architectures each of the first two took some that the other did not."""

_POSITIONS_IN_PYTHON = "compute_3d_position_ids"
"""What transformers' models with such positions call their walk over the tokens."""


@dataclass(frozen=True)
class Graph:
    """A model as a runtime's graph.

    `inputs` are the tensors of the example call in the order of the graph's inputs, `outputs` the primary outputs' positions
    among the graph's outputs by name. `replaced` names what a trace has in place of the model's own code (`traceable`).
    """

    program: Any
    inputs: tuple[torch.Tensor, ...]
    outputs: Mapping[str, int]
    replaced: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, list[str]]:
        """What a row says of how the graph was made."""
        return {"replaced_in_trace": list(self.replaced)} if self.replaced else {}


def may_take(route: str | None, model: torch.nn.Module) -> bool:
    """Whether a route differs from the others for this model: `BATCHED` is for those with experts."""
    return route != BATCHED or bool(getattr(model, "_can_set_experts_implementation", lambda: False)())


@contextlib.contextmanager
def on_route(route: str | None, model: Any) -> Iterator[None]:
    """While a graph is made: the model computes as the route asks for."""
    if route != BATCHED:
        yield
        return
    original = model.get_experts_implementation()
    model.set_experts_implementation("batched_mm")
    try:
        yield
    finally:
        model.set_experts_implementation(original)


def graph_inputs(model: torch.nn.Module, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a call for a graph: with `position_ids` where the model works them out in Python.

    Models with rotary positions of several axes (Qwen-VL's way) walk over the tokens of a call to place text, images and
    videos. `generate` does that once, before the first forward pass; a graph gets the positions as it does there, since a
    walk in Python is no part of a graph.
    """
    owner = next((part for part in model.modules() if hasattr(part, _POSITIONS_IN_PYTHON)), None)
    if owner is None or "position_ids" in inputs:
        return dict(inputs)
    found: list[Any] = []
    original = getattr(owner, _POSITIONS_IN_PYTHON)

    def noted(*arguments: Any, **named: Any) -> Any:
        found.append(original(*arguments, **named))
        return found[-1]

    with torch.no_grad(), mock.patch.object(owner, _POSITIONS_IN_PYTHON, noted):
        model.eval()(**inputs, **_without_cache(model))
    positions = found[0] if found else None
    return dict(inputs) if positions is None else {**inputs, "position_ids": positions}


def computed_outside(inputs: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, list[str]]:
    """The option of a row that says which of a graph's inputs `graph_inputs` added to those of the call; nothing for none."""
    added = sorted(set(inputs) - set(given))
    return {"computed_outside": added} if added else {}


def _without_cache(model: torch.nn.Module) -> dict[str, Any]:
    return {"use_cache": False} if "use_cache" in inspect.signature(model.forward).parameters else {}


class TracedForward(torch.nn.Module):
    """Calls a model with positional tensors and returns its primary outputs as a tuple.

    For `torch.jit.trace(wrapper, wrapper.example_input)` and `openvino.convert_model(wrapper, example_input=…)`.
    The positions are `input_names`: the names of `inputs` in their order, less `CONSTANT_INPUTS`, whose values steer
    Python code and are fixed in the trace. The positions of the result are `output_names`, known once `forward` has
    run or been traced. Building it puts the model in eval mode, since exporting may have put it back in train mode.
    The model should be built with `attn_implementation="eager"`, which traces where sdpa does not.
    """

    def __init__(self, model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.model = model
        self.input_names = tuple(name for name in inputs if name not in CONSTANT_INPUTS)
        self.output_names: tuple[str, ...] = ()
        self.replaced: set[str] = set()
        self.example_input = self.tensors_of(inputs)
        self._fixed: dict[str, Any] = {name: inputs[name] for name in inputs if name in CONSTANT_INPUTS}
        self._fixed |= _without_cache(model)
        self.eval()

    @staticmethod
    def tensors_of(inputs: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """The tensors of a call that a trace has for inputs, in their order."""
        return tuple(tensor for name, tensor in inputs.items() if name not in CONSTANT_INPUTS)

    @property
    def output_positions(self) -> dict[str, int]:
        """The place of each primary output by name, known once it ran or was traced."""
        return {name: index for index, name in enumerate(self.output_names)}

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The primary outputs for these inputs, in the order of `output_names`."""
        named = dict(zip(self.input_names, tensors, strict=True))
        with traceable_code(self.model, self.replaced):
            outputs = primary_output(self.model(**named, **self._fixed))
        self.output_names = tuple(outputs)
        return tuple(outputs.values())


def exporter_named(name: str) -> Any:
    """One of transformers' exporters. Raises ValueError for a release that does not have it."""
    try:
        exporters: Any = importlib.import_module("transformers.exporters")
        return getattr(exporters, name)()
    except (AttributeError, ImportError) as error:
        raise ValueError(
            f"transformers.exporters has no {name} here: {error}. Fix: pip install -U transformers"
        ) from error


def exported(
    exporter: Any, model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], **options: Any
) -> tuple[Any, Any]:
    """A model's program and metadata by one of transformers' exporters, with the inputs' shapes fixed.

    `options` go to the exporter's configuration. Raises what transformers and torch raise for what they cannot export.
    """
    component = exporter.export(
        model.eval(), {**inputs, **_without_cache(model)}, config=exporter.config_class(dynamic=False, **options)
    ).components["model"]
    return component.program, component.metadata


def exported_inputs(names: Sequence[str], inputs: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The tensors of a call in the order of an exported graph's inputs, which leaves out those it does not read.

    What a model takes apart into Python numbers is an input for each of them, named by its place (`image_sizes_0_1`). Raises
    ValueError for an input of the graph that the call does not have.
    """
    bare = [name.removeprefix("input.") for name in names]
    found = [_input_named(name, inputs) for name in bare]
    missing = [name for name, tensor in zip(bare, found, strict=True) if tensor is None]
    if missing:
        raise ValueError(f"the exported graph takes {', '.join(missing)}, the call has {', '.join(inputs)}")
    return tuple(tensor for tensor in found if tensor is not None)


def _input_named(name: str, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
    if name in inputs:
        return inputs[name]
    for whole, tensor in inputs.items():
        place = name.removeprefix(f"{whole}_").split("_")
        if name.startswith(f"{whole}_") and all(part.isdigit() for part in place) and len(place) == tensor.dim():
            return tensor[tuple(map(int, place))]
    return None


def exported_outputs(metadata: Any, are_floating: Sequence[bool]) -> dict[str, int]:
    """The primary outputs' positions among an exported graph's outputs, of which `are_floating` says which hold floats."""
    from transformers.exporters.metadata import load_treespec

    spec, constants = load_treespec(metadata.out_spec), dict(metadata.out_constants)
    first = len(are_floating) - (
        spec.num_leaves - len(constants)
    )  # what the graph mutates comes before what it returns
    # each output stands in for itself by a tensor that holds its position
    stand_ins = iter(
        torch.tensor([position], dtype=torch.float32 if are_floating[position] else torch.int64)
        for position in range(first, len(are_floating))
    )
    leaves = [constants[index] if index in constants else next(stand_ins) for index in range(spec.num_leaves)]
    named = primary_output(torch.utils._pytree.tree_unflatten(leaves, spec))
    return {name: int(value) for name, value in named.items()}
