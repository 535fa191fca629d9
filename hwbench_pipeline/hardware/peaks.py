"""Measured peaks of a platform: the ceiling that a roofline compares measured executions with.

Belongs here: which device's peak stands for a platform, the words that say how it was measured, and the best that this
machine was ever seen to do, which is kept in a file. Does not belong here: the measurement itself (`peak_questions`), or
peaks from a data sheet: nothing here is looked up.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hwbench_pipeline.hardware.asking import NoAnswerError, answer_of
from hwbench_pipeline.hardware.environment import cpu_name, installed_version
from hwbench_pipeline.hardware.platforms import Platform, platform_of
from hwbench_pipeline.hardware.probing import probe
from hwbench_pipeline.schema.table import sha256_of
from hwbench_pipeline.state import state_folder

PEAKS_TIMEOUT_S = 60.0
"""Starting torch on a loaded machine included; the measurements themselves take about six seconds."""


@dataclass(frozen=True)
class Peaks:
    """Measured peaks: GFLOP/s of matrix multiplication by precision, GB/s of copying (bytes read + bytes written).

    Nothing is in `gflops`, and the bandwidth is None, where nothing was measured, and `method` then says why.
    `last_level_cache_bytes` is None where the system does not tell.
    """

    gflops: Mapping[str, float]
    memory_bandwidth_gb_per_s: float | None
    method: str
    last_level_cache_bytes: int | None = field(default=None, compare=False)

    def fastest_gflops(self, precision: str | None) -> float | None:
        """The peak that arithmetic of a precision can reach: its own or that of fp32, since what lacks units of its own
        is computed in fp32. None for a precision whose peak was not measured."""
        own = self.gflops.get(precision or "")
        return None if own is None else max(own, self.gflops.get("fp32", 0.0))


_measured: dict[str, Peaks] = {}
_measuring = threading.Lock()


def measure_peaks(key: str, *, refresh: bool = False) -> Peaks:
    """The platform's peaks, measured once per process (again with `refresh`); about six seconds per device.

    The measurement loads the whole machine: whoever calls it holds `hardware.host_lock` while it runs. What is better
    than what `known_peaks` remembers replaces it there.
    Never raises for a platform of the grid: what could not be measured is missing, with the reason.
    Raises `UnknownHardwareError`.
    """
    platform = platform_of(key)
    found = probe(key)
    if not found.is_available:
        return Peaks({}, None, f"not measured: {key} is not available here ({found.reason})")
    device = _device_of(platform)
    if device is None:
        return Peaks({}, None, f"not measured: nothing here measures the peaks of {platform.title}")
    with _measuring:
        if refresh or device not in _measured:
            _measured[device] = _measure(device)
            _remember(device, _measured[device])
        peaks = _measured[device]
    if platform.torch_device is None:
        return replace(peaks, method=f"of the CPU that {platform.title} runs on: {peaks.method}")
    return peaks


def known_peaks(key: str, *, measuring: Callable[[], object] | None = None) -> Peaks:
    """The best peaks that this machine was ever seen to reach with the software of now; measured where there are none.

    The maximum of repeated probes: a disturbed probe must not make an honest measurement look impossible. `measuring` is
    called before a measurement begins. As `measure_peaks`, it needs the host's lock.
    """
    device = _device_of(platform_of(key))
    if device is None:
        return Peaks({}, None, f"not measured: nothing here measures the peaks of {key}")
    remembered = _remembered(device)
    if remembered is not None:
        return remembered
    if measuring is not None:
        measuring()
    measure_peaks(key)
    return _remembered(device) or _measured.get(device) or Peaks({}, None, f"not measured: {key} is not available here")


def _device_of(platform: Platform) -> str | None:
    """The torch device whose peaks are the platform's ceiling; None where this machine knows of none."""
    return platform.torch_device or ("cpu" if probe(platform.key).computes_on_host_cpu else None)


def _peaks_file(device: str) -> Path:
    """One file per device, processor, torch and thread setting: others reach other peaks."""
    key = device if device != "cuda" else "cuda" if probe("cuda").is_available else "rocm"
    identity = [
        device,
        cpu_name(),
        probe(key).device_name,
        installed_version("torch"),
        os.environ.get("OMP_NUM_THREADS"),
    ]
    return state_folder() / f"peaks-{sha256_of([*identity, _affinity()])[:16]}.json"


def _affinity() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _remembered(device: str) -> Peaks | None:
    try:
        kept: dict[str, Any] = json.loads(_peaks_file(device).read_text(encoding="utf-8"))
        return Peaks(
            {str(name): float(value) for name, value in kept["gflops"].items()},
            float(kept["memory_bandwidth_gb_per_s"]),
            str(kept["method"]),
            kept["last_level_cache_bytes"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # there is none, or it is spoilt: measured anew
        return None


def _remember(device: str, peaks: Peaks) -> None:
    if not peaks.gflops or peaks.memory_bandwidth_gb_per_s is None:
        return
    before = _remembered(device)
    gflops, bandwidth = dict(peaks.gflops), peaks.memory_bandwidth_gb_per_s
    if before is not None:
        for name, value in before.gflops.items():
            gflops[name] = max(value, gflops.get(name, 0.0))
        bandwidth = max(bandwidth, before.memory_bandwidth_gb_per_s or 0.0)
    document = {
        "gflops": gflops,
        "memory_bandwidth_gb_per_s": bandwidth,
        "last_level_cache_bytes": peaks.last_level_cache_bytes,
        "method": f"best of all probes so far, the latest: {peaks.method}",
    }
    path = _peaks_file(device)
    with suppress(OSError):  # nothing is lost but a few seconds of the next run
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
        temporary.replace(path)


def _measure(device: str) -> Peaks:
    try:
        answer = answer_of("peak_questions", device, timeout_s=PEAKS_TIMEOUT_S)
    except NoAnswerError as error:
        return Peaks({}, None, f"not measured: {error}")
    return Peaks(
        {name: product["gflops"] for name, product in answer["products"].items()},
        answer["memory_bandwidth_gb_per_s"],
        _method_of(device, answer),
        answer["last_level_cache_bytes"],
    )


def _method_of(device: str, answer: dict[str, Any]) -> str:
    threads = f", {answer['threads']} threads" if device == "cpu" else ""
    products = ", ".join(
        f"{name} {product['size']}×{product['size']}×{product['size']} best of {product['repeats']}"
        for name, product in answer["products"].items()
    )
    refused = "".join(f"; {name} not measured: {reason}" for name, reason in answer["refused"].items())
    return (
        f"torch {answer['torch_version']} on {device}{threads}: matrix products {products} (2n³ operations, "
        f"float32_matmul_precision highest){refused}; copy of {answer['copy_bytes'] / 1e6:.0f} MB, bytes read + bytes "
        f"written, best of {answer['copy_repeats']}"
    )
