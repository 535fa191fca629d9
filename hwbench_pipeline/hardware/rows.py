"""The rows of `core_hardware`: what was probed, with the peaks if they are wanted.

Belongs here: turning probes and peaks into rows. Does not belong here: asking and measuring (`probing`, `peaks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwbench_pipeline.hardware.peaks import Peaks, known_peaks, measure_peaks
from hwbench_pipeline.hardware.platforms import platforms
from hwbench_pipeline.hardware.probing import probe_all

_NOT_ASKED = Peaks({}, None, "not measured: this list was made without peaks")


def _best_peaks(key: str, *, again: bool) -> Peaks:
    """The best of this measurement and all before it, or why nothing was measured."""
    now = measure_peaks(key, refresh=again)
    return known_peaks(key) if now.gflops else now


def presence(row: Mapping[str, Any]) -> str:
    """Whether a row's platform is here, in a word."""
    return "no" if not row["is_available"] else "in software" if row.get("is_software") else "yes"


def hardware_rows(*, with_peaks: bool, refresh: bool = False) -> list[dict[str, Any]]:
    """One row of `core_hardware` per platform of the grid, in its order.

    `with_peaks` also measures the peaks of what is available, about six seconds per device at full load: hold
    `hardware.host_lock` around the call. `refresh` asks and measures again what this process already knows.
    """
    rows = []
    for platform, found in zip(platforms(), probe_all(refresh=refresh), strict=True):
        # openvino shares the CPU's peaks, so only a torch device is measured again
        again = refresh and platform.torch_device is not None
        peaks = _best_peaks(platform.key, again=again) if with_peaks else _NOT_ASKED
        rows.append(
            {
                "hardware": platform.key,
                "platform": platform.key,
                "is_available": found.is_available,
                "is_software": found.is_software,
                "reason": found.reason,
                "probe": found.probe,
                "device_name": found.device_name,
                "device_memory_mb": found.device_memory_mb,
                "driver_version": found.driver_version,
                "backend": found.backend,
                "backend_version": found.backend_version,
                "precisions": None if found.precisions is None else list(found.precisions),
                "supports_training": found.supports_training,
                **{f"peak_gflops_{name}": peaks.gflops.get(name) for name in ("fp32", "bf16", "fp16")},
                "memory_bandwidth_gb_per_s": peaks.memory_bandwidth_gb_per_s,
                "peaks_method": peaks.method,
                "probed_at": found.probed_at,
            }
        )
    return rows
