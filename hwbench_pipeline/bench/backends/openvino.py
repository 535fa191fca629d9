"""OpenVINO: a torch model converted, compiled for a device with its precision stated, and run synchronously.

Belongs here: everything that imports openvino for measuring. The CPU plug-in computes in bf16 by default on CPUs
that have it, so the precision hint is always set, and read back into the row.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino as ov

from hwbench_pipeline.bench.backends import Prepared, Workload
from hwbench_pipeline.bench.judging import Array
from hwbench_pipeline.catalog.exporting import TracedForward
from hwbench_pipeline.hardware.devices import UnsupportedError

_PRECISION_HINTS = {"fp32": ov.Type.f32, "bf16": ov.Type.bf16, "fp16": ov.Type.f16}


@dataclass(frozen=True)
class OpenvinoBackend:
    """OpenVINO on one of its devices, one request at a time (latency hint)."""

    device: str = "CPU"
    attention: str | None = "eager"  # traces where sdpa does not

    def prepare(self, workload: Workload) -> Prepared:
        """Convert and compile; `compile_ms` is the time of both."""
        hint = _PRECISION_HINTS.get(workload.precision)
        if hint is None:
            raise UnsupportedError(
                f"this OpenVINO backend computes in {', '.join(_PRECISION_HINTS)}, not {workload.precision}. "
                "Fix: ask for one of these"
            )
        start = time.perf_counter()
        forward = TracedForward(workload.model, workload.inputs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tracing warns of every Python branch; the output is compared instead
            converted = ov.convert_model(forward, example_input=forward.example_input)
        compiled = ov.Core().compile_model(
            converted,
            self.device,
            {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1"},
        )
        compile_ms = (time.perf_counter() - start) * 1e3
        effective = compiled.get_property("INFERENCE_PRECISION_HINT")
        if effective != hint:
            raise UnsupportedError(
                f"OpenVINO on this {self.device} computes in {effective.get_type_name()} when asked for "
                f"{workload.precision}. Fix: ask for a precision that the device has"
            )
        request = compiled.create_infer_request()
        for index, tensor in enumerate(forward.example_input):
            request.set_input_tensor(index, ov.Tensor(np.ascontiguousarray(tensor.numpy())))
        names = forward.output_names  # known since the trace

        def outputs() -> dict[str, Array]:
            request.infer()
            return {name: _as_float32(request.get_output_tensor(index)) for index, name in enumerate(names)}

        return Prepared(
            call=request.infer,
            outputs=outputs,
            backend="openvino",
            backend_version=ov.get_version().split("-")[0],
            compile_ms=compile_ms,
            threads_intra_op=_threads(compiled),
            options={
                "attention": self.attention,
                "class": type(workload.model).__name__,
                "device": self.device,
                "performance_hint": "LATENCY",
                "precision_hint": effective.get_type_name(),
                "streams": 1,
                "weights": "random",
            },
        )


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
