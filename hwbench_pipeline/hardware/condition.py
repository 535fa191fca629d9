"""The machine's condition while something is measured: load, stolen time, clock, temperature.

Belongs here: what varies from run to run and goes into the result row. Does not belong here: identity
(`environment`), and judging the samples themselves (`bench`).
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from hwbench_pipeline.hardware import nvml

LOADED_SHARE_OF_CORES = 0.25
"""The flag `loaded_machine` is set when more than this share of the cores is busy with something else.

On two cores that is half a core: a second process then takes a measurable part of a core from the benchmark. Below it
lie the daemons of an idle machine (typically under 0.1 of a core each)."""

_TEMPERATURE_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "acpitz")
_PACKAGE_LABELS = ("Package id", "Tdie", "Tctl")


def load_average_1m() -> float | None:
    """The host's 1-minute load average; None where the system keeps none (Windows).

    It remembers about a minute: just after a benchmark it holds that benchmark's own load. `OthersMeter` tells
    what else is running.
    """
    if not hasattr(os, "getloadavg"):
        return None
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


class OthersMeter:
    """How many cores other processes kept busy, on average, between entering and leaving the context.

    `busy_cores` is set on leaving. The CPU time of this process and of those that it started and that still run (a
    browser, for example), and what the hypervisor stole, are taken out. Unlike the load average it does not remember a
    benchmark that has just ended.
    """

    def __init__(self) -> None:
        self.busy_cores = 0.0

    def __enter__(self) -> OthersMeter:
        self._own_before_s = _own_cpu_s()
        self._before = psutil.cpu_times()
        self._began = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        elapsed_s = time.monotonic() - self._began
        after = psutil.cpu_times()
        own_s = sum(max(0.0, s - self._own_before_s.get(pid, 0.0)) for pid, s in _own_cpu_s().items())
        not_others_s = sum(
            getattr(after, name, 0.0) - getattr(self._before, name, 0.0) for name in ("idle", "iowait", "steal")
        )
        total_s = _total_s(after) - _total_s(self._before)
        self.busy_cores = max(0.0, total_s - not_others_s - own_s) / max(elapsed_s, 1e-9)


def _own_cpu_s() -> dict[int, float]:
    """CPU seconds of this process and of each that it started, by their pids."""
    spent = {os.getpid(): time.process_time()}
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            times = child.cpu_times()
            spent[child.pid] = times.user + times.system
    return spent


def is_loaded(others_busy_cores: float, cores: int) -> bool:
    """Whether something else used the machine while sampling: the flag `loaded_machine`.

    True when `others_busy_cores` (see `OthersMeter`) is more than a quarter of the logical `cores`.
    """
    return others_busy_cores > LOADED_SHARE_OF_CORES * cores


class StealMeter:
    """CPU time that the hypervisor took from this machine between entering and leaving the context.

    `cpu_steal_percent` is, after leaving, the share of all CPU time in percent; None where the system does not count
    steal (macOS, Windows) or the interval was too short for its clock (10 ms on most kernels).
    """

    def __init__(self) -> None:
        self.cpu_steal_percent: float | None = None
        self._before: tuple[float, float] | None = None

    def __enter__(self) -> StealMeter:
        self.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin the interval."""
        self.cpu_steal_percent = None
        self._before = _steal_and_total_s()

    def stop(self) -> float | None:
        """End the interval and return `cpu_steal_percent`; None if it was never begun."""
        after = _steal_and_total_s()
        if self._before is not None and after is not None:
            stolen_s, total_s = after[0] - self._before[0], after[1] - self._before[1]
            if total_s > 0:
                self.cpu_steal_percent = max(0.0, 100 * stolen_s / total_s)
        self._before = None
        return self.cpu_steal_percent


class ThrottleMeter:
    """Whether the CPU or the GPU was slowed down for heat or power between entering and leaving the context.

    `has_throttled` is set on leaving: from the kernel's counters of thermal events, and on cuda from NVML's reasons for
    a lower clock; False where the system tells neither.
    """

    def __init__(self, hardware: str, system: Path = Path("/sys/devices/system/cpu")) -> None:
        self.has_throttled = False
        self._is_cuda = hardware == "cuda"
        self._counters = sorted(system.glob("cpu[0-9]*/thermal_throttle/*_throttle_count"))

    def __enter__(self) -> ThrottleMeter:
        self._before = self._events()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.has_throttled = self._events() > self._before or (self._is_cuda and _gpu_is_slowed())

    def _events(self) -> int:
        total = 0
        for counter in self._counters:
            with suppress(OSError, ValueError):
                total += int(counter.read_text())
        return total


def kernel_memory_kills(vmstat: Path = Path("/proc/vmstat")) -> int | None:
    """How often the kernel ended a process for want of memory since it started; None where it does not count."""
    with suppress(OSError, ValueError):
        for line in vmstat.read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return None


def _gpu_is_slowed() -> bool:
    with suppress(nvml.NvmlError):
        return nvml.is_slowed()
    return False


def cpu_clock_mhz() -> float | None:
    """The CPU clock now in MHz, mean over cores; None where it cannot be read. In most virtual machines it is fixed."""
    try:
        clocks = [core.current for core in psutil.cpu_freq(percpu=True) or () if core.current > 0]
    except (OSError, NotImplementedError, RuntimeError, AttributeError):
        return None
    return sum(clocks) / len(clocks) if clocks else None


def temperature_c() -> float | None:
    """The hottest CPU package now in °C; None where no CPU sensor can be read (virtual machines, macOS, Windows)."""
    read = getattr(psutil, "sensors_temperatures", None)
    if read is None:
        return None
    try:
        sensors = read()
    except (OSError, RuntimeError):
        return None
    for name in _TEMPERATURE_SENSORS:
        entries = sensors.get(name, [])
        packages = [entry for entry in entries if entry.label.startswith(_PACKAGE_LABELS)] or entries
        values = [entry.current for entry in packages if entry.current and entry.current > 0]
        if values:
            return float(max(values))
    return None


def _total_s(times: Any) -> float:
    """All CPU seconds of psutil.cpu_times(); Linux counts guest time in user and nice already."""
    return float(sum(getattr(times, name) for name in times._fields if not name.startswith("guest")))


def _steal_and_total_s() -> tuple[float, float] | None:
    times = psutil.cpu_times()
    steal_s = getattr(times, "steal", None)
    return None if steal_s is None else (float(steal_s), _total_s(times))
