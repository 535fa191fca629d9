"""Batches: what each ingest found out, kept as files that are only ever added.

Belongs here: how a batch is written, committed, listed and undone. Does not belong here: reading old files (`ingest`)
or making tables of the batches (`publishing`).

A batch is the folder `<warehouse>/legacy_batches/<batch_id>/`. It is written under a name that begins with a dot and
renamed when it is whole: the rename commits it. Nothing in it changes afterwards; undoing it adds `undone.json`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hwbench_pipeline.legacy.facts import identities_of, repeats_within_file
from hwbench_pipeline.legacy.finding import FileState
from hwbench_pipeline.legacy.json_values import pointer_text, storable
from hwbench_pipeline.legacy.quarantine import keep_bytes, reason_kind
from hwbench_pipeline.legacy.reading import Reading
from hwbench_pipeline.legacy.shapes import originality_of
from hwbench_pipeline.schema.arrow import arrow_schema
from hwbench_pipeline.schema.table import Row, Table
from hwbench_pipeline.schema.tables import CORE_LEGACY__ENVIRONMENTS, CORE_LEGACY__RESULTS
from hwbench_pipeline.schema.validation import find_problems
from hwbench_pipeline.warehouse.writing import WarehouseError, cannot_write, replacing

FOLDER = "legacy_batches"
_MANIFEST, _UNDONE = "batch.json", "undone.json"
_ID_FORMAT = "%Y%m%dT%H%M%S%fZ"
_ROWS_PER_GROUP = 4096

_TEXT, _INT = pa.string(), pa.int64()


def _stored_schema(table: Table, leave_out: Sequence[str] = ()) -> list[pa.Field]:
    return [
        field.with_nullable(nullable=True).remove_metadata()
        for field in arrow_schema(table)
        if field.name not in leave_out
    ]


VERSIONS, CONTENTS, RECORDS, QUARANTINED, ENVIRONMENTS = (
    "versions",
    "contents",
    "records",
    "quarantined",
    "environments",
)
SCHEMAS: dict[str, pa.Schema] = {
    VERSIONS: pa.schema(
        [
            ("batch_id", _TEXT),
            ("path", _TEXT),
            ("change", _TEXT),
            ("role", _TEXT),
            ("size", _INT),
            ("mtime_ns", _INT),
            ("inode", _INT),
            ("sha256", _TEXT),
            ("reading_batch", _TEXT),
            ("problem", _TEXT),
            ("problem_kind", _TEXT),
        ]
    ),
    CONTENTS: pa.schema(
        [
            ("batch_id", _TEXT),
            ("sha256", _TEXT),
            ("bytes", _INT),
            ("shape", _TEXT),
            ("status", _TEXT),
            ("error", _TEXT),
            ("n_records", _INT),
            ("n_quarantined", _INT),
            ("is_kept", pa.bool_()),
            ("naive_zone", _TEXT),
            ("derived_zone", _TEXT),
            ("reader", _TEXT),
        ]
    ),
    RECORDS: pa.schema(
        [
            ("batch_id", _TEXT),
            ("position", _INT),
            ("fact", _TEXT),
            ("timing", _TEXT),
            ("originality", _INT),
            *_stored_schema(CORE_LEGACY__RESULTS, ("source_path",)),
        ]
    ),
    QUARANTINED: pa.schema(
        [
            ("batch_id", _TEXT),
            ("sha256", _TEXT),
            ("place", _INT),
            ("pointer", _TEXT),
            ("reason", _TEXT),
            ("reason_kind", _TEXT),
            ("candidates", _TEXT),
        ]
    ),
    ENVIRONMENTS: pa.schema([("batch_id", _TEXT), *_stored_schema(CORE_LEGACY__ENVIRONMENTS)]),
}
"""The Parquet files of a batch. A version is the state of one path: `reading_batch` names the batch whose contents and
records are what the reader made of its bytes. A path's current version is that of its newest batch not undone."""


@dataclass(frozen=True)
class Batch:
    """One committed ingest. `counts` holds files by what changed; `undone_at` is None while it has effect."""

    batch_id: str
    folder: Path
    started_at: datetime
    finished_at: datetime
    roots: tuple[str, ...]
    timezone: str | None
    reader: str
    counts: Mapping[str, int]
    undone_at: datetime | None = None

    def file(self, name: str) -> Path:
        """The Parquet file of that name; a batch that changed nothing has none."""
        return self.folder / f"{name}.parquet"


class UnknownBatchError(WarehouseError):
    """There is no such batch, or it was undone already; the message lists what can be undone."""


