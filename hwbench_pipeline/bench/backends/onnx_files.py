"""A model as an ONNX file, by any of the ways to a graph: for ONNX Runtime on this host and in browsers.

Belongs here: torch's and transformers' ONNX exporters. Does not belong here: running the file.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path

import torch

from hwbench_pipeline.catalog.exporting import (
    EXPORTED,
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


def _by_tracing(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], path: Path) -> Graph:
    forward = TracedForward(model, inputs)
    names = [f"input.{index}" for index in range(len(forward.example_input))]
    torch.onnx.export(
        forward, forward.example_input, str(path), input_names=names, opset_version=TRACED_OPSET, dynamo=False
    )
    taken = _read_inputs(path, dict(zip(names, forward.example_input, strict=True)))
    return Graph(str(path), taken, forward.output_positions, tuple(sorted(forward.replaced)))


def _read_inputs(path: Path, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The inputs that the graph has: those that it does not read are left out of it."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    return tuple(inputs[value.name] for value in model.graph.input)


def _by_exporter(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], path: Path) -> Graph:
    exporter = exporter_named("OnnxExporter")
    program, metadata = exported(exporter, model, inputs)
    exporter.save_program(program, path)
    taken = exported_inputs([value.name for value in program.graph.inputs], inputs)
    floating = [value.dtype is not None and value.dtype.is_floating_point() for value in program.graph.outputs]
    return Graph(str(path), taken, exported_outputs(metadata, floating))
