"""A model as an ONNX file, by any of the ways to a graph: for ONNX Runtime on this host and in browsers.

Belongs here: torch's and transformers' ONNX exporters. Does not belong here: running the file.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from hwbench_pipeline.catalog.generating import NotTakenApartError, Stage, handed_on, stages
from hwbench_pipeline.hardware.devices import UnsupportedError

TRACED_OPSET = 20
"""The newest that torch's exporter of traced graphs writes (torch 2.13, `torch.onnx` reference)."""
STAGE_FILE = "model.onnx"


def write_onnx(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], route: str, path: Path) -> Graph:
    """Write a model's forward pass on these inputs to a file, weights beside it where they are too large for one.

    The graph's program is the path. Raises what the exporters raise for what they cannot follow.
    """
    with _exporting(model, route):
        return (_by_exporter if route == EXPORTED else _by_tracing)(model, inputs, path)


@dataclass(frozen=True)
class StageFile:
    """A stage of a generation as a file. `replaced` as in `Graph`; inputs and outputs have the names of the stage's."""

    name: str
    path: Path
    replaced: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """The graph and the weights beside it."""
        return sorted(self.path.parent.iterdir())

    @property
    def sha256(self) -> str:
        """The hash of the file and of the weights beside it, read anew."""
        digest = hashlib.sha256()
        for path in self.files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def write_stages(
    model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], tokens: torch.Tensor, route: str, folder: Path
) -> tuple[StageFile, ...]:
    """Write the stages of a generation of these tokens, each into a folder of its own name, in the order they run.

    Two exports name their weights alike, so they must not lie beside each other. Raises `UnsupportedError` for a model with another state, and what the
    exporters raise for what they cannot follow.
    """
    written: list[StageFile] = []
    with _exporting(model, route):
        try:
            taken_apart = stages(model, inputs, tokens)
        except NotTakenApartError as error:
            raise UnsupportedError(f"{error}. Fix: --scenario forward") from error
        for stage in taken_apart:
            path = folder / stage.name / STAGE_FILE
            path.parent.mkdir()
            (_stage_by_exporter if route == EXPORTED else _stage_by_tracing)(stage, path)
            written.append(StageFile(stage.name, path, tuple(sorted(stage.replaced))))
    return tuple(written)


def graphs_told(stages: Sequence[StageFile]) -> dict[str, Any]:
    """What a row says of a generation's graphs: their names in the order they run, the hash of each with its weights, and what a
    trace replaced."""
    replaced = sorted({name for stage in stages for name in stage.replaced})
    return {
        "graphs": [{"name": stage.name, "sha256": stage.sha256} for stage in stages],
        **({"replaced_in_trace": replaced} if replaced else {}),
    }


@contextmanager
def _exporting(model: torch.nn.Module, route: str) -> Iterator[None]:
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # torch.onnx prints its steps
        warnings.simplefilter("ignore")  # tracing warns of every Python branch; the output is compared instead
        with on_route(route, model):
            yield


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


class _Positional(torch.nn.Module):
    """A stage with its inputs and outputs by position, as a trace takes them."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.eval()

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.stage(**dict(zip(self.stage.example, tensors, strict=True))).values())


def _stage_by_tracing(stage: Stage, path: Path) -> None:
    with torch.no_grad():
        outputs = list(stage(**stage.example))
    growing = {name: {axis: f"{name}_extent"} for name, axis in stage.growing.items()}
    growing |= {
        name: {stage.growing[past]: f"{name}_extent"} for name in outputs if (past := handed_on(name)) in stage.growing
    }
    torch.onnx.export(
        _Positional(stage),
        tuple(stage.example.values()),
        str(path),
        input_names=list(stage.example),
        output_names=outputs,
        dynamic_axes=growing,
        opset_version=TRACED_OPSET,
        dynamo=False,
    )


def _stage_by_exporter(stage: Stage, path: Path) -> None:
    exporter = exporter_named("OnnxExporter")
    extents = {name: {axis: torch.export.Dim.AUTO} for name, axis in stage.growing.items()}
    config = exporter.config_class(
        dynamic=bool(extents),
        dynamic_shapes={name: extents.get(name, {}) for name in stage.example} if extents else None,
    )
    component = exporter.export(stage, dict(stage.example), config=config).components["model"]
    exporter.save_program(component.program, path)
