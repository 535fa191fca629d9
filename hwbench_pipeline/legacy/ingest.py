"""Ingesting old result files: the complete new content of the three legacy tables.

Belongs here: bringing the files that are read now together with the rows stored before, so that every file has one
row and every fact one. Does not belong here: reading one file (`reading`) or writing tables (`warehouse/`).
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

from hwbench_pipeline.legacy.documents import read_content
from hwbench_pipeline.legacy.facts import fact_of
from hwbench_pipeline.legacy.finding import absolute_path, find_files
from hwbench_pipeline.legacy.reading import Reading, read_file, stored_path
from hwbench_pipeline.legacy.shapes import originality_of
from hwbench_pipeline.schema.table import Row

Progress = Callable[[int, int, str], None]
"""Called after each file with the number read, the number found and the file's path."""

_CLASSES = ("measured", "simulated", "mock", "unknown")
_REPEATED = re.compile(r"(?:; )?\d+ records? of it stands? in the results already, from .*", re.DOTALL)


@dataclass(frozen=True)
class Previous:
    """The rows stored by earlier ingests: raw_legacy__files, core_legacy__results, core_legacy__environments."""

    files: Sequence[Row] = ()
    results: Sequence[Row] = ()
    environments: Sequence[Row] = ()


@dataclass(frozen=True)
class Ingested:
    """The complete new rows of raw_legacy__files, core_legacy__results and core_legacy__environments."""

    files: list[dict[str, Any]]
    results: list[dict[str, Any]]
    environments: list[dict[str, Any]]


def ingest(
    paths: Sequence[Path],
    previous: Previous | None = None,
    *,
    naive_zone: tzinfo | None = None,
    on_progress: Progress | None = None,
) -> Ingested:
    """Read every file under the paths and give the complete new content of the three legacy tables.

    Rows of files that are not under the paths, or are gone, stay; files that are read again replace their rows and
    keep when they were first seen. `naive_zone` is the zone of local times that state none; without it they have no
    instant. Raises FileNotFoundError for a path that neither exists nor was ever ingested; never for what a file holds.
    """
    stored = previous or Previous()
    known = {str(row["path"]): row for row in stored.files}
    found = find_files(_existing(paths, known))
    readings = _read_all(found, naive_zone, on_progress)
    readings |= _stored_readings(stored, readings, naive_zone)
    ordered = [readings[path] for path in sorted(readings)]
    settled = _drop_repeated_facts(_drop_identical_files(ordered))
    now = datetime.now(UTC)
    files = [_file_row(reading, known.get(reading.path), now) for reading in settled]
    results = [dict(row) for reading in settled for row in reading.rows]
    environments: dict[str, dict[str, Any]] = {str(row["environment_id"]): dict(row) for row in stored.environments}
    for reading in settled:
        environments |= reading.environments
    named = {row.get("environment_id") for row in results}
    return Ingested(files, results, [environments[key] for key in sorted(environments) if key in named])


def _existing(paths: Sequence[Path], known: Mapping[str, Row]) -> list[Path]:
    existing = []
    for path in paths:
        absolute = stored_path(absolute_path(path))
        if os.path.lexists(path):  # unlike Path.exists it does not raise for a folder that is closed to us
            existing.append(path)
        elif not any(name == absolute or name.startswith(f"{absolute}/") for name in known):
            raise FileNotFoundError(
                f"{absolute} does not exist or cannot be reached, expected a result file or a folder of them. Fix: check the path"
            )
    return existing


def _read_all(found: Sequence[Path], naive_zone: tzinfo | None, on_progress: Progress | None) -> dict[str, Reading]:
    readings: dict[str, Reading] = {}
    seen: set[str] = set()
    for position, path in enumerate(found, start=1):
        content = read_content(path)
        if content.sha256 is not None and content.sha256 in seen:
            # `_drop_identical_files` completes it from the first of its kind
            reading = Reading(stored_path(path), content.sha256, len(content.data or b""), None, "duplicate", None)
        else:
            reading = read_file(path, content, naive_zone)
            if content.sha256 is not None:
                seen.add(content.sha256)
        readings[reading.path] = reading
        if on_progress is not None:
            on_progress(position, len(found), reading.path)
    return readings


