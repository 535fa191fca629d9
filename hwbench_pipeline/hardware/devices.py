"""torch devices: their names of precisions, how to wait for them, and what it means that one cannot do something.

Belongs here: what measuring and training both need to know of a device. Does not belong here: whether a device is
there (`probing`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class UnsupportedError(Exception):
    """Something cannot be done there, by nature and not by accident; the message says why."""


def require_full_fp32(device: torch.device) -> None:
    """Keep fp32 work in fp32: by default NVIDIA GPUs round the inputs of fp32 convolutions to the 10 bits of TF32."""
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


def synchronizer(device: torch.device) -> Callable[[], object]:
    """What waits until the device has finished its work; on the CPU calls return finished.

    On MPS this is the device-wide wait and never events, which can hang (pytorch#196395).
    """
    if device.type == "cuda":
        return torch.cuda.synchronize
    if device.type == "mps":
        return torch.mps.synchronize
    return lambda: None


@contextlib.contextmanager
def compiler_needed() -> Iterator[None]:
    """Work that compiles with torch.compile. Raises `UnsupportedError` where there is no C++ compiler for it."""
    try:
        yield
    except Exception as error:
        if "compiler" in str(error).lower() and "not found" in str(error).lower():
            raise UnsupportedError(
                f"torch.compile needs a C++ compiler here ({' '.join(str(error).split())[:200]}). Fix: install g++"
            ) from error
        raise
