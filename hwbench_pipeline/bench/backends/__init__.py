"""The runtimes that can execute a model, one module each, and the protocol they keep.

Belongs here: the protocol and the choice of backend for a hardware key. Only `backends/<x>` imports `<x>`'s runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from hwbench_pipeline.bench.judging import Array


@dataclass(frozen=True)
class Workload:
    """A model in fp32 on the CPU, the inputs of one call, and the precision to compute in."""

    model: torch.nn.Module
    inputs: Mapping[str, torch.Tensor]
    precision: str


@dataclass(frozen=True)
class Prepared:
    """A workload ready to be timed.

    `call` runs it once and returns only when the device has finished. `outputs` runs it once and gives the named
    outputs as fp32 arrays. `threads_*` are read back from the runtime, None where it does not say. `is_reference` tells
    that this is the very module that gave the reference outputs, so that its first call lies behind it.
    """

    call: Callable[[], object]
    outputs: Callable[[], dict[str, Array]]
    backend: str
    backend_version: str
    compile_ms: float | None
    threads_intra_op: int | None = None
    threads_inter_op: int | None = None
    options: dict[str, Any] = field(default_factory=dict)
    is_reference: bool = False


class Backend(Protocol):
    """One runtime on one kind of device."""

    @property
    def attention(self) -> str | None:
        """The attention implementation to build models with; None for the model's default."""
        ...

    def prepare(self, workload: Workload) -> Prepared:
        """Make a workload ready. Raises `UnsupportedError` for what the runtime does not offer."""
        ...


def backend_for(hardware: str) -> Backend:
    """The backend that runs a hardware key's platform."""
    from hwbench_pipeline.hardware.devices import UnsupportedError
    from hwbench_pipeline.hardware.platforms import platform_of

    backend = platform_of(hardware).backend
    if backend == "openvino":
        from hwbench_pipeline.bench.backends.openvino import OpenvinoBackend

        return OpenvinoBackend()
    if backend is None:
        raise UnsupportedError(f"this version has no runner for {hardware}. Fix: `hwbench hardware` shows what has one")
    from hwbench_pipeline.bench.backends.torch import TorchBackend

    return TorchBackend.for_hardware(hardware)
