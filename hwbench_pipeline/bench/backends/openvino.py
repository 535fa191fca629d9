"""OpenVINO: a torch model converted, its weights compressed where that is asked for, compiled with its precision stated.

Belongs here: everything that imports openvino for measuring. The CPU plug-in computes in bf16 by default on CPUs
that have it, so the precision hint is always set, and read back into the row.
"""

from __future__ import annotations

import importlib.util
import io
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hwbench_pipeline.bench.backends.protocol import Session, SessionFacts, StreamSamples, Workload
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
    on_route,
)
from hwbench_pipeline.hardware.devices import UnsupportedError
from hwbench_pipeline.hardware.environment import installed_version
from hwbench_pipeline.hardware.silent_openvino import openvino as ov

LATENCY, _ = VARIANTS["openvino"]
_PRECISION_HINTS = {"fp32": ov.Type.f32, "bf16": ov.Type.bf16, "fp16": ov.Type.f16}
# Weights of so many bits. On CPUs with integer dot products the plug-in then also quantizes activations on the way, in
# groups; else weights are expanded into fp32. Which of them is set, read back and recorded.
_COMPRESSED = {"int8": "INT8_ASYM", "int4": "INT4_SYM"}
_DYNAMIC_QUANTIZATION = "DYNAMIC_QUANTIZATION_GROUP_SIZE"
"""So many activations share one scale; 0: none is quantized."""
INT4_GROUP = 32
"""So many weights share one scale: a divisor of most widths in the catalog, where NNCF's own 128 is none. A narrower matrix
(the position bias of T5 is as wide as it has heads) gets the largest power of two that divides its width, or 8 bits."""


@dataclass(frozen=True)
class OpenvinoBackend:
    """OpenVINO on one of its devices: one request at a time (latency hint), or as many as it asks for (throughput hint)."""

    device: str = "CPU"
    variants: tuple[str, ...] = VARIANTS["openvino"]
    attention: str | None = "eager"  # traces where sdpa does not
    routes: tuple[str, ...] = ROUTES

    def prepare(self, workload: Workload) -> Session:
        """Convert, compress and compile; `compile_ms` is the time of all."""
        hint = _PRECISION_HINTS.get("fp32" if workload.precision in _COMPRESSED else workload.precision)
        if hint is None:
            raise UnsupportedError(
                f"this OpenVINO backend runs {', '.join((*_PRECISION_HINTS, *_COMPRESSED))}, not {workload.precision}. "
                "Fix: ask for one of these"
            )
        if workload.scenario != "forward":
            raise UnsupportedError(
                f"the scenario {workload.scenario} needs a graph with the cache in its state, which this version does not "
                "export. Fix: --scenario forward"
            )
        start = time.perf_counter()
        route = workload.route or TRACED
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing warns of every Python branch; the output is compared instead
            inputs = graph_inputs(workload.model, workload.inputs)
            with on_route(route, workload.model):
                graph = (_by_exporter if route == EXPORTED else _by_tracing)(workload.model, inputs)
        converted, stored = graph.program, "as converted"
        if workload.precision in _COMPRESSED:
            converted, stored = _compressed(converted, workload.precision)
        wanted = workload.variant.upper()
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": wanted}
        if workload.variant == LATENCY:
            settings["NUM_STREAMS"] = "1"
        settings[_DYNAMIC_QUANTIZATION] = str(INT4_GROUP if workload.precision in _COMPRESSED else 0)
        compiled = ov.Core().compile_model(converted, self.device, settings)
        compile_ms = (time.perf_counter() - start) * 1e3
        effective = compiled.get_property("INFERENCE_PRECISION_HINT")
        if effective != hint:
            raise UnsupportedError(
                f"OpenVINO on this {self.device} computes in {effective.get_type_name()} when asked for "
                f"{hint.get_type_name()}. Fix: ask for a precision that the device has"
            )
        in_flight = 1 if workload.variant == LATENCY else int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        facts = SessionFacts(
            backend="openvino",
            backend_version=ov.get_version().split("-")[0],
            compile_ms=compile_ms,
            threads_intra_op=_threads(compiled),
            libraries=_libraries(workload.precision),
            options={
                "attention": self.attention,
                "class": type(workload.model).__name__,
                "device": self.device,
                "dynamic_quantization_group": int(compiled.get_property(_DYNAMIC_QUANTIZATION)),
                "in_flight": in_flight,
                "performance_hint": wanted,
                "precision_hint": effective.get_type_name(),
                "route": route,
                "streams": _streams(compiled),
                "stored_weights": stored,
                "weights": "random",
                **computed_outside(inputs, workload.inputs),
                **graph.options,
            },
        )
        if workload.variant == LATENCY:
            return OpenvinoForward(facts, compiled, graph)
        return OpenvinoStream(facts, compiled, graph, in_flight)


