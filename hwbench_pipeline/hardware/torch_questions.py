"""What torch answers about a device: name, memory and the precisions that really run; GPUs are asked in a process.

Belongs here: the questions. Does not belong here: what the answers mean (`probing`), and measuring (`peak_questions`).
"""

from __future__ import annotations

import sys
from typing import Any

from hwbench_pipeline.hardware.asking import print_answer

TF32_COMPUTE_CAPABILITY = 8
"""TF32 came with NVIDIA's compute capability 8.0 (Ampere)."""


def precisions_that_run(device: str) -> list[str]:
    """The float precisions in which a small matrix product runs on the device, by trying each."""
    import torch

    precisions = []
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)):
        try:
            square = torch.ones(16, 16, dtype=dtype, device=device)
            is_right = bool(((square @ square).float().cpu() == 16).all())
        except (RuntimeError, TypeError):
            continue
        if is_right:
            precisions.append(name)
    return precisions


def ask_torch(device: str) -> dict[str, Any]:
    """Whether the device is there and, if so, its name, memory in bytes, count and precisions."""
    import torch

    if device == "mps":
        if not torch.backends.mps.is_available():
            return {"is_available": False}
        return {"is_available": True, "device_count": 1, "precisions": precisions_that_run(device)}
    if not torch.cuda.is_available():
        return {"is_available": False, "device_count": torch.cuda.device_count()}
    properties = torch.cuda.get_device_properties(0)
    precisions = precisions_that_run(device)
    if torch.version.hip is None and properties.major >= TF32_COMPUTE_CAPABILITY:
        precisions.append("tf32")
    return {
        "is_available": True,
        "device_count": torch.cuda.device_count(),
        "device_name": properties.name,
        "memory_bytes": properties.total_memory,
        "precisions": precisions,
    }


if __name__ == "__main__":
    print_answer(ask_torch(sys.argv[1]))
