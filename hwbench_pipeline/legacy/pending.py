"""What the next ingest would bring: files that are new, or whose bytes are others than those that the tables know.

Belongs here: looking, without reading results and without writing anything. Does not belong here: ingesting (`ingest`),
or what follows from a look (`orchestration/`).

A look has two steps. The system's word on size, modification time and inode settles most files; only the others, which
are `unsettled`, are opened to see whether their bytes are known.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwbench_pipeline.legacy.batches import list_batches
from hwbench_pipeline.legacy.contents import read_content
from hwbench_pipeline.legacy.finding import FileState, FoundFile, absolute_path, find_entries
from hwbench_pipeline.legacy.ingest import own_folders, register_found
from hwbench_pipeline.legacy.publishing import register_batches
from hwbench_pipeline.warehouse.reading import connect

ENOUGH_BYTES = 2 * 1024**3


@dataclass(frozen=True)
class UnsettledFile:
    """A file whose state is not the one that is known of its path. The other fields are None where none is known."""

    found: FoundFile
    known_batch: str | None
    known_sha256: str | None
    known_problem: str | None


@dataclass(frozen=True)
class PendingChange:
    """A file that an ingest would bring a row for: `content` is the SHA-256 of its bytes, or why they cannot be read.

    `after_batch` is the batch that brought what is known of the path; None where nothing is.
    """

    path: str
    content: str
    after_batch: str | None


_UNSETTLED = """
SELECT found.position, version.batch_id, version.sha256, version.problem
FROM found LEFT JOIN current_version AS version ON version.path = found.path
WHERE version.path IS NULL OR version.sha256 IS NULL OR version.size IS DISTINCT FROM found.size
    OR version.mtime_ns IS DISTINCT FROM found.mtime_ns OR version.inode IS DISTINCT FROM found.inode
ORDER BY found.position
"""


def unsettled_files(warehouse: Path, paths: Sequence[Path]) -> list[UnsettledFile]:
    """The files under the paths that are not known, or not in their present state; no file is opened.

    Raises `WarehouseError` where the batches cannot be read.
    """
    roots = [absolute_path(path) for path in paths]
    found = find_entries([root for root in roots if os.path.lexists(root)], leave_out=own_folders(warehouse, roots))
    with connect() as connection:
        register_batches(connection, list_batches(warehouse))
        register_found(connection, found)
        rows = connection.execute(_UNSETTLED).fetchall()
    return [UnsettledFile(found[position], *known) for position, *known in rows]


def pending_changes(unsettled: Iterable[UnsettledFile], *, enough_bytes: int = ENOUGH_BYTES) -> list[PendingChange]:
    """Those of the files that an ingest would bring a row for: a file with other times and its old bytes is not among them.

    A file that changes meanwhile is left for the next look. Once there is a change and `enough_bytes` were read, files
    that follow stand for themselves by size and modification time: that there is something to do is known by then.
    """
    changes: list[PendingChange] = []
    n_bytes = 0
    for file in unsettled:
        path, state = file.found
        if changes and state is not None and n_bytes > enough_bytes:
            changes.append(PendingChange(path, f"{state.size} bytes of {state.mtime_ns} ns", file.known_batch))
            continue
        content = read_content(Path(path))
        n_bytes += 0 if state is None else state.size
        if _state_now(path) != state:
            continue
        if content.sha256 is not None:
            is_pending = content.sha256 != file.known_sha256
        else:  # as the ingest does: what was read of it once stays, and the same problem is not told twice
            is_pending = file.known_sha256 is None and content.problem != file.known_problem
        if is_pending:
            changes.append(PendingChange(path, content.sha256 or content.problem or "", file.known_batch))
    return changes


def fingerprint_of_look(unsettled: Iterable[UnsettledFile]) -> str:
    """Changes when a look at the same files may find something else: with their states, and with what is known of them."""
    return _hashed((*file.found, file.known_batch, file.known_sha256) for file in unsettled)


def fingerprint_of_changes(changes: Iterable[PendingChange]) -> str:
    """Names what there is to ingest by its content: the same bytes in place of the same known ones have the same name."""
    return _hashed((change.path, change.content, change.after_batch) for change in changes)


def _hashed(parts: Iterable[tuple[object, ...]]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr(part).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()


def _state_now(path: str) -> FileState | None:
    try:
        return FileState.of(os.stat(path))  # noqa: PTH116 - a file, a broken link, a pipe
    except (OSError, ValueError):
        return None
