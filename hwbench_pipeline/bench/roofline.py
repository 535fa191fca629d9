"""The roofline: the least time that the measured peaks of a device allow one call.

Belongs here: the arithmetic, and when a number is faster than it. Does not belong here: measuring peaks
(`hardware/peaks`) or counting operations (`catalog/flops`).

The model is that of Williams, Waterman and Patterson (Roofline, CACM 52(4), 2009): a call takes at least its operations
over the peak rate of arithmetic, and at least the bytes that must move over the memory bandwidth.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwbench_pipeline.hardware.peaks import Peaks

BYTES_PER_WEIGHT = {"fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 1.0, "int4": 0.5}
COMPUTE_MARGIN = 1.05
"""The probe's products reach nearly the peak; a little more than they do may be real."""
MEMORY_MARGIN = 1.5
"""The probe copies, and reading alone is faster than reading and writing by up to about this."""


@dataclass(frozen=True)
class Roofline:
    """The least time of one call in ms, and the limb that gives it: compute or memory."""

    least_ms: float
    limb: str
    compute_ms: float | None
    memory_ms: float | None

    def is_beaten_by(self, latency_ms: float) -> bool:
        """Whether a latency is below what the device can do, by more than the peaks are uncertain."""
        return (self.compute_ms is not None and latency_ms * COMPUTE_MARGIN < self.compute_ms) or (
            self.memory_ms is not None and latency_ms * MEMORY_MARGIN < self.memory_ms
        )


def roofline_of(
    *, flops: int | None, n_streamed_parameters: int, precision: str | None, peaks: Peaks
) -> Roofline | None:
    """The roofline of a call; None where neither limb is known.

    `n_streamed_parameters` are the weights that every call reads. The memory limb holds only where they exceed the
    last-level cache: what stays in it moves faster than memory.
    """
    gflops, bandwidth = peaks.fastest_gflops(precision), peaks.memory_bandwidth_gb_per_s
    n_bytes = n_streamed_parameters * BYTES_PER_WEIGHT.get(precision or "", 0.0)
    compute_ms = None if flops is None or gflops is None else flops / (gflops * 1e9) * 1e3
    cache = peaks.last_level_cache_bytes
    leaves_cache = cache is not None and n_bytes > cache
    memory_ms = n_bytes / (bandwidth * 1e9) * 1e3 if bandwidth is not None and leaves_cache else None
    limbs = {"compute": compute_ms, "memory": memory_ms}
    known = {name: value for name, value in limbs.items() if value is not None}
    if not known:
        return None
    limb = max(known, key=known.__getitem__)
    return Roofline(known[limb], limb, compute_ms, memory_ms)
