"""Writing this host's hardware into a warehouse. Does not belong here: probing and measuring it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hwbench_pipeline.hardware.host_lock import host_lock
from hwbench_pipeline.hardware.rows import hardware_rows
from hwbench_pipeline.schema.tables import CORE_HARDWARE
from hwbench_pipeline.warehouse.writing import write_table


def write_hardware(warehouse: Path, *, on_wait: Callable[[str], None] | None = None) -> list[dict[str, Any]]:
    """Probe every platform anew, measure the peaks of those that are here, write core_hardware. Returns its rows.

    Holds the host's benchmark lock: peaks are measurements. `on_wait` is told who holds it meanwhile.
    """
    with host_lock(holder="hwbench core_hardware", on_wait=on_wait):
        rows = hardware_rows(with_peaks=True, refresh=True)
    write_table(warehouse, CORE_HARDWARE, rows)
    return rows
