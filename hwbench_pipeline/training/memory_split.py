"""What a training step holds in memory, part by part, in a pass of its own.

Belongs here: bytes of parameters, gradients and optimizer state from the tensors themselves, and of activations from the
allocator. Does not belong here: the peak of the whole process or device (`bench.memory`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch

from hwbench_pipeline.training.step import TrainingStep

CUDA_METHOD = (
    "torch's CUDA allocator: its peak over the forward pass of one micro-batch, less what was allocated before it"
)
CPU_METHOD = (
    "torch's CPU allocator, its events kept by torch.profiler: the most that the forward pass of one micro-batch held at once; "
    "scratch memory of kernels is not in it"
)


def split_memory(step: TrainingStep) -> dict[str, Any]:
    """The columns of the split in MB (1e6 bytes), after two more forward passes, one of them in a whole step."""
    activations, method = _activations(step)
    step.compute_gradients()
    gradients = _bytes(parameter.grad for parameter in step.model.parameters())
    step.apply_gradients()
    return {
        "parameter_memory_mb": _bytes(step.model.parameters()) / 1e6,
        "gradient_memory_mb": gradients / 1e6,
        "optimizer_memory_mb": _bytes(value for state in step.optimizer.state.values() for value in state.values())
        / 1e6,
        "activation_memory_mb": None if activations is None else activations / 1e6,
        "activation_memory_method": method,
    }


def _bytes(values: Iterable[Any]) -> int:
    """Bytes of the tensors among the values, each once."""
    tensors = {id(value): value for value in values if isinstance(value, torch.Tensor)}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def _activations(step: TrainingStep) -> tuple[int | None, str]:
    if step.device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        _hold(step)
        return torch.cuda.max_memory_allocated() - before, CUDA_METHOD
    if step.device.type == "cpu":
        return _most_held(step), CPU_METHOD
    return None, f"not read: torch keeps no peak of its allocator on {step.device.type}"


def _hold(step: TrainingStep) -> None:
    """One forward pass with all that it keeps for the backward pass, until it has ended."""
    kept = step.forward_loss()
    if step.device.type == "cuda":
        torch.cuda.synchronize()
    del kept


def _most_held(step: TrainingStep) -> int:
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # else the profiler prints when it starts and stops
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        _hold(step)
    held = most = 0
    events = profiler.profiler.kineto_results.events()
    for event in sorted((one for one in events if one.name() == "[memory]"), key=lambda one: one.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most
