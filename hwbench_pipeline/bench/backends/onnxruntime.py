"""ONNX Runtime on the CPU: a torch model exported to ONNX, optimised and run by the CPU execution provider.

Belongs here: everything that imports onnxruntime for measuring. Does not belong here: making the file (`onnx_files`).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwbench_pipeline.bench.backends.onnx_files import StageFile, graphs_told, write_onnx, write_stages
from hwbench_pipeline.bench.backends.protocol import Session, SessionFacts, Workload
from hwbench_pipeline.bench.judging import Array
from hwbench_pipeline.bench.memory import PeakMemory, measure_peak
from hwbench_pipeline.bench.plan import VARIANTS
from hwbench_pipeline.catalog.exporting import ROUTES, TRACED, Graph, computed_outside, graph_inputs
from hwbench_pipeline.catalog.generating import LOGITS, TokenCall, handed_on
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
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise UnsupportedError(
                "onnxruntime is not installed. Fix: pip install onnx onnxruntime onnxscript"
            ) from error
        start = time.perf_counter()
        folder = tempfile.TemporaryDirectory(prefix="hwbench-onnx-")  # holds the weights as long as the session does
        route = workload.route or TRACED
        tokens = workload.forced_tokens
        inputs: Mapping[str, torch.Tensor] = workload.inputs
        call: _BoundCall | _StagedCall
        if tokens is None:
            inputs = graph_inputs(workload.model, inputs)
            graph = write_onnx(workload.model, inputs, route, Path(folder.name) / _FILE)
            call = _BoundCall(_runtime_session(graph.program), graph)
        else:
            stages = write_stages(workload.model, inputs, tokens, route, Path(folder.name))
            call = _StagedCall(stages, TokenCall.of(workload.model, inputs, tokens))
        compile_ms = (time.perf_counter() - start) * 1e3
        settings = call.session.get_session_options()
        facts = SessionFacts(
            backend="onnxruntime",
            backend_version=ort.__version__,
            compile_ms=compile_ms,
            threads_intra_op=settings.intra_op_num_threads,
            threads_inter_op=settings.inter_op_num_threads,
            libraries={name: version for name in _LIBRARIES if (version := installed_version(name))},
            options={
                "attention": self.attention,
                "class": type(workload.model).__name__,
                "graph_optimization": settings.graph_optimization_level.name,
                "provider": call.session.get_providers()[0],
                "route": route,
                "weights": "random",
                **computed_outside(inputs, workload.inputs),
                **call.options,
            },
        )
        if isinstance(call, _StagedCall):
            return OnnxruntimeGeneration(facts, call, folder)
        return OnnxruntimeForward(facts, call, folder)


def _runtime_session(path: str) -> Any:
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads = torch.get_num_threads()  # left to itself it takes every core of the machine
    settings.inter_op_num_threads = 1
    settings.log_severity_level = 3  # errors; warnings are about what its optimiser left as it was
    return ort.InferenceSession(path, settings, providers=[PROVIDER])


def outputs_of(graph: Graph) -> dict[str, Array]:
    """The primary outputs of one forward pass of a file, on this host."""
    return _BoundCall(_runtime_session(graph.program), graph).outputs()


class _BoundCall:
    """A session with its inputs bound once."""

    def __init__(self, session: Any, graph: Graph) -> None:
        self.session = session
        self.options = graph.options
        self._positions = graph.outputs
        self._binding = session.io_binding()
        for value, tensor in zip(session.get_inputs(), graph.inputs, strict=True):
            self._binding.bind_cpu_input(value.name, tensor.contiguous().numpy())
        for value in session.get_outputs():
            self._binding.bind_output(value.name)

    def run(self) -> None:
        """One forward pass; returns when it is done."""
        self.session.run_with_iobinding(self._binding)

    def outputs(self) -> dict[str, Array]:
        """The primary outputs of one forward pass."""
        self.run()
        values = self._binding.copy_outputs_to_cpu()
        return {name: np.asarray(values[index], dtype=np.float32) for name, index in self._positions.items()}


class OnnxruntimeForward:
    """A forward pass."""

    def __init__(self, facts: SessionFacts, call: _BoundCall, folder: Any) -> None:
        self.facts = facts
        self.run, self.outputs = call.run, call.outputs
        self._folder = folder

    def sync(self) -> None:
        """Nothing: the CPU provider returns finished."""

    def peak_memory(self) -> PeakMemory:
        """The peak of the host's memory."""
        return measure_peak(self.run, "cpu")


def generated_by(stages: Sequence[StageFile], call: TokenCall) -> dict[str, Array]:
    """The logits of a generation by the files of its stages, on this host."""
    return _StagedCall(stages, call).outputs()


class _NamedSession:
    """A stage's session with the names of its inputs and outputs, asked for once and not for each token that is timed."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.inputs = [value.name for value in session.get_inputs()]
        self.outputs = [value.name for value in session.get_outputs()]
        self.handed_on = [handed_on(name) for name in self.outputs]


class _StagedCall:
    """A generation: the stages' sessions, and what they hand on to each other."""

    def __init__(self, stages: Sequence[StageFile], call: TokenCall) -> None:
        import onnxruntime as ort

        *first, step = [_NamedSession(_runtime_session(str(stage.path))) for stage in stages]
        self._stages, self._first, self._step = stages, first, step
        as_value = ort.OrtValue.ortvalue_from_numpy
        taken = {name for stage in (*first, step) for name in stage.inputs}

        def values(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
            return {name: as_value(tensor.contiguous().numpy()) for name, tensor in tensors.items() if name in taken}

        self._known = values(call.known)
        self._further = [values(brought) for brought in call.further]
        self._held: dict[str, Any] = {}
        self._n_done = 0

    @property
    def session(self) -> Any:
        """The step's session."""
        return self._step.session

    @property
    def options(self) -> dict[str, Any]:
        """What a row says of how the graphs were made, and how many tokens they give."""
        return {"new_tokens": len(self._further) + 1, **graphs_told(self._stages)}

    def begin(self) -> Any:
        """Run what comes before the first token, with no cache. Returns its logits."""
        self._held, self._n_done = dict(self._known), 1
        for stage in self._first:
            self._run(stage)
        return self._held[LOGITS]

    def step(self) -> Any:
        """Run the next forced token with the cache. Returns the logits of the one after it."""
        self._held |= self._further[self._n_done - 1]
        self._n_done += 1
        self._run(self._step)
        return self._held[LOGITS]

    def _run(self, stage: _NamedSession) -> None:
        taken = {name: self._held[name] for name in stage.inputs}
        given = stage.session.run_with_ort_values(stage.outputs, taken)
        self._held |= zip(stage.handed_on, given, strict=True)

    def run(self) -> None:
        """One generation."""
        self.begin()
        for _ in self._further:
            self.step()

    def outputs(self) -> dict[str, Array]:
        """The logits at every token."""
        logits = [self.begin().numpy(), *(self.step().numpy() for _ in self._further)]
        return {LOGITS: np.stack(logits, axis=1).astype(np.float32)}


class OnnxruntimeGeneration:
    """A generation of a fixed number of tokens with a key-value cache, on forced tokens."""

    def __init__(self, facts: SessionFacts, call: _StagedCall, folder: Any) -> None:
        self.facts = facts
        self.begin, self.step, self.run, self.outputs = call.begin, call.step, call.run, call.outputs
        self._folder = folder

    def sync(self) -> None:
        """Nothing: the CPU provider returns finished."""

    def peak_memory(self) -> PeakMemory:
        """As of a forward pass; the cache is full at its end."""
        return measure_peak(self.run, "cpu")
