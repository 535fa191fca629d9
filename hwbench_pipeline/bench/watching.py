"""Watching the machine while one attempt at sampling goes on: what else ran, what slowed it, what energy it took.

Belongs here: entering the meters together, and what their answers are called in a row. Does not belong here: the meters
(`hardware.condition`, `energy`), or the samples.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from hwbench_pipeline.bench.energy import EnergyMeter
from hwbench_pipeline.hardware import condition


class MachineWatch:
    """Enter around the timed calls, and nothing else; afterwards `flags` and `values` say how the machine was."""

    def __init__(self, hardware: str) -> None:
        self._steal = condition.StealMeter()
        self._others = condition.OthersMeter()
        self._throttle = condition.ThrottleMeter(hardware)
        self._energy = EnergyMeter(hardware)
        self._meters = ExitStack()
        self._after: dict[str, Any] = {}

    def __enter__(self) -> MachineWatch:
        for meter in (self._steal, self._others, self._throttle, self._energy):
            self._meters.enter_context(meter)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._meters.close()
        self._after = {"cpu_clock_mhz": condition.cpu_clock_mhz(), "temperature_c": condition.temperature_c()}

    @property
    def flags(self) -> list[str]:
        """Validity flags that the machine's condition gives the samples."""
        is_loaded = condition.is_loaded(self._others.busy_cores, os.cpu_count() or 1)
        held = {"throttled": self._throttle.has_throttled, "loaded_machine": is_loaded}
        return [flag for flag, holds in held.items() if holds]

    def values(self, n_calls: int) -> dict[str, Any]:
        """Columns of the row; energy is that of one of the calls made meanwhile."""
        energy = self._energy.energy
        return {
            "energy_j": None if energy.energy_j is None else energy.energy_j / n_calls,
            "energy_source": energy.energy_source,
            "cpu_steal_percent": self._steal.cpu_steal_percent,
            **self._after,
        }


class UnseenMachine:
    """In place of a `MachineWatch` where another computer does the work, of whose condition nothing is known here."""

    flags: tuple[str, ...] = ()

    def __enter__(self) -> UnseenMachine:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing was entered."""

    def values(self, n_calls: int) -> dict[str, Any]:  # noqa: ARG002 - as of a MachineWatch
        """Columns of the row: NULL, and why."""
        nothing = dict.fromkeys(("energy_j", "cpu_steal_percent", "cpu_clock_mhz", "temperature_c"))
        return {**nothing, "energy_source": "not read: another computer did the work"}
