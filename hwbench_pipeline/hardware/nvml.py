"""NVIDIA's management library, asked about the GPU that torch uses.

Belongs here: everything that imports pynvml (distribution nvidia-ml-py, extra `nvidia`). Does not belong here: what the answers
mean for a row (`bench.energy`, `condition`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class NvmlError(Exception):
    """NVML cannot be asked; the message says why, with the fix where there is one."""


def energy_counter() -> Callable[[], float]:
    """What reads the joules the GPU has used since its driver was loaded. Raises `NvmlError` where it keeps no count."""
    pynvml, device = _torch_gpu()
    read = pynvml.nvmlDeviceGetTotalEnergyConsumption
    try:
        read(device)
    except pynvml.NVMLError as error:
        raise NvmlError(f"NVML says {error}") from error
    return lambda: float(read(device)) / 1e3


def is_slowed() -> bool:
    """Whether heat or a power brake lowers the GPU's clock now. Raises `NvmlError` where it cannot be asked.

    The ordinary power cap is no reason here: GPUs at work reach it all the time.
    """
    pynvml, device = _torch_gpu()
    slowed = (
        pynvml.nvmlClocksThrottleReasonHwThermalSlowdown
        | pynvml.nvmlClocksThrottleReasonSwThermalSlowdown
        | pynvml.nvmlClocksThrottleReasonHwPowerBrakeSlowdown
    )
    try:
        return bool(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(device) & slowed)
    except pynvml.NVMLError as error:
        raise NvmlError(f"NVML says {error}") from error


def _torch_gpu() -> tuple[Any, Any]:
    """The library and its handle of torch's first device: by UUID, since CUDA_VISIBLE_DEVICES renumbers what NVML does not."""
    try:
        import pynvml
    except ImportError as error:
        raise NvmlError("nvidia-ml-py is not installed. Fix: pip install nvidia-ml-py") from error
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(_torch_uuid().encode())
    except pynvml.NVMLError as error:
        raise NvmlError(f"NVML says {error}") from error


def _torch_uuid() -> str:
    import torch

    return f"GPU-{torch.cuda.get_device_properties(0).uuid}"
