"""Peak memory of one workload, in a pass of its own: watching it must not disturb the times.

Belongs here: resetting and reading peaks of the host's processes and of a device's allocator, with the method in words.
Where the peak cannot be reset it would include work done before, so it is not read at all: NULL with the reason.
"""

from __future__ import annotations

import ctypes
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

CALLS = 2
"""Calls of the memory pass: what the second keeps of the first shows in them."""
_POLL_S = 0.002
_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"  # proc(5): resets the peak resident set size to the current one

HOST_METHOD = (
    f"VmHWM of the measuring process over {CALLS} calls apart from the timed ones, reset before: weights, activations, "
    "interpreter and libraries"
)


@dataclass(frozen=True)
class PeakMemory:
    """Peak memory in MB (1e6 bytes) and how it was read; None and why where it was not.

    `n_calls` is how many calls of the workload the pass made, None where that is not known.
    """

    peak_memory_mb: float | None
    memory_method: str
    n_calls: int | None = None


def measure_peak(call: Callable[[], object], hardware: str) -> PeakMemory:
    """Run the call a few times and read the peak: of the device where it has memory of its own, else of the host."""
    if hardware in ("cuda", "rocm"):
        peak = _allocator_peak(call)
    elif hardware == "mps":
        peak = _polled_peak(call)
    else:
        peak = _host_peak(call)
    return peak if peak.n_calls == 0 else replace(peak, n_calls=CALLS)


def _repeat(call: Callable[[], object]) -> None:
    for _ in range(CALLS):
        call()


def _host_peak(call: Callable[[], object]) -> PeakMemory:
    not_reset = _reset_peak()
    if not_reset is not None:
        return PeakMemory(None, not_reset, n_calls=0)
    _repeat(call)
    own = _high_water_mark_mb(_STATUS)
    if own is None:
        return PeakMemory(None, f"not read: no VmHWM in {_STATUS}")
    others = _children_mb()
    return PeakMemory(own + others, HOST_METHOD + (", and the peaks of its child processes" if others else ""))


def _reset_peak() -> str | None:
    """Start a new peak at the present resident size. Returns why it cannot be done, or None.

    What the allocator keeps of memory that is free goes back to the system first: it belongs to work done before.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library than glibc has no malloc_trim
            ctypes.CDLL(None).malloc_trim(0)
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
    except OSError as error:
        return f"not read: the peak cannot be reset here ({_CLEAR_REFS}: {error.strerror or error})"
    return None


def _high_water_mark_mb(status: Path) -> float | None:
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
    return None if found is None else int(found[1]) * 1024 / 1e6  # proc(5): kB there is 1024 bytes


def _children_mb() -> float:
    """The peaks of the processes that this one started, together: an upper bound where they did not peak at once."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        with suppress(OSError):
            total += _high_water_mark_mb(Path(f"/proc/{child.pid}/status")) or 0.0
    return total


def _allocator_peak(call: Callable[[], object]) -> PeakMemory:
    import torch

    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    _repeat(call)
    allocated, reserved = torch.cuda.max_memory_allocated() / 1e6, torch.cuda.max_memory_reserved() / 1e6
    free, total = torch.cuda.mem_get_info()
    return PeakMemory(
        allocated,
        f"peak of torch's allocator over {CALLS} calls apart from the timed ones: weights and activations; it reserved "
        f"{reserved:.0f} MB; {(total - free) / 1e6:.0f} MB of the device were in use by all processes together",
    )


def _polled_peak(call: Callable[[], object]) -> PeakMemory:
    """MPS keeps no peak, so what is allocated is asked for again and again while the calls run."""
    import torch

    peak = 0
    is_done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not is_done.wait(_POLL_S):
            peak = max(peak, torch.mps.current_allocated_memory())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        _repeat(call)
    finally:
        is_done.set()
        watcher.join()
    peak = max(peak, torch.mps.current_allocated_memory())
    return PeakMemory(
        peak / 1e6,
        f"largest torch.mps.current_allocated_memory() every {_POLL_S * 1e3:g} ms over {CALLS} calls apart from the timed "
        f"ones: a lower bound; Metal's driver held {torch.mps.driver_allocated_memory() / 1e6:.0f} MB",
    )