def list_batches(warehouse: Path) -> list[Batch]:
    """Every committed batch, the oldest first, those undone too. Raises `WarehouseError` for one that is damaged."""
    folder = warehouse / FOLDER
    members = sorted(folder.iterdir()) if folder.is_dir() else []
    return [_read_batch(member) for member in members if member.is_dir() and not member.name.startswith(".")]


def _read_batch(folder: Path) -> Batch:
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        undone = folder / _UNDONE
        undone_at = json.loads(undone.read_text(encoding="utf-8"))["undone_at"] if undone.exists() else None
        return Batch(
            batch_id=folder.name,
            folder=folder,
            started_at=datetime.fromisoformat(manifest["started_at"]),
            finished_at=datetime.fromisoformat(manifest["finished_at"]),
            roots=tuple(manifest["roots"]),
            timezone=manifest["timezone"],
            reader=manifest["reader"],
            counts=manifest["counts"],
            undone_at=None if undone_at is None else datetime.fromisoformat(undone_at),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WarehouseError(
            f"cannot read the batch {folder}: {' '.join(str(error).split())}. Fix: restore it from a backup, or move it "
            "away and ingest the old files again; the old files themselves are untouched"
        ) from error


def live_batches(batches: Iterable[Batch]) -> list[Batch]:
    """The batches that have effect: not undone, and with a change."""
    return [batch for batch in batches if batch.undone_at is None and batch.file(VERSIONS).exists()]


def live_batch_ids(warehouse: Path) -> list[str]:
    """The ids of the batches that have effect, by which files are there; none is opened, so that damage does not matter."""
    members = sorted((warehouse / FOLDER).glob("[!.]*"))
    return [
        member.name
        for member in members
        if (member / f"{VERSIONS}.parquet").exists() and not (member / _UNDONE).exists()
    ]


def mark_undone(warehouse: Path, batch_id: str) -> Batch:
    """Mark a batch as undone and give it as it was. Raises `UnknownBatchError` where it cannot be."""
    batches = list_batches(warehouse)
    batch = next((batch for batch in batches if batch.batch_id == batch_id), None)
    can_be = ", ".join(batch.batch_id for batch in batches if batch.undone_at is None) or "none"
    if batch is None:
        raise UnknownBatchError(
            f"there is no batch {batch_id!r} in {warehouse}. Fix: undo one of those that can be undone: {can_be}"
        )
    if batch.undone_at is not None:
        raise UnknownBatchError(
            f"batch {batch_id} was undone already, at {batch.undone_at:%Y-%m-%d %H:%M:%S} UTC. Fix: none needed, or undo "
            f"one of those that can be undone: {can_be}"
        )
    with replacing(batch.folder / _UNDONE) as temporary:
        temporary.write_text(json.dumps({"undone_at": datetime.now(UTC).isoformat()}), encoding="utf-8")
    return batch


def remove_unfinished(warehouse: Path) -> None:
    """Remove what a killed ingest left. The caller is the only writer."""
    folder = warehouse / FOLDER
    if folder.is_dir():
        for left_over in folder.glob(".*"):
            shutil.rmtree(left_over, ignore_errors=True)


def sync_files(folder: Path) -> None:
    """Bring the files of a folder to the disk. Raises OSError where the system refuses."""
    for path in folder.iterdir():
        with path.open("rb") as written:
            os.fsync(written.fileno())
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True)
class NewVersion:
    """The state of one path as an ingest found it. `problem` says why it has no hash."""

    path: str
    change: str
    role: str
    state: FileState | None
    sha256: str | None
    reading_batch: str | None
    problem: str | None = None


@dataclass(frozen=True)
class _Pending:
    """A reading that is not written yet."""

    sha256: str
    path: Path
    reading: Reading
    is_kept: bool
    naive_zone: str | None
    rows: list[dict[str, Any]]
    quarantined: list[dict[str, Any]]


