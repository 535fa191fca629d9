"""ONNX Runtime on the CPU: a torch model exported to ONNX, optimised and run by the CPU execution provider.

Belongs here: everything that imports onnxruntime for measuring. Does not belong here: making the file (`onnx_files`).
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwbench_pipeline.bench.backends.onnx_files import write_onnx
from hwbench_pipeline.bench.backends.protocol import Session, SessionFacts, Workload
from hwbench_pipeline.bench.judging import Array
from hwbench_pipeline.bench.memory import PeakMemory, measure_peak
from hwbench_pipeline.bench.plan import VARIANTS
from hwbench_pipeline.catalog.exporting import ROUTES, TRACED, Graph, computed_outside, graph_inputs
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.hardware.environment import installed_version

PROVIDER = "CPUExecutionProvider"
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
        inputs = graph_inputs(workload.model, workload.inputs)
        graph = write_onnx(workload.model, inputs, route, Path(folder.name) / _FILE)
        session = _runtime_session(graph)
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
                "graph_optimization": session.get_session_options().graph_optimization_level.name,
                "provider": session.get_providers()[0],
                "route": route,
                "weights": "random",
                **computed_outside(inputs, workload.inputs),
                **graph.options,
            },
        )
        return OnnxruntimeForward(facts, session, graph, folder)


def _runtime_session(graph: Graph) -> Any:
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()  # left to itself it takes every core of the machine
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3  # errors; warnings are about what its optimiser left as it was
    return ort.InferenceSession(graph.program, settings, providers=[PROVIDER])


def outputs_of(graph: Graph) -> dict[str, Array]:
    """The primary outputs of one forward pass of a file, on this host."""
    return _BoundCall(_runtime_session(graph), graph).outputs()


class _BoundCall:
    """A session with its inputs bound once."""

    def __init__(self, session: Any, graph: Graph) -> None:
        self._session = session
        self._positions = graph.outputs
        self._binding = session.io_binding()
        for value, tensor in zip(session.get_inputs(), graph.inputs, strict=True):
            self._binding.bind_cpu_input(value.name, tensor.contiguous().numpy())
        for value in session.get_outputs():
            self._binding.bind_output(value.name)

    def run(self) -> None:
        """One forward pass; returns when it is done."""
        self._session.run_with_iobinding(self._binding)

    def outputs(self) -> dict[str, Array]:
        """The primary outputs of one forward pass."""
        self.run()
        values = self._binding.copy_outputs_to_cpu()
        return {name: np.asarray(values[index], dtype=np.float32) for name, index in self._positions.items()}


class OnnxruntimeForward(_BoundCall):
    """A forward pass."""

    def __init__(self, facts: SessionFacts, session: Any, graph: Graph, folder: Any) -> None:
        super().__init__(session, graph)
        self.facts = facts
        self._folder = folder

    def sync(self) -> None:
        """Nothing: the CPU provider returns finished."""

    def peak_memory(self) -> PeakMemory:
        """The peak of the host's memory."""
        return measure_peak(self.run, "cpu")
