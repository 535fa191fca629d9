"""torch, eager, on cpu, cuda, rocm and mps.

Belongs here: moving a workload to a torch device, running it, and waiting for it. Does not belong here: training
(`training/`) or building models (`catalog/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch

from hwbench_pipeline.bench.backends import Prepared, Workload
from hwbench_pipeline.bench.judging import Array
from hwbench_pipeline.catalog.inputs import place_inputs, primary_output
from hwbench_pipeline.hardware.devices import DTYPES, UnsupportedError, synchronizer
from hwbench_pipeline.hardware.platforms import torch_device


def forward_outputs(model: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    """One forward call; its named outputs as fp32 arrays on the host."""
    with torch.inference_mode():
        return {
            name: tensor.detach().to("cpu", torch.float32).numpy()
            for name, tensor in primary_output(model(**inputs)).items()
        }


@dataclass(frozen=True)
class TorchBackend:
    """Eager torch on one device."""

    device: torch.device
    attention: str | None = None

    @classmethod
    def for_hardware(cls, hardware: str) -> Self:
        """The backend for a hardware key."""
        return cls(torch.device(torch_device(hardware)))

    def prepare(self, workload: Workload) -> Prepared:
        """Move the model and the inputs to the device in the precision asked for."""
        dtype = DTYPES.get(workload.precision)
        if dtype is None:
            raise UnsupportedError(
                f"torch eager runs {', '.join(DTYPES)} here, not {workload.precision}. Fix: ask for one of these"
            )
        model = workload.model.to(self.device, dtype).eval()
        inputs = place_inputs(workload.inputs, device=self.device, dtype=dtype)
        synchronize = synchronizer(self.device)

        def call() -> None:
            with torch.inference_mode():
                model(**inputs)
            synchronize()

        return Prepared(
            call=call,
            outputs=lambda: forward_outputs(model, inputs),
            backend="torch",
            backend_version=torch.__version__,
            compile_ms=None,
            threads_intra_op=torch.get_num_threads(),
            threads_inter_op=torch.get_num_interop_threads(),
            is_reference=self.device.type == "cpu" and dtype is torch.float32,
            options={
                "attention": getattr(model.config, "_attn_implementation", None),
                "class": type(model).__name__,
                "compile": False,
                "weights": "random",
            },
        )
