"""A model as an ONNX file, by any of the ways to a graph: for ONNX Runtime on this host and in browsers.

Belongs here: torch's and transformers' ONNX exporters. Does not belong here: running the file.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import torch

from hwbench_pipeline.catalog.exporting import (
    EXPORTED,
    TRACED,
    Graph,
    TracedForward,
    exported,
    exported_inputs,
    exported_outputs,
    exporter_named,
    on_route,
)

TRACED_OPSET = 20
"""The newest that torch's exporter of traced graphs writes (torch 2.13, `torch.onnx` reference)."""


def write_onnx(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], route: str, path: Path) -> Graph:
    """Write a model's forward pass on these inputs to a file, weights beside it where they are too large for one.

    The graph's program is the path. Raises what the exporters raise for what they cannot follow.
    """
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # torch.onnx prints its steps
        warnings.simplefilter("ignore")  # tracing warns of every Python branch; the output is compared instead
        with on_route(route, model):
            return (_by_exporter if route == EXPORTED else _by_tracing)(model, inputs, path)


def graph_of_file(
    path: Path,
    inputs: Mapping[str, torch.Tensor],
    route: str,
    outputs: Mapping[str, int],
    replaced: Sequence[str] = (),
) -> Graph:
    """A file that `write_onnx` wrote earlier as a graph, with the tensors of a call in the order of its inputs.

    A traced graph leaves out the inputs that it does not read. Raises ValueError for an input that the call does not have.
    """
    import onnx

    names = [value.name for value in onnx.load(str(path), load_external_data=False).graph.input]
    if route == EXPORTED:
        taken = exported_inputs(names, inputs)
    else:
        by_name = dict(zip(_traced_names(inputs), TracedForward.tensors_of(inputs), strict=True))
        taken = tuple(by_name[name] for name in names)
    return Graph(str(path), taken, outputs, tuple(replaced))


def _traced_names(inputs: Mapping[str, torch.Tensor]) -> list[str]:
    return [f"input.{index}" for index in range(len(TracedForward.tensors_of(inputs)))]


def _by_tracing(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], path: Path) -> Graph:
    forward = TracedForward(model, inputs)
    torch.onnx.export(
        forward,
        forward.example_input,
        str(path),
        input_names=_traced_names(inputs),
        opset_version=TRACED_OPSET,
        dynamo=False,
    )
    return graph_of_file(path, inputs, TRACED, forward.output_positions, sorted(forward.replaced))


def _by_exporter(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], path: Path) -> Graph:
    exporter = exporter_named("OnnxExporter")
    program, metadata = exported(exporter, model, inputs)
    exporter.save_program(program, path)
    floating = [value.dtype is not None and value.dtype.is_floating_point() for value in program.graph.outputs]
    return graph_of_file(path, inputs, EXPORTED, exported_outputs(metadata, floating))
