"""Ingesting old result files into a warehouse: what is new is read, becomes a batch, and the tables follow.

Belongs here: comparing what is on disk with what is known, and the course of one ingest. Does not belong here: reading
one file (`reading`), the form of a batch (`batches`), or which record stands for a fact (`publishing`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path

import duckdb
import pyarrow as pa

from hwbench_pipeline.legacy import batches, publishing, quarantine
from hwbench_pipeline.legacy.batches import Batch, BatchWriter, NewVersion, list_batches, mark_undone, remove_unfinished
from hwbench_pipeline.legacy.contents import FileContent, read_content
from hwbench_pipeline.legacy.finding import FileState, FoundFile, absolute_path, find_entries, stored_text
from hwbench_pipeline.legacy.json_values import storable
from hwbench_pipeline.legacy.private_copies import remove_left_behind
from hwbench_pipeline.legacy.publishing import lags, publish, published_batches, register_batches
from hwbench_pipeline.legacy.quarantine import keep_bytes, kept_bytes
from hwbench_pipeline.legacy.reader_code import reader_fingerprint
from hwbench_pipeline.legacy.reading import Reading, read_file
from hwbench_pipeline.legacy.roles import role_of
from hwbench_pipeline.legacy.zones import zone_named, zone_text
from hwbench_pipeline.schema.duckdb_sql import literal
from hwbench_pipeline.schema.tables import RAW_LEGACY__FILES
from hwbench_pipeline.schema.tables.accounts import COUNTS, ROW_COUNTS
from hwbench_pipeline.warehouse.location import table_file
from hwbench_pipeline.warehouse.reading import connect
from hwbench_pipeline.warehouse.writing import one_writer

Progress = Callable[[int, int, str], None]
"""Called after each file with the number done, the number found and the file's path."""

LOCK = "legacy"


@dataclass(frozen=True)
class Ingested:
    """What one ingest did. `n_files`, `files_by_status` and `records` count what the tables now hold under its paths.

    `changes` counts the files whose state is another than before: new, changed, reread (the same bytes, by another
    reader or in another zone), and unreadable (read before, refused now; what is known stays). `n_unchanged` files were not opened. `has_published` is False where the tables are
    those of before.
    """

    batch: Batch
    n_unchanged: int
    has_published: bool
    n_files: int
    files_by_status: dict[str, int]
    records: dict[str, int]

    @property
    def changes(self) -> dict[str, int]:
        """Files by what changed; empty where nothing did."""
        return dict(self.batch.counts)

    @property
    def n_rows(self) -> int:
        """Records that are rows of the results, those of failed attempts too."""
        return sum(self.records[name] for name in ROW_COUNTS)


def ingest_into(
    warehouse: Path,
    paths: Sequence[Path],
    *,
    naive_zone: tzinfo | None = None,
    on_progress: Progress | None = None,
) -> Ingested:
    """Ingest files and folders as one batch; what is known from elsewhere stays, also of files that are gone.

    `naive_zone` is the zone of local times that state none; a file that was read with another is read again with this
    one. Without it a file keeps the zone it was read with, and new ones have no instants. Raises FileNotFoundError for
    a path that neither exists nor was ever ingested, `WarehouseError` where the warehouse cannot be read or written;
    never for what a file holds. Killed at any moment, it leaves the tables of before or of after, and the next ingest
    does what is left.
    """
    with one_writer(warehouse, LOCK):
        remove_unfinished(warehouse)
        remove_left_behind()
        known = list_batches(warehouse)
        roots = [absolute_path(path) for path in paths]
        writer = BatchWriter(
            warehouse,
            roots=tuple(stored_text(str(root)) for root in roots),
            timezone=zone_text(naive_zone),
            reader=reader_fingerprint(),
            newest_id=known[-1].batch_id if known else None,
        )
        try:
            with connect() as connection:
                register_batches(connection, known)
                _require_known(connection, roots)
                present = [root for root in roots if os.path.lexists(root)]
                found = find_entries(present, leave_out=own_folders(warehouse, roots))
                work = _compare(connection, found, writer)
            _read_changed(warehouse, writer, found, work, on_progress)
            batch = writer.commit()
        finally:
            writer.abandon()
        has_published = publish(warehouse, [*known, batch])
        return Ingested(batch, len(found) - len(work.to_read), has_published, *_counts_under(warehouse, batch.roots))


def undo(warehouse: Path, batch_id: str) -> Batch:
    """Take back what a batch brought: the tables are as if it had never been, and its files are new to the next ingest.

    Returns the batch as it was. An undo of it that was cut off before the tables followed is finished. Raises
    `UnknownBatchError`, which lists the batches that can be undone.
    """
    with one_writer(warehouse, LOCK):
        cut_off = next(
            (
                batch
                for batch in list_batches(warehouse)
                if batch.batch_id == batch_id
                and batch.undone_at is not None
                and batch_id in published_batches(warehouse)
            ),
            None,
        )
        batch = cut_off or mark_undone(warehouse, batch_id)
        publish(warehouse)
    return batch


