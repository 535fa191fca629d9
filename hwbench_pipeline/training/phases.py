"""Times of the parts of a step: forward, backward, optimizer.

Belongs here: marking the ends of parts without disturbing the step. Does not belong here: the step (`step`), or statistics.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch

PHASES = ("forward", "backward", "optimizer")


class PhaseClock:
    """Marks where each part of a step ends; the times are computed when they are asked for, after the device has finished.

    On CUDA and ROCm a mark is an event of the stream, so nothing waits within a step. On MPS, whose events can hang
    (pytorch#196395), the device is waited for at each mark. On the CPU a call returns when its work is done.
    """

    def __init__(self, device: torch.device) -> None:
        self._kind = device.type
        self._steps: list[list[tuple[str, Any]]] = []

    def begin(self) -> None:
        """A step begins."""
        self._steps.append([("", self._mark())])

    def end(self, phase: str) -> None:
        """Here a part ends that began at the mark before; parts of one name in one step count together."""
        self._steps[-1].append((phase, self._mark()))

    def times_ms(self) -> list[dict[str, float]]:
        """Of each step so far, milliseconds by part."""
        return [self._times_of(step) for step in self._steps]

    def _times_of(self, step: Sequence[tuple[str, Any]]) -> dict[str, float]:
        times = dict.fromkeys(PHASES, 0.0)
        for (_, start), (phase, end) in pairwise(step):
            times[phase] += start.elapsed_time(end) if self._kind == "cuda" else (end - start) / 1e6
        return times

    def _mark(self) -> Any:
        if self._kind == "cuda":
            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record()
            return event
        if self._kind == "mps":
            torch.mps.synchronize()
        return time.perf_counter_ns()