@dataclass
class BatchWriter:
    """Writes one batch piece by piece; memory holds some thousand rows at most.

    Nothing is on disk until something has changed: an ingest without changes is a manifest alone.
    """

    warehouse: Path
    roots: tuple[str, ...]
    timezone: str | None
    reader: str
    newest_id: str | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    batch_id: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    _writers: dict[str, pq.ParquetWriter] = field(default_factory=dict)
    _versions: list[NewVersion] = field(default_factory=list)
    _pending: list[_Pending] = field(default_factory=list)
    _n_pending_rows: int = 0
    _has_kept: bool = False
    _environments: list[dict[str, Any]] = field(default_factory=list)
    _known_environments: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.batch_id = _id_after(self.newest_id, self.started_at)
        self._folder = self.warehouse / FOLDER / f".{self.batch_id}"

    def add_version(self, version: NewVersion) -> None:
        """Add the state of a path."""
        self.counts[version.change] += 1
        self._versions.append(version)
        if len(self._versions) >= _ROWS_PER_GROUP:
            self._flush_versions()

    def add_reading(self, sha256: str, reading: Reading, *, path: Path, is_kept: bool, naive_zone: str | None) -> None:
        """Add what the reader made of some bytes: at most once for the same bytes."""
        quarantined = [
            {
                "pointer": pointer_text(place.pointer) or None,
                "reason": storable(place.reason),
                "candidates": None if place.candidates is None else storable(place.candidates),
            }
            for place in reading.quarantined
        ]
        if reading.status == "quarantined" and not quarantined:
            quarantined.append({"pointer": None, "reason": reading.error or "cannot be read", "candidates": None})
        pending = _Pending(sha256, path, reading, is_kept, naive_zone, list(reading.rows), quarantined)
        self._pending.append(pending)
        self._n_pending_rows += len(reading.rows)
        for key, row in reading.environments.items():
            if key not in self._known_environments:
                self._known_environments.add(key)
                self._environments.append(row)
        if self._n_pending_rows >= _ROWS_PER_GROUP or len(self._pending) >= _ROWS_PER_GROUP:
            self._flush_readings()

    def commit(self) -> Batch:
        """Finish every file and give the folder its name. Raises `WarehouseError` where it cannot be written."""
        final = self.warehouse / FOLDER / self.batch_id
        try:
            self._flush_versions()
            self._flush_readings()
            for writer in self._writers.values():
                writer.close()
            if self._has_kept:
                os.sync()  # the batch names bytes in quarantine: they are on the disk before it is
            self._folder.mkdir(parents=True, exist_ok=True)
            manifest = {
                "started_at": self.started_at.isoformat(),
                "finished_at": datetime.now(UTC).isoformat(),
                "roots": self.roots,
                "timezone": self.timezone,
                "reader": self.reader,
                "counts": dict(self.counts),
            }
            (self._folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            sync_files(self._folder)
            self._folder.rename(final)
            sync_folder(final.parent)
        except OSError as error:
            raise cannot_write(final, error) from error
        return _read_batch(final)

    def abandon(self) -> None:
        """Remove what was written so far; after `commit` there is nothing left to remove."""
        for writer in self._writers.values():
            with suppress(OSError, pa.ArrowException):
                writer.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _flush_versions(self) -> None:
        versions, self._versions = self._versions, []
        self._write(
            VERSIONS,
            [
                {
                    **vars(version),
                    "size": None if version.state is None else version.state.size,
                    "mtime_ns": None if version.state is None else version.state.mtime_ns,
                    "inode": None if version.state is None else version.state.inode,
                    "problem_kind": None if version.problem is None else reason_kind(version.problem),
                }
                for version in versions
            ],
        )

    def _flush_readings(self) -> None:
        readings, self._pending, self._n_pending_rows = self._pending, [], 0
        records = self._checked_records(readings)
        if records.num_rows:
            self._writer(RECORDS).write_table(records)
        contents: list[dict[str, Any]] = []
        quarantined: list[dict[str, Any]] = []
        for pending in readings:
            reading = pending.reading
            # what `_checked_records` put aside is counted here, and only here
            n_refused = len(reading.rows) - len(pending.rows)
            status, error = reading.status, reading.error
            if n_refused:
                refused = f"{n_refused} records put aside: {pending.quarantined[-1]['reason']}"
                error = f"{error}; {refused}" if error else refused
                status = status if pending.rows else "quarantined"
            is_kept = pending.is_kept or (n_refused > 0 and self._is_kept(pending))
            self._has_kept |= is_kept
            contents.append(
                {
                    "sha256": pending.sha256,
                    "bytes": reading.n_bytes,
                    "shape": reading.shape,
                    "status": status,
                    "error": error,
                    "n_records": reading.n_records,
                    "n_quarantined": reading.n_quarantined + n_refused,
                    "is_kept": is_kept,
                    "naive_zone": pending.naive_zone,
                    "derived_zone": reading.derived_zone,
                    "reader": self.reader,
                }
            )
            quarantined += [
                {**row, "sha256": pending.sha256, "place": place, "reason_kind": reason_kind(row["reason"])}
                for place, row in enumerate(pending.quarantined)
            ]
        self._write(CONTENTS, contents)
        self._write(QUARANTINED, quarantined)
        environments, self._environments = self._environments, []
        self._write(ENVIRONMENTS, environments)

    def _is_kept(self, pending: _Pending) -> bool:
        try:
            return keep_bytes(self.warehouse, pending.sha256, None, pending.path)
        except OSError:
            return False

    def _checked_records(self, readings: Sequence[_Pending]) -> pa.Table:
        """The rows of the readings as Arrow. Rows that break the schema are put aside: no reader's fault costs a batch."""
        for pending in readings:
            _put_aside(pending, _rule_problems)
        try:
            records = self._records(readings)
            if not _breaks_bounds(CORE_LEGACY__RESULTS, records):
                return records
        except (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError):
            pass
        for pending in readings:
            _put_aside(pending, _column_problems)
        return self._records(readings)

    def _records(self, readings: Sequence[_Pending]) -> pa.Table:
        rows: list[dict[str, Any]] = []
        own: list[tuple[int, str | None, str | None, int]] = []
        for pending in readings:
            originality = originality_of(pending.reading.shape)
            seen: Counter[str] = Counter()
            for position, row in enumerate(pending.rows):
                fact, timing = identities_of(row)
                if fact is not None and repeats_within_file(fact):
                    seen[fact] += 1
                    fact = f"{fact}:{seen[fact]}"
                rows.append(row)
                own.append((position, fact, timing, originality))
        names = ("position", "fact", "timing", "originality")
        return self._table(RECORDS, rows, dict(zip(names, zip(*own, strict=True), strict=True)) if own else {})

    def _table(
        self, name: str, rows: Sequence[Row], beside: Mapping[str, Sequence[object]] = MappingProxyType({})
    ) -> pa.Table:
        """The rows as Arrow; `beside` holds columns that are not in the rows, which hold all others."""
        schema = SCHEMAS[name]
        given = {"batch_id": [self.batch_id] * len(rows), **beside}
        columns = [
            pa.array(given[field.name] if field.name in given else list(map(itemgetter(field.name), rows)), field.type)
            for field in schema
        ]
        return pa.Table.from_arrays(columns, schema=schema)

    def _write(self, name: str, rows: Sequence[Row]) -> None:
        if rows:
            self._writer(name).write_table(self._table(name, rows))

    def _writer(self, name: str) -> pq.ParquetWriter:
        if name not in self._writers:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writers[name] = pq.ParquetWriter(
                self._folder / f"{name}.parquet", SCHEMAS[name], compression="zstd", compression_level=1
            )
        return self._writers[name]


def _id_after(newest: str | None, now: datetime) -> str:
    """An id that sorts after the newest one, also where the clock was set back."""
    own = now.strftime(_ID_FORMAT)
    if newest is None or own > newest:
        return own
    return (datetime.strptime(newest, _ID_FORMAT).replace(tzinfo=UTC) + timedelta(microseconds=1)).strftime(_ID_FORMAT)


def _put_aside(pending: _Pending, problem_of: Any) -> None:
    """Move rows with a problem from the reading's rows to what it has in quarantine."""
    kept: list[dict[str, Any]] = []
    keys: set[str] = set()
    for row in pending.rows:
        problem = problem_of(row)
        if problem is None and row["result_id"] in keys:
            problem = "another record stands at the same place"
        if problem is None:
            keys.add(row["result_id"])
            kept.append(row)
        else:
            reason = storable(f"its row breaks the table's rules: {problem}. Fix: correct the shape that read it")
            pending.quarantined.append(
                {"pointer": row.get("source_pointer") or None, "reason": reason, "candidates": None}
            )
    pending.rows[:] = kept


_ROW_RULES = tuple(rule for rule in CORE_LEGACY__RESULTS.rules if rule.name != "result_id_is_of_key")


def _rule_problems(row: Row) -> str | None:
    try:
        return next((wrong for rule in _ROW_RULES if (wrong := rule.broken(row)) is not None), None)
    except (TypeError, KeyError):  # a value of the wrong type, which the columns' check names
        return None


def _column_problems(row: Row) -> str | None:
    problems = find_problems(CORE_LEGACY__RESULTS, [row])
    return f"{problems[0].column}: {problems[0].problem}" if problems else None


def _breaks_bounds(table: Table, data: pa.Table) -> bool:
    """Whether any value of the columns is out of what the table allows; types are Arrow's already."""
    for column in table.columns:
        if column.name not in data.schema.names:
            continue
        values = data.column(column.name)
        if not column.nullable and values.null_count:
            return True
        if pa.types.is_list(values.type):
            values = pc.list_flatten(values)
            if values.null_count:
                return True
        if len(values) == values.null_count:
            continue
        if pa.types.is_floating(values.type) and not pc.all(pc.is_finite(values)).as_py():
            return True
        if (
            column.allowed is not None
            and not pc.all(pc.is_in(values.drop_null(), value_set=pa.array(column.allowed))).as_py()
        ):
            return True
        if column.above is not None and pc.min(values).as_py() <= column.above:
            return True
        if column.at_least is not None and pc.min(values).as_py() < column.at_least:
            return True
        if pa.types.is_string(values.type) and pc.min(pc.binary_length(values)).as_py() == 0:
            return True
    return False