def finish_cut_off(warehouse: Path) -> bool:
    """Make the tables follow the batches where an ingest or an undo was cut off between the two.

    Returns whether there was anything to do. Raises `WarehouseError` where the warehouse cannot be written.
    """
    if not lags(warehouse):
        return False
    with one_writer(warehouse, LOCK):
        return publish(warehouse)


@dataclass(frozen=True)
class _KnownContent:
    reading_batch: str
    naive_zone: str | None
    is_current: bool


@dataclass(frozen=True)
class _Work:
    """What an ingest has to do: the positions of found files to read and why, and bytes to read from the quarantine.

    `contents` is what is known of bytes; `problems` the paths that had a problem, with its text.
    """

    to_read: list[tuple[int, str]]
    kept: list[tuple[str, str, int, int, int]]
    contents: dict[str, _KnownContent] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


_TO_READ = """
SELECT found.position, CASE
        WHEN version.path IS NULL THEN 'new'
        WHEN version.sha256 IS NULL OR version.size IS DISTINCT FROM found.size OR version.mtime_ns IS DISTINCT FROM
            found.mtime_ns OR version.inode IS DISTINCT FROM found.inode THEN 'changed'
        WHEN contents.reader <> $reader OR ($zone IS NOT NULL AND contents.naive_zone IS DISTINCT FROM $zone) THEN 'reread'
    END AS why
FROM found LEFT JOIN current_version AS version ON version.path = found.path
LEFT JOIN contents ON contents.batch_id = version.reading_batch AND contents.sha256 = version.sha256
WHERE why IS NOT NULL
ORDER BY found.position
"""

# one reading of each content: the newest that a version still names
_KNOWN_CONTENTS = """
SELECT contents.sha256, contents.batch_id, contents.naive_zone, contents.reader = $reader
FROM contents JOIN (
    SELECT sha256, max(reading_batch) AS batch_id FROM current_version WHERE sha256 IS NOT NULL GROUP BY sha256
) AS newest USING (sha256, batch_id)
"""

_KEPT = """
SELECT version.path, version.sha256, version.size, version.mtime_ns, version.inode
FROM current_version AS version
JOIN contents ON contents.batch_id = version.reading_batch AND contents.sha256 = version.sha256
WHERE contents.is_kept AND contents.reader <> $reader AND version.path NOT IN (SELECT path FROM found)
ORDER BY version.path
"""


def register_found(connection: duckdb.DuckDBPyConnection, found: Sequence[FoundFile]) -> None:
    """Make the view `found`: what is on disk, by position, with the state that the system tells of each path."""
    states = [entry.state for entry in found]
    connection.register(
        "found",
        pa.table(
            {
                "position": pa.array(range(len(found)), pa.int64()),
                "path": pa.array([stored_text(entry.path) for entry in found], pa.string()),
                "size": pa.array([None if state is None else state.size for state in states], pa.int64()),
                "mtime_ns": pa.array([None if state is None else state.mtime_ns for state in states], pa.int64()),
                "inode": pa.array([None if state is None else state.inode for state in states], pa.int64()),
            }
        ),
    )


def _compare(connection: duckdb.DuckDBPyConnection, found: Sequence[FoundFile], writer: BatchWriter) -> _Work:
    register_found(connection, found)
    reader = {"reader": writer.reader}
    to_read = connection.execute(_TO_READ, {**reader, "zone": writer.timezone}).fetchall()
    kept = connection.execute(_KEPT, reader).fetchall()
    if not to_read and not kept:
        return _Work([], [])
    contents = connection.execute(_KNOWN_CONTENTS, reader).fetchall()
    problems = connection.execute("SELECT path, problem FROM current_version WHERE sha256 IS NULL").fetchall()
    return _Work(
        to_read,
        kept,
        {sha256: _KnownContent(batch_id, zone, is_current) for sha256, batch_id, zone, is_current in contents},
        dict(problems),
    )


def _read_changed(
    warehouse: Path,
    writer: BatchWriter,
    found: Sequence[FoundFile],
    work: _Work,
    on_progress: Progress | None,
) -> None:
    n_unchanged = len(found) - len(work.to_read)
    for done, (position, change) in enumerate(work.to_read, start=n_unchanged + 1):
        entry = found[position]
        name = stored_text(entry.path)
        path = Path(entry.path)
        content = read_content(path)
        if content.sha256 is None:
            _note_problem(writer, work, entry, change, content)
        else:
            reading_batch = _reading_of(warehouse, writer, work, path, content)
            writer.add_version(NewVersion(name, change, role_of(name), content.state, content.sha256, reading_batch))
        if on_progress is not None:
            on_progress(done, len(found), name)
    if on_progress is not None and not work.to_read and found:
        on_progress(len(found), len(found), stored_text(found[-1].path))
    _reread_kept(warehouse, writer, work)


