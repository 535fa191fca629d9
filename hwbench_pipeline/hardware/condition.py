"""The machine's condition while something is measured: load, stolen time, clock, temperature.

Belongs here: what varies from run to run and goes into the result row. Does not belong here: identity
(`environment`), and judging the samples themselves (`bench`).
"""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Any

import psutil

LOADED_SHARE_OF_CORES = 0.25
"""The flag `loaded_machine` is set when more than this share of the cores is busy with something else.

On two cores that is half a core: a second process then takes a measurable part of a core from the benchmark. Below it
lie the daemons of an idle machine (typically under 0.1 of a core each)."""

_TEMPERATURE_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "acpitz")
_PACKAGE_LABELS = ("Package id", "Tdie", "Tctl")


def load_average_1m() -> float | None:
    """The host's 1-minute load average; None where the system keeps none (Windows).

    It remembers about a minute: just after a benchmark it holds that benchmark's own load. Use `busy_cores` to know
    whether something else is running now.
    """
    if not hasattr(os, "getloadavg"):
        return None
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def busy_cores(interval_s: float = 0.5) -> float:
    """How many cores other processes kept busy, on average, while this thread slept for `interval_s` seconds.

    This process's own CPU time is taken out: threads of a compute pool spin for a while after their last work.
    Unlike the load average it does not remember a benchmark that has just ended.
    """
    before = psutil.cpu_times()
    began, own_before_s = time.monotonic(), time.process_time()
    time.sleep(interval_s)
    after = psutil.cpu_times()
    own_s = time.process_time() - own_before_s
    elapsed_s = time.monotonic() - began
    idle_s = (after.idle - before.idle) + (getattr(after, "iowait", 0.0) - getattr(before, "iowait", 0.0))
    total_s = _total_s(after) - _total_s(before)
    return max(0.0, total_s - idle_s - own_s) / elapsed_s


def is_loaded(load_before: float | None, cores: int, *, busy_cores_before: float | None = None) -> bool:
    """Whether the machine was busy with something else just before sampling: the flag `loaded_machine`.

    True when more than a quarter of the cores was busy. `busy_cores_before`, from `busy_cores()`, decides where it is
    given; else the 1-minute load average, which overstates: right after another benchmark it holds that one's load.
    False where nothing is known. `cores` are the logical cores.
    """
    busy = load_before if busy_cores_before is None else busy_cores_before
    return busy is not None and busy > LOADED_SHARE_OF_CORES * cores


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
