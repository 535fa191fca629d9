"""Peak memory of the measuring process.

Belongs here: resetting and reading the peak, with the method in words. Where the peak cannot be reset it would
include work done before, so it is not read at all: NULL with the reason.
"""

from __future__ import annotations

import ctypes
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"  # proc(5): resets the peak resident set size to the current one

METHOD = (
    "VmHWM of the measuring process while warming up and sampling, reset before: weights, activations, "
    "interpreter and libraries"
)


@dataclass(frozen=True)
class PeakMemory:
    """Peak resident memory in MB (1e6 bytes) and how it was read; None and why where it was not."""

    peak_memory_mb: float | None
    memory_method: str


def reset_peak() -> str | None:
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


def not_on_host(hardware: str) -> str | None:
    """Why the host's memory says nothing about a device's, or None where the device works in the host's memory."""
    if hardware in ("cuda", "rocm", "mps"):
        return f"not read: the memory of {hardware} is not the host's, and this version does not ask the device"
    return None


def read_peak(not_reset: str | None) -> PeakMemory:
    """The peak since `reset_peak`, whose answer is passed in."""
    if not_reset is not None:
        return PeakMemory(None, not_reset)
    found = re.search(r"^VmHWM:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if found is None:
        return PeakMemory(None, f"not read: no VmHWM in {_STATUS}")
    return PeakMemory(int(found[1]) * 1024 / 1e6, METHOD)  # proc(5): kB there is 1024 bytes