def _note_problem(writer: BatchWriter, work: _Work, entry: FoundFile, change: str, content: FileContent) -> None:
    """Account for a file without bytes. What was read of it before stays, as that of a file that is gone does."""
    name = stored_text(entry.path)
    is_known = change != "new" and name not in work.problems
    if is_known:
        writer.counts["unreadable"] += 1
    elif os.path.lexists(entry.path) and work.problems.get(name) != content.problem:
        state = content.state or entry.state
        writer.add_version(NewVersion(name, change, role_of(name), state, None, None, content.problem))


def _reading_of(warehouse: Path, writer: BatchWriter, work: _Work, path: Path, content: FileContent) -> str:
    """The batch that holds what the reader makes of some bytes: they are read unless that is known."""
    assert content.sha256 is not None
    known = work.contents.get(content.sha256)
    zone = writer.timezone or (known.naive_zone if known else None)
    if known is not None and known.is_current and known.naive_zone == zone:
        return known.reading_batch
    reading = _read_safely(path, content, None if zone is None else zone_named(zone))
    if content.state is not None:
        reading = replace(reading, n_bytes=content.state.size)
    is_kept = _has_put_aside(reading) and _is_kept(warehouse, content, path)
    writer.add_reading(content.sha256, reading, path=path, is_kept=is_kept, naive_zone=zone)
    work.contents[content.sha256] = _KnownContent(writer.batch_id, zone, is_current=True)
    return writer.batch_id


def _read_safely(path: Path, content: FileContent, zone: tzinfo | None) -> Reading:
    """What the reader makes of a file. A reader that fails is a fault of ours, which costs no other file its rows."""
    try:
        return read_file(path, content, zone)
    except Exception as error:  # noqa: BLE001 - whatever it is: the file goes to quarantine with it
        reason = f"the reader failed with {type(error).__name__}: {error}. Fix: report it, with the file, as a fault"
        return Reading(stored_text(str(path)), content.sha256, None, None, "quarantined", storable(reason))


def _has_put_aside(reading: Reading) -> bool:
    return reading.status == "quarantined" or reading.n_quarantined > 0 or bool(reading.quarantined)


def _is_kept(warehouse: Path, content: FileContent, path: Path) -> bool:
    try:
        return keep_bytes(warehouse, content.sha256 or "", content.data, path)
    except OSError:  # it was there a moment ago; what is known of it stands without its bytes
        return False


def _reread_kept(warehouse: Path, writer: BatchWriter, work: _Work) -> None:
    """Read what is in quarantine and was not found on disk with the reader of now."""
    for path, sha256, size, mtime_ns, inode in work.kept:
        data = kept_bytes(warehouse, sha256)
        if data is not None:
            content = FileContent(data, sha256)
            reading_batch = _reading_of(warehouse, writer, work, Path(path), content)
            state = FileState(size, mtime_ns, inode)
            writer.add_version(NewVersion(path, "reread", role_of(path), state, sha256, reading_batch))


def _require_known(connection: duckdb.DuckDBPyConnection, roots: Sequence[Path]) -> None:
    for root in roots:
        name = stored_text(str(root))
        known = "SELECT 1 FROM current_version WHERE path = $path OR starts_with(path, $folder) LIMIT 1"
        if not os.path.lexists(root) and not connection.execute(known, {"path": name, "folder": f"{name}/"}).fetchall():
            raise FileNotFoundError(
                f"{name} does not exist or cannot be reached, expected a result file or a folder of them. "
                "Fix: check the path"
            )


def own_folders(warehouse: Path, roots: Iterable[Path]) -> set[str]:
    """What is not searched for old files: the warehouse, which would feed on itself."""
    own = {os.path.realpath(warehouse / name) for name in (batches.FOLDER, publishing.FOLDER, quarantine.FOLDER)}
    whole = os.path.realpath(warehouse)
    if all(os.path.realpath(root) != whole for root in roots):
        own.add(whole)
    return own


def is_under(column: str, roots: Iterable[str]) -> str:
    """SQL that says whether a column of paths names one of the roots, or a file below one."""
    conditions = [
        f"{column} = {literal(root)} OR starts_with({column}, {literal(root.rstrip('/') + '/')})" for root in roots
    ]
    return f"({' OR '.join(conditions) or 'false'})"


def _counts_under(warehouse: Path, roots: Sequence[str]) -> tuple[int, dict[str, int], dict[str, int]]:
    """How many files the tables hold under the roots, by status, and the sums of their records."""
    path = literal(str(table_file(warehouse, RAW_LEGACY__FILES)))
    sums = ", ".join(f"sum({name})::BIGINT" for name in COUNTS)
    with connect() as connection:
        rows = connection.execute(
            f"SELECT status, count(*), {sums} FROM read_parquet({path}) WHERE {is_under('path', roots)} GROUP BY status"
        ).fetchall()
    by_status = {str(status): int(n_files) for status, n_files, *_ in sorted(rows)}
    records = {name: sum(row[position] for row in rows) for position, name in enumerate(COUNTS, start=2)}
    return sum(by_status.values()), by_status, records
