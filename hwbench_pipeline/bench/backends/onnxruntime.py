"""ONNX Runtime on the CPU: a torch model exported to ONNX, optimised and run by the CPU execution provider.

Belongs here: everything that imports onnxruntime for measuring. Does not belong here: the ways to a graph that runtimes share
(`catalog.exporting`).
"""

from __future__ import annotations

import io
import tempfile
import time
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwbench_pipeline.bench.backends.protocol import Session, SessionFacts, Workload
from hwbench_pipeline.bench.judging import Array
from hwbench_pipeline.bench.memory import PeakMemory, measure_peak
from hwbench_pipeline.bench.plan import VARIANTS
from hwbench_pipeline.catalog.exporting import (
    EXPORTED,
    ROUTES,
    TRACED,
    Graph,
    TracedForward,
    computed_outside,
    exported,
    exported_inputs,
    exported_outputs,
    exporter_named,
    graph_inputs,
)
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.hardware.environment import installed_version

PROVIDER = "CPUExecutionProvider"
TRACED_OPSET = 20
"""The newest that torch's exporter of traced graphs writes (torch 2.13, `torch.onnx` reference)."""
_LIBRARIES = ("onnx", "onnxscript")
_FILE = "model.onnx"


@dataclass(frozen=True)
class OnnxruntimeBackend:
    """ONNX Runtime with its CPU execution provider, in fp32."""

    variants: tuple[str, ...] = VARIANTS["onnxruntime"]
    attention: str | None = "eager"  # traces where sdpa does not
    routes: tuple[str, ...] = ROUTES

    def prepare(self, workload: Workload) -> Session:
        """Export, load and optimise; `compile_ms` is the time of all."""
        if workload.precision != "fp32":
            raise UnsupportedError(
                f"this ONNX Runtime backend runs fp32, not {workload.precision}. Fix: --precision fp32"
            )
        if workload.scenario != "forward":
            raise UnsupportedError(
                f"the scenario {workload.scenario} needs a graph with the cache among its inputs, which this version does not "
                "export. Fix: --scenario forward"
            )
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise UnsupportedError(
                "onnxruntime is not installed. Fix: pip install onnx onnxruntime onnxscript"
            ) from error
        start = time.perf_counter()
        folder = tempfile.TemporaryDirectory(prefix="hwbench-onnx-")  # holds the weights as long as the session does
        route = workload.route or TRACED
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # torch.onnx prints its steps
            warnings.simplefilter("ignore")  # tracing warns of every Python branch; the output is compared instead
            export = _by_exporter if route == EXPORTED else _by_tracing
            inputs = graph_inputs(workload.model, workload.inputs)
            graph = export(workload.model, inputs, Path(folder.name) / _FILE)
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()  # left to itself it takes every core of the machine
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3  # errors; warnings are about what its optimiser left as it was
        session = ort.InferenceSession(graph.program, settings, providers=[PROVIDER])
        compile_ms = (time.perf_counter() - start) * 1e3
        facts = SessionFacts(
            backend="onnxruntime",
            backend_version=ort.__version__,
            compile_ms=compile_ms,
            threads_intra_op=session.get_session_options().intra_op_num_threads,
            threads_inter_op=session.get_session_options().inter_op_num_threads,
            libraries={name: version for name in _LIBRARIES if (version := installed_version(name))},
            options={
                "attention": self.attention,
                "class": type(workload.model).__name__,
                "graph_optimization": settings.graph_optimization_level.name,
                "provider": session.get_providers()[0],
                "route": route,
                "weights": "random",
                **computed_outside(inputs, workload.inputs),
            },
        )
        return OnnxruntimeForward(facts, session, graph, folder)


def _by_tracing(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor], path: Path) -> Graph:
    forward = TracedForward(model, inputs)
    names = [f"input.{index}" for index in range(len(forward.example_input))]
    torch.onnx.export(
        forward, forward.example_input, str(path), input_names=names, opset_version=TRACED_OPSET, dynamo=False
    )
    return Graph(
        str(path), _read_inputs(path, dict(zip(names, forward.example_input, strict=True))), forward.output_positions
    )


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


class OnnxruntimeForward:
    """A forward pass, its inputs bound once."""

    def __init__(self, facts: SessionFacts, session: Any, graph: Graph, folder: Any) -> None:
        self.facts = facts
        self._session = session
        self._positions = graph.outputs
        self._folder = folder
        self._binding = session.io_binding()
        for value, tensor in zip(session.get_inputs(), graph.inputs, strict=True):
            self._binding.bind_cpu_input(value.name, tensor.contiguous().numpy())
        for value in session.get_outputs():
            self._binding.bind_output(value.name)

    def run(self) -> None:
        """One forward pass; returns when it is done."""
        self._session.run_with_iobinding(self._binding)

    def sync(self) -> None:
        """Nothing: the CPU provider returns finished."""

    def outputs(self) -> dict[str, Array]:
        """The primary outputs of one forward pass."""
        self.run()
        values = self._binding.copy_outputs_to_cpu()
        return {name: np.asarray(values[index], dtype=np.float32) for name, index in self._positions.items()}

    def peak_memory(self) -> PeakMemory:
        """The peak of the host's memory."""
        return measure_peak(self.run, "cpu")