def _stored_readings(
    stored: Previous, readings: Mapping[str, Reading], naive_zone: tzinfo | None
) -> dict[str, Reading]:
    """The readings of stored files that were not read now.

    Tables do not hold the records that were left out because they stood in another file. Files with such records are
    read again, as are byte-identical files where a file that was read now has changed.
    """
    known = {str(row["path"]): row for row in stored.files}
    has_changed = any(known[path]["sha256"] != reading.sha256 for path, reading in readings.items() if path in known)
    rows_of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in stored.results:
        rows_of[str(row["source_path"])].append(dict(row))
    kept: dict[str, Reading] = {}
    for path, row in known.items():
        if path in readings:
            continue
        reading = Reading(
            path=path,
            sha256=row["sha256"],
            n_bytes=row["bytes"],
            shape=row["shape"],
            status=row["status"],
            error=row["error"],
            rows=tuple(rows_of[path]),
            n_quarantined=row["n_quarantined"],
            n_duplicates=row["n_duplicates"],
            is_complete=False,
        )
        if reading.n_duplicates and (has_changed or reading.status != "duplicate"):
            content = read_content(Path(path))
            if content.sha256 == reading.sha256:
                reading = read_file(Path(path), content, naive_zone)
        kept[path] = reading
    return kept


def _drop_identical_files(readings: Iterable[Reading]) -> list[Reading]:
    """Of files with the same bytes, the first by path keeps the rows; the others become duplicates of it."""
    groups: dict[str, list[Reading]] = defaultdict(list)
    settled: list[Reading] = []
    for reading in readings:
        if reading.sha256 is None:
            settled.append(reading)
        else:
            groups[reading.sha256].append(reading)
    for members in groups.values():
        first, *others = members
        # a reading made now is complete, a stored one may have lost rows that stood elsewhere
        holder = max(members, key=lambda member: (member.status != "duplicate", member.is_complete))
        rows = tuple({**row, "source_path": first.path} for row in holder.rows)
        keeper = replace(holder, path=first.path, rows=rows)
        settled.append(keeper)
        settled += [_duplicate_of(keeper, other) for other in others]
    return settled


def _duplicate_of(keeper: Reading, other: Reading) -> Reading:
    outcome = "" if keeper.status == "ingested" else f", which is {keeper.status}: {keeper.error}"
    return Reading(
        path=other.path,
        sha256=other.sha256,
        n_bytes=other.n_bytes,
        shape=keeper.shape,
        status="duplicate",
        error=f"byte-identical to {keeper.path}{outcome}",
        n_duplicates=len(keeper.rows) + keeper.n_duplicates + keeper.n_quarantined,
    )


def _drop_repeated_facts(readings: Sequence[Reading]) -> list[Reading]:
    """Of rows that are one fact, the one in the most original file stays, whatever order files were found in."""
    holders: dict[Hashable, tuple[int, str, str]] = {}
    facts: dict[str, list[Hashable | None]] = {}
    for reading in readings:
        facts[reading.path] = [fact_of(row) for row in reading.rows]
        for row, fact in zip(reading.rows, facts[reading.path], strict=True):
            if fact is not None:
                place = _place(reading, row)
                holders[fact] = min(holders.get(fact, place), place)
    settled = []
    for reading in readings:
        rows: list[dict[str, Any]] = []
        elsewhere: set[str] = set()
        for row, fact in zip(reading.rows, facts[reading.path], strict=True):
            if fact is None or holders[fact] == _place(reading, row):
                rows.append(row)
            else:
                elsewhere.add(holders[fact][1])
        settled.append(_without_repeated(reading, rows, elsewhere))
    return sorted(settled, key=lambda reading: reading.path)


def _place(reading: Reading, row: Row) -> tuple[int, str, str]:
    return (originality_of(reading.shape), reading.path, str(row["source_pointer"]))


def _without_repeated(reading: Reading, rows: list[dict[str, Any]], elsewhere: set[str]) -> Reading:
    n_repeated = len(reading.rows) - len(rows)
    if not n_repeated:
        return reading
    n_duplicates = reading.n_duplicates + n_repeated
    noun = "records of it stand" if n_duplicates > 1 else "record of it stands"
    remark = f"{n_duplicates} {noun} in the results already, from {', '.join(sorted(elsewhere))}"
    error = "; ".join(part for part in (_REPEATED.sub("", reading.error or ""), remark) if part)
    return replace(reading, rows=tuple(rows), n_duplicates=n_duplicates, error=error)


def _file_row(reading: Reading, known: Row | None, now: datetime) -> dict[str, Any]:
    provenances = Counter(row["provenance"] for row in reading.rows)
    return {
        "path": reading.path,
        "sha256": reading.sha256,
        "bytes": reading.n_bytes,
        "shape": reading.shape,
        "status": reading.status,
        "n_records": len(reading.rows) + reading.n_duplicates + reading.n_quarantined,
        **{f"n_{name}": provenances[name] for name in _CLASSES},
        "n_failed": provenances["none"],
        "n_duplicates": reading.n_duplicates,
        "n_quarantined": reading.n_quarantined,
        "error": reading.error,
        "first_seen_at": now if known is None else known["first_seen_at"],
    }
