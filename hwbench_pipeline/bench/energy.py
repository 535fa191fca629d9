"""Energy of the timed calls, from counters that hardware keeps; never from an estimate.

Belongs here: the counters of CPUs (RAPL) and NVIDIA GPUs (NVML), read before and after sampling, so that reading costs
the samples nothing. Does not belong here: power models. Where no counter can be read there is no energy, and the reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hwbench_pipeline.hardware.nvml import NvmlError, energy_counter

POWERCAP = Path("/sys/class/powercap")
SHORTEST_S = 0.3
"""Counters tick every few milliseconds; over a shorter time their last tick weighs too much."""

Counters = Mapping[str, tuple[Callable[[], float], float | None]]
"""By name: what reads the joules so far, and at how many joules the counter starts again (None: never)."""


@dataclass(frozen=True)
class Energy:
    """Joules over the metered time and where they were read; None and why where they were not."""

    energy_j: float | None
    energy_source: str


class EnergyMeter:
    """The joules that a hardware's counters gain between entering and leaving the context; then in `energy`."""

    def __init__(self, hardware: str, powercap: Path = POWERCAP) -> None:
        self.energy = Energy(None, "not read: not metered")
        self._counters, self._source = _counters_of(hardware, powercap)
        self._before: dict[str, float] = {}
        self._began = 0.0

    def __enter__(self) -> EnergyMeter:
        self._began = time.perf_counter()
        self._before = {name: read() for name, (read, _) in self._counters.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        elapsed_s = time.perf_counter() - self._began
        if not self._counters:
            self.energy = Energy(None, self._source)
        elif elapsed_s < SHORTEST_S:
            self.energy = Energy(None, f"not read: {elapsed_s:.2g} s are too short for {self._source}")
        else:
            gains = [_gain(self._before[name], read(), wraps) for name, (read, wraps) in self._counters.items()]
            self.energy = (
                Energy(sum(gains), self._source)
                if sum(gains) > 0
                else Energy(None, f"not read: {self._source} stood still")
            )


def _gain(before: float, after: float, wraps_at: float | None) -> float:
    return after - before if after >= before or wraps_at is None else after - before + wraps_at


def _counters_of(hardware: str, powercap: Path) -> tuple[Counters, str]:
    """The counters of what does the work, and their name; none and the reason where none can be read."""
    if hardware in ("cpu", "openvino"):
        return _rapl(powercap)
    if hardware == "cuda":
        return _nvml()
    return {}, f"not read: {hardware} has no energy counter that this version knows"


def _rapl(powercap: Path) -> tuple[Counters, str]:
    counters: dict[str, tuple[Callable[[], float], float | None]] = {}
    refused = None
    for domain in sorted(powercap.glob("intel-rapl:[0-9]*")):
        if domain.name.count(":") != 1:  # cores and memory are parts of their package
            continue
        try:
            if not (domain / "name").read_text().startswith("package"):
                continue
            wraps_at = float((domain / "max_energy_range_uj").read_text()) / 1e6
            read = _microjoules(domain / "energy_uj")
            read()
        except (OSError, ValueError) as error:
            refused = error
            continue
        counters[domain.name] = (read, wraps_at)
    if counters:
        return counters, f"RAPL, {len(counters)} package(s), everything that ran on them counted"
    if refused is not None:
        said = getattr(refused, "strerror", None) or refused
        return {}, f"not read: RAPL refuses ({said}). Fix: let this user read {powercap}/intel-rapl:*/energy_uj"
    return {}, f"not read: no RAPL package in {powercap} (usual in virtual machines)"


def _microjoules(path: Path) -> Callable[[], float]:
    return lambda: float(path.read_text()) / 1e6


def _nvml() -> tuple[Counters, str]:
    try:
        read = energy_counter()
    except NvmlError as error:
        return {}, f"not read: {error}"
    return {"gpu": (read, None)}, "NVML total energy of the GPU, the host not counted"
