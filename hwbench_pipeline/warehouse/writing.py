"""Writing tables: checked rows, a temporary name, an atomic rename.

Belongs here: every way a Parquet file of the warehouse comes into being. A reader beside a writer sees the old
file or the new one, never half of one. Does not belong here: what the rows say.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import filelock
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from hwbench_pipeline.schema.arrow import arrow_table
from hwbench_pipeline.schema.table import Row, Table
from hwbench_pipeline.schema.tables import CORE_BENCH__ENVIRONMENTS
from hwbench_pipeline.warehouse.location import Cell, part_file, table_file, table_folder

_TEMPORARY = re.compile(
    r"\..+\.(?:(?P<host>[0-9a-f]{8})-(?P<process>[0-9]{1,9})-[0-9a-f]{12}|[0-9a-f]{32})\.tmp(?:\.wal)?"
)
"""What `replacing` calls a file while it is written; older versions did not name the writer."""
_LONGEST_WRITE_S = 86_400.0


class WarehouseError(Exception):
    """The warehouse cannot be written or read; the message names the path and the fix."""


def cannot_write(
    path: Path, error: Exception, option: str = "--warehouse", *, folder: Path | None = None
) -> WarehouseError:
    """The error for a file, or for the whole folder, that cannot be written, with the fix; `option` names its folder."""
    reason = getattr(error, "strerror", None) or " ".join(str(error).split())
    return WarehouseError(
        f"cannot write {path}: {reason}. Fix: make {folder or path.parent} writable and leave it free disk space, or name "
        f"another folder with {option}"
    )


@contextmanager
def replacing(path: Path, option: str = "--warehouse") -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not.

    The temporary name begins with a dot and ends in `.tmp`, so no reader's pattern matches it. What killed writers left
    in the folder is removed. Raises `WarehouseError` where the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{_host_mark()}-{os.getpid()}-{uuid.uuid4().hex[:12]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(path.parent)
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error, option) from error
    finally:
        for left_over in (
            temporary,
            temporary.with_name(f"{temporary.name}.wal"),
        ):  # DuckDB keeps a log beside its file
            with suppress(OSError):  # where nothing could be written there is nothing to remove
                left_over.unlink()


@cache
def _host_mark() -> str:
    """This host in the name of a temporary file: a process id tells nothing about another host's processes."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _remove_left_behind(folder: Path) -> None:
    """Remove the temporary files of this host's writers that are gone, and those of others that nobody touched for a day."""
    for name in os.listdir(folder):  # noqa: PTH208 - names alone, of folders with many files
        found = _TEMPORARY.fullmatch(name)
        if found is None:
            continue
        left_over = folder / name
        with suppress(OSError):
            if found["host"] == _host_mark():
                is_left = not psutil.pid_exists(int(found["process"]))
            else:
                is_left = time.time() - left_over.stat().st_mtime > _LONGEST_WRITE_S
            if is_left:
                left_over.unlink()


def require_writable(warehouse: Path) -> None:
    """Raise `WarehouseError` where the folder cannot be made or written: known before the work, not after it."""
    try:
        warehouse.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=warehouse):
            pass
    except OSError as error:
        raise cannot_write(warehouse, error, folder=warehouse) from error


@contextmanager
def one_writer(warehouse: Path, what: str) -> Iterator[None]:
    """Be the only process that reads, changes and writes some tables of the warehouse; others wait their turn."""
    lock = filelock.FileLock(warehouse / f".{what}.lock")
    try:
        warehouse.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise cannot_write(warehouse, error, folder=warehouse) from error
    try:
        yield
    finally:
        lock.release()


def write_parquet(data: pa.Table, path: Path) -> Path:
    """Write a pyarrow table, zstd-compressed, atomically. Returns the path."""
    with replacing(path) as temporary:
        pq.write_table(data, temporary, compression="zstd")
    return path


def write_table(warehouse: Path, table: Table, rows: Sequence[Row]) -> Path:
    """Write a whole table. Raises `SchemaError` with every problem before anything is written."""
    return write_parquet(arrow_table(table, rows), table_file(warehouse, table))


def write_part(warehouse: Path, table: Table, part: str, rows: Sequence[Row]) -> Path:
    """Write one part of a table anew, whose rows no other part has. Raises `SchemaError` before anything is written."""
    return write_parquet(arrow_table(table, rows), part_file(warehouse, table, part))


def write_run(warehouse: Path, table: Table, cell: Cell, run_id: str, rows: Sequence[Row]) -> Path:
    """Write one execution of a cell beside its older ones. Raises `SchemaError` before anything is written."""
    return write_parquet(arrow_table(table, rows), cell.run_file(warehouse, table, run_id))


def write_environments(warehouse: Path, rows: Sequence[Row]) -> None:
    """Write environments, one file each, named by content: writing one again changes nothing."""
    for row in rows:
        path = table_folder(warehouse, CORE_BENCH__ENVIRONMENTS) / f"environment={row['environment_id']}.parquet"
        if not path.exists():
            write_parquet(arrow_table(CORE_BENCH__ENVIRONMENTS, [row]), path)
