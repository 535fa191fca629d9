"""Ingests that are killed: by a signal after some time, or at their n-th change to the file system.

Belongs here: running an ingest in a process of its own, ending it with SIGKILL, and what must hold of the tables
afterwards. Does not belong here: how many kills a test asks for.

`python -m hwbench_pipeline_tests.legacy.killing WAREHOUSE STEP FOLDER…` ingests; at change STEP (0: never) it kills
itself. It says `ready` once everything is imported, and `done N` with the number of changes it made.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hwbench_pipeline.schema.tables import (
    CORE_LEGACY__ENVIRONMENTS,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    RAW_LEGACY__FILES,
)
from hwbench_pipeline.warehouse.reading import read_rows, table_files

LEGACY_TABLES = (
    RAW_LEGACY__FILES,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__ENVIRONMENTS,
)
OF_THE_INGEST = ("batch_id", "first_seen_at")
"""Columns that say when and by which ingest a row came, and so differ between two that agree."""

PROJECT = Path(__file__).parents[2]
FILE_SYSTEM_CHANGES = ("fsync", "mkdir", "rename", "replace", "symlink", "unlink", "remove", "rmdir")


class Ingest:
    """An ingest in a process of its own that is past its imports."""

    def __init__(self, warehouse: Path, folders: Sequence[Path], *, die_at: int = 0) -> None:
        module = "hwbench_pipeline_tests.legacy.killing"
        command = [sys.executable, "-m", module, str(warehouse), str(die_at), *map(str, folders)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self._start = time.perf_counter()

    def kill_after(self, seconds: float) -> bool:
        """SIGKILL it so many seconds after it was ready; gives whether it was still at work."""
        try:
            self._process.wait(max(0.0, self._start + seconds - time.perf_counter()))
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
        self._process.communicate()
        assert self._process.returncode in (0, -signal.SIGKILL), "the ingest failed"
        return self._process.returncode == -signal.SIGKILL

    def finish(self) -> tuple[float, int] | None:
        """Wait for its end: the seconds since it was ready and the changes it made; None if it killed itself."""
        output, _ = self._process.communicate()
        if self._process.returncode == -signal.SIGKILL:
            return None
        assert self._process.returncode == 0, "the ingest failed"
        return time.perf_counter() - self._start, int(output.split()[1])


def tables_of(warehouse: Path) -> dict[str, Counter[str]] | None:
    """The rows of every table, in no order, without what tells two ingests apart; None where no table is there.

    Raises AssertionError where some are there and some are not, or one cannot be read.
    """
    present = [table.name for table in LEGACY_TABLES if table_files(warehouse, table)]
    if not present:
        return None
    assert len(present) == len(LEGACY_TABLES), f"only {present} are there"
    tables: dict[str, Counter[str]] = {}
    for table in LEGACY_TABLES:
        rows = _rows(warehouse, table)
        tables[table.name] = Counter(
            repr(sorted((name, value) for name, value in row.items() if name not in OF_THE_INGEST)) for row in rows
        )
    return tables


def _rows(warehouse: Path, table: Any) -> list[dict[str, Any]]:
    rows, unreadable = read_rows(warehouse, table)
    assert not unreadable, [str(file) for file in unreadable]
    return rows


def require_consistent(warehouse: Path) -> None:
    """Raise AssertionError unless the tables agree: records in = rows out + duplicates + quarantined, for every file."""
    files = {row["path"]: row for row in _rows(warehouse, RAW_LEGACY__FILES)}
    results = _rows(warehouse, CORE_LEGACY__RESULTS)
    per_file = Counter(row["source_path"] for row in results)
    assert per_file.keys() <= files.keys()
    for path, row in files.items():
        assert row["n_records"] == per_file[path] + row["n_duplicates"] + row["n_quarantined"], path
    sources = _rows(warehouse, CORE_LEGACY__SOURCES)
    assert {row["path"] for row in sources} <= files.keys()
    origins = Counter(row["result_id"] for row in sources if row["relation"] == "itself")
    assert origins == Counter(row["result_id"] for row in results)
    assert {row["path"] for row in _rows(warehouse, CORE_LEGACY__QUARANTINE)} <= files.keys()
    environments = {row["environment_id"] for row in _rows(warehouse, CORE_LEGACY__ENVIRONMENTS)}
    assert {row["environment_id"] for row in results} - {None} == environments


def require_same(warehouse: Path, expected: dict[str, Counter[str]]) -> None:
    """Raise AssertionError that tells the first differing rows unless the tables have exactly the expected ones."""
    tables = tables_of(warehouse)
    assert tables is not None, "there are no tables"
    for name, rows in expected.items():
        more, less = tables[name] - rows, rows - tables[name]
        told = "\n".join(
            [*(f"  is there: {row}" for row in list(more)[:2]), *(f"  expected: {row}" for row in list(less)[:2])]
        )
        assert tables[name] == rows, f"{name} has {len(more)} other rows and lacks {len(less)}:\n{told}"


def require_untorn(warehouse: Path, before: object, after: object) -> None:
    """Raise AssertionError unless the tables are those of before the ingest or those of after it."""
    tables = tables_of(warehouse)
    assert tables in (before, after), "the tables are neither those of before nor those of after the ingest"
    if tables is not None:
        require_consistent(warehouse)


def _count_changes(die_at: int) -> Counter[str]:
    """Count this process's changes to the file system from now on, and die before change `die_at`."""
    counts: Counter[str] = Counter()

    def _counted(name: str) -> Any:
        change = getattr(os, name)

        def _change(*arguments: Any, **options: Any) -> Any:
            counts["changes"] += 1
            if counts["changes"] == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*arguments, **options)

        return _change

    for name in FILE_SYSTEM_CHANGES:
        setattr(os, name, _counted(name))
    return counts


def _main(warehouse: str, die_at: str, *folders: str) -> None:
    from hwbench_pipeline.legacy.ingest import ingest_into

    print("ready", flush=True)
    counts = _count_changes(int(die_at))
    ingest_into(Path(warehouse), [Path(folder) for folder in folders])
    print(f"done {counts['changes']}", flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