def _by_tracing(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> Graph:
    forward = TracedForward(model, inputs)
    program = ov.convert_model(forward, example_input=forward.example_input)
    return Graph(program, forward.example_input, forward.output_positions, tuple(sorted(forward.replaced)))


def _by_exporter(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> Graph:
    program, metadata = exported(exporter_named("OpenVINOExporter"), model, inputs, stateful=False)
    taken = exported_inputs([port.get_any_name() for port in program.inputs], inputs)
    floating = [port.get_element_type().is_real() for port in program.outputs]
    return Graph(program, taken, exported_outputs(metadata, floating))


def _compressed(model: Any, precision: str) -> tuple[Any, str]:
    if importlib.util.find_spec("nncf") is None:
        raise UnsupportedError(f"{precision} weights are made by nncf, which is not installed. Fix: pip install nncf")
    import nncf

    mode = getattr(nncf.CompressWeightsMode, _COMPRESSED[precision])
    grouping: dict[str, Any] = {}
    if precision == "int4":
        narrow = nncf.AdvancedCompressionParameters(group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST)
        grouping = {"group_size": INT4_GROUP, "all_layers": True, "advanced_parameters": narrow}
    with redirect_stdout(io.StringIO()):  # it prints tables and bars
        compressed = nncf.compress_weights(model, mode=mode, **grouping)
    group = f", groups of {INT4_GROUP} or less" if grouping else ""
    return compressed, f"{_COMPRESSED[precision]} by nncf{group}"


def _libraries(precision: str) -> dict[str, str]:
    version = installed_version("nncf") if precision in _COMPRESSED else None
    return {} if version is None else {"nncf": version}


class OpenvinoForward:
    """A forward pass, one request at a time."""

    def __init__(self, facts: SessionFacts, compiled: Any, graph: Graph) -> None:
        self.facts = facts
        self._positions = graph.outputs
        self._request = _request(compiled, graph.inputs)

    def run(self) -> None:
        """One request; returns when it is done."""
        self._request.infer()

    def sync(self) -> None:
        """Nothing: a synchronous request returns finished."""

    def outputs(self) -> dict[str, Array]:
        """The primary outputs of one forward pass."""
        self._request.infer()
        return self._outputs_of(self._request)

    def _outputs_of(self, request: Any) -> dict[str, Array]:
        return {name: _as_float32(request.get_output_tensor(index)) for name, index in self._positions.items()}

    def peak_memory(self) -> PeakMemory:
        """The peak of the host's memory, in which the CPU plug-in works."""
        return measure_peak(self.run, "openvino")


class OpenvinoStream(OpenvinoForward):
    """Forward passes with as many requests in flight as the runtime asks for."""

    def __init__(self, facts: SessionFacts, compiled: Any, graph: Graph, in_flight: int) -> None:
        super().__init__(facts, compiled, graph)
        self._queue = ov.AsyncInferQueue(compiled, in_flight)
        for request in self._queue:
            _set_inputs(request, graph.inputs)

    def stream(self, *, min_requests: int, min_duration_s: float, max_duration_s: float) -> StreamSamples:
        """Start a request as soon as any is done; latencies are OpenVINO's own, from a request's start to its completion."""
        latencies: list[float] = []
        self._queue.set_callback(lambda request, _: latencies.append(request.latency))
        begun = time.perf_counter()
        n_started = 0
        while True:
            elapsed = time.perf_counter() - begun
            has_minima = len(latencies) >= min_requests and elapsed >= min_duration_s
            if n_started and (has_minima or elapsed >= max_duration_s):
                break
            self._queue.get_idle_request_id()  # waits until there is one
            self._queue.start_async()
            n_started += 1
        self._queue.wait_all()
        return StreamSamples(latencies, time.perf_counter() - begun, len(self._queue))

    def outputs_in_flight(self) -> list[dict[str, Array]]:
        """The primary outputs of requests that ran at once, one dictionary for each."""
        self._run_at_once()
        return [self._outputs_of(request) for request in self._queue]

    def peak_memory(self) -> PeakMemory:
        """The peak with all requests under way."""
        return measure_peak(self._run_at_once, "openvino")

    def _run_at_once(self) -> None:
        self._queue.set_callback(lambda *_: None)
        for _ in range(len(self._queue)):
            self._queue.start_async()  # each on another request: the longest idle one is next
        self._queue.wait_all()


def _request(compiled: Any, inputs: Sequence[torch.Tensor]) -> Any:
    request = compiled.create_infer_request()
    _set_inputs(request, inputs)
    return request


def _set_inputs(request: Any, inputs: Sequence[torch.Tensor]) -> None:
    for index, tensor in enumerate(inputs):
        request.set_input_tensor(index, ov.Tensor(tensor.contiguous().numpy()))


def _as_float32(tensor: Any) -> Array:
    if tensor.element_type == ov.Type.bf16:
        # bf16 arrives as 16 raw bits; they are the upper half of the fp32 number
        bits = np.frombuffer(tensor.data.tobytes(), dtype=np.uint16).astype(np.uint32) << 16
        return bits.view(np.float32).reshape(tuple(tensor.shape))
    data: Array = np.array(tensor.data, dtype=np.float32)
    return data


def _threads(compiled: Any) -> int | None:
    try:
        return int(compiled.get_property("INFERENCE_NUM_THREADS")) or None
    except RuntimeError:  # devices other than the CPU do not have the property
        return None


def _streams(compiled: Any) -> int | None:
    try:
        return int(compiled.get_property("NUM_STREAMS"))
    except (RuntimeError, TypeError, ValueError):
        return None
