"""Measured peaks of a platform: the ceiling that a roofline compares measured executions with.

Belongs here: which device's peak stands for a platform, and the words that say how it was measured. Does not belong
here: the measurement itself (`peak_questions`), or peaks from a data sheet: nothing here is looked up.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from hwbench_pipeline.hardware.asking import NoAnswerError, answer_of
from hwbench_pipeline.hardware.platforms import platform_of
from hwbench_pipeline.hardware.probing import probe

PEAKS_TIMEOUT_S = 60.0
"""Starting torch on a loaded machine included; the measurements themselves take about four seconds."""


@dataclass(frozen=True)
class Peaks:
    """Measured peaks: GFLOP/s of fp32 matrix multiplication, GB/s of copying (bytes read + bytes written).

    Both are None where nothing was measured, and `method` then says why.
    """

    peak_gflops_fp32: float | None
    memory_bandwidth_gb_per_s: float | None
    method: str


_measured: dict[str, Peaks] = {}
_measuring = threading.Lock()


def measure_peaks(key: str, *, refresh: bool = False) -> Peaks:
    """The platform's peaks, measured once per process (again with `refresh`); about five seconds per device.

    The measurement loads the whole machine: whoever calls it holds `hardware.host_lock` while it runs.
    Never raises for a platform of the grid: what could not be measured is None with the reason.
    Raises `UnknownHardwareError`.
    """
    platform = platform_of(key)
    found = probe(key)
    if not found.is_available:
        return Peaks(None, None, f"not measured: {key} is not available here ({found.reason})")
    device = platform.torch_device or "cpu"
    with _measuring:
        if refresh or device not in _measured:
            _measured[device] = _measure(device)
        peaks = _measured[device]
    if platform.torch_device is None:
        return Peaks(
            peaks.peak_gflops_fp32,
            peaks.memory_bandwidth_gb_per_s,
            f"of the CPU that {platform.title} runs on: {peaks.method}",
        )
    return peaks


def _measure(device: str) -> Peaks:
    try:
        answer = answer_of("peak_questions", device, timeout_s=PEAKS_TIMEOUT_S)
    except NoAnswerError as error:
        return Peaks(None, None, f"not measured: {error}")
    return Peaks(answer["peak_gflops_fp32"], answer["memory_bandwidth_gb_per_s"], _method_of(device, answer))


def _method_of(device: str, answer: dict[str, Any]) -> str:
    size = answer["gemm_size"]
    threads = f", {answer['threads']} threads" if device == "cpu" else ""
    return (
        f"torch {answer['torch_version']} on {device}{threads}: fp32 matrix product {size}×{size}×{size} "
        f"(2n³ operations, float32_matmul_precision highest), best of {answer['gemm_repeats']}; copy of "
        f"{answer['copy_bytes'] / 1e6:.0f} MB, bytes read + bytes written, best of {answer['copy_repeats']}"
    )
