"""Which cells want measuring: never tried, or tried too long ago.

Belongs here: the choice of the nightly and of the demo. Does not belong here: requesting runs (`schedules`, `demo`).
Looks at files' names and times and opens none, so that it answers within a schedule's time on large grids; copies of a
warehouse must keep the times (`cp -a`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hwbench_pipeline.bench.storing import TABLE_OF_MODE
from hwbench_pipeline.catalog import names
from hwbench_pipeline.warehouse.location import Cell
from hwbench_pipeline.warehouse.reading import table_files


@dataclass(frozen=True)
class Wanted:
    """A cell that wants measuring in one mode. `last_run_at` is None where it was never tried."""

    mode: str
    cell: Cell
    last_run_at: datetime | None


def nightly_cells(hardware: Sequence[str], models: Sequence[str], available: Collection[str]) -> list[Cell]:
    """The cells a night may measure: key models on every platform, all others on the platforms that are available.

    That a platform is absent is said once for each key model; saying it for hundreds would fill the nights.
    """
    return [Cell(key, model) for model in models for key in hardware if key in available or model in names.model_keys()]


def last_run_at(warehouse: Path, mode: str, cell: Cell, now: datetime) -> datetime | None:
    """When the newest run of a cell was written, by its file's time; None if there is none."""
    times = [path.stat().st_mtime for path in table_files(warehouse, TABLE_OF_MODE[mode], cell)]
    return datetime.fromtimestamp(max(times), now.tzinfo) if times else None


def wanted_cells(
    warehouse: Path, cells: Iterable[Cell], *, now: datetime, stale_after: timedelta | None
) -> list[Wanted]:
    """Cells never tried, key models before others, then the stale ones, oldest first; None as `stale_after` asks for the
    missing only."""
    key_models = names.model_keys()
    wanted = []
    for cell in cells:
        for mode in TABLE_OF_MODE:
            ran = last_run_at(warehouse, mode, cell, now)
            if ran is None or (stale_after is not None and now - ran > stale_after):
                wanted.append(Wanted(mode, cell, ran))
    return sorted(
        wanted,
        key=lambda want: (
            want.last_run_at is not None,
            want.last_run_at or now,
            want.cell.model not in key_models,
            want.cell,
            want.mode,
        ),
    )
