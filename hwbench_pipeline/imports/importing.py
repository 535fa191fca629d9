"""Importing files: the complete new content of the three import tables.

Belongs here: bringing the files read now together with the rows stored before, so that every file has one row and every
fact one. Does not belong here: reading one file (`reading`), or writing tables (`storing`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hwbench_pipeline.imports.facts import facts_of_files, originality_of
from hwbench_pipeline.imports.reading import Reading, read_file
from hwbench_pipeline.legacy.contents import read_content
from hwbench_pipeline.legacy.finding import find_files, stored_text

Row = dict[str, Any]
Progress = Callable[[int, int, str], None]

_CLASSES = ("measured", "simulated", "mock", "unknown")
_SOURCE_FORMAT = {"optimum_benchmark": "optimum-benchmark", "timm": "timm", "mlperf": "mlperf", "bundle": "bundle"}


@dataclass(frozen=True)
class ImportTables:
    """The complete rows of raw_imports__files, core_imports__results and core_imports__environments."""

    files: Sequence[Row]
    results: Sequence[Row]
    environments: Sequence[Row]


def import_files(
    format_name: str,
    paths: Sequence[Path],
    stored: ImportTables,
    standing: Mapping[str, str] = MappingProxyType({}),
    on_progress: Progress | None = None,
) -> ImportTables:
    """The tables after these files and folders have been read as that format.

    Rows of other files, and of other formats, stay; a file that changed gives its new rows in the place of the old ones.
    `standing` names the place of each result that stands in other tables of the warehouse, by result_id: a bundle that
    carries it, or a file that was exported from it, adds nothing.
    """
    known = {(str(row["path"]), str(row["format"])): row for row in stored.files}
    found = find_files(paths)
    readings: dict[tuple[str, str], Reading] = {}
    for position, path in enumerate(found, start=1):
        name = stored_text(path.as_posix())
        readings[name, format_name] = read_file(format_name, name, path.name, read_content(path))
        if on_progress is not None:
            on_progress(position, len(found), name)
    readings |= _stored_readings(stored, known, readings)
    now = datetime.now(UTC)
    first_seen = {key: row["first_seen_at"] for key, row in known.items()}
    settled = _without_repeated_facts(
        _without_identical_files(readings.values()),
        standing,
        lambda reading: first_seen.get((reading.path, reading.format), now),
    )
    files = [_file_row(reading, known.get((reading.path, reading.format)), now) for reading in settled]
    results = [dict(row) for reading in settled for row in reading.rows]
    environments = {str(row["environment_id"]): dict(row) for row in stored.environments}
    for reading in settled:
        environments |= reading.environments
    named = {row["environment_id"] for row in results}
    return ImportTables(files, results, [environments[key] for key in sorted(environments) if key in named])


def _stored_readings(
    stored: ImportTables,
    known: Mapping[tuple[str, str], Mapping[str, Any]],
    readings: Mapping[tuple[str, str], Reading],
) -> dict[tuple[str, str], Reading]:
    """The readings of stored files that were not read now.

    Tables do not hold records that were left out because they stood in another file, which may have changed: files with
    such records are read again where they are unchanged.
    """
    rows_of: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in stored.results:
        rows_of[str(row["source_path"]), _SOURCE_FORMAT[row["source"]]].append(dict(row))
    kept: dict[tuple[str, str], Reading] = {}
    for key, account in known.items():
        if key in readings:
            continue
        path, format_name = key
        if account["n_duplicates"]:
            content = read_content(Path(path))
            if content.sha256 == account["sha256"]:
                kept[key] = read_file(format_name, path, Path(path).name, content)
                continue
        kept[key] = Reading(
            path=path,
            format=format_name,
            sha256=account["sha256"],
            n_bytes=account["bytes"],
            status=account["status"],
            error=account["error"],
            shape=account["shape"],
            rows=tuple(rows_of[key]),
            n_quarantined=account["n_quarantined"],
            n_duplicates=account["n_duplicates"],
        )
    return kept


def _without_identical_files(readings: Iterable[Reading]) -> list[Reading]:
    """Of files with the same bytes, the first by path keeps the rows; the others become duplicates of it."""
    groups: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    settled: list[Reading] = []
    for reading in readings:
        if reading.sha256 is None:
            settled.append(reading)
        else:
            groups[reading.format, reading.sha256].append(reading)
    for members in groups.values():
        first, *others = sorted(members, key=lambda member: member.path)
        # one that stands as a duplicate in the tables, and whose file is gone, knows nothing but its number of records
        holder = max(members, key=lambda member: (member.status != "duplicate", len(member.rows)))
        rows = tuple({**row, "source_path": first.path} for row in holder.rows)
        keeper = replace(holder, path=first.path, rows=rows)
        settled.append(keeper)
        settled += [_duplicate_of(keeper, other) for other in others]
    return settled


def _duplicate_of(keeper: Reading, other: Reading) -> Reading:
    outcome = "" if keeper.status == "ingested" else f", which is {keeper.status}: {keeper.error}"
    return Reading(
        path=other.path,
        format=other.format,
        sha256=other.sha256,
        n_bytes=other.n_bytes,
        status="duplicate",
        error=f"byte-identical to {keeper.path}{outcome}",
        shape=keeper.shape,
        n_duplicates=len(keeper.rows) + keeper.n_duplicates + keeper.n_quarantined,
    )


def _without_repeated_facts(
    readings: Sequence[Reading], standing: Mapping[str, str], first_seen: Callable[[Reading], datetime]
) -> list[Reading]:
    """Of rows that are one fact, the one in the place that says most stays, whatever order files were found in.

    Bundles say the same of a row, so it stays with an intact one rather than with one that was altered, then with the one
    that brought it first. A row that is, or was exported from, a result that stands elsewhere goes, and with it the other rows of its fact.
    """
    facts = facts_of_files({(reading.path, reading.format): reading.rows for reading in readings})
    imported = {row["result_id"]: reading.path for reading in readings for row in reading.rows}
    elsewhere: dict[Hashable, str] = {}
    holders: dict[Hashable, tuple[int, bool, tuple[bool, datetime] | None, str, int]] = {}
    for reading in readings:
        rank = (reading.n_quarantined > 0, first_seen(reading)) if reading.format == "bundle" else None
        for position, (row, fact) in enumerate(zip(reading.rows, facts[reading.path, reading.format], strict=True)):
            if fact is None:
                continue
            place = (originality_of(row), _origin(row) in imported, rank, reading.path, position)
            holders[fact] = min(holders.get(fact, place), place)
            if (other := standing.get(row["result_id"]) or standing.get(_origin(row))) is not None:
                elsewhere[fact] = other
    settled = []
    for reading in readings:
        rows: list[Row] = []
        places: set[str] = set()
        for position, (row, fact) in enumerate(zip(reading.rows, facts[reading.path, reading.format], strict=True)):
            origin = _origin(row)
            other = (
                elsewhere.get(fact) or standing.get(row["result_id"]) or standing.get(origin) or imported.get(origin)
            )
            if other is not None:
                places.add(other)
            elif fact is not None and holders[fact][3:] != (reading.path, position):
                places.add(holders[fact][3])
            else:
                rows.append(row)
        settled.append(_left_out(reading, rows, places))
    return sorted(settled, key=lambda reading: (reading.path, reading.format))


def _origin(row: Mapping[str, Any]) -> str:
    """The result that a row's file was exported from; empty where it was not exported."""
    return row.get("exported_result_id") or ""


def _left_out(reading: Reading, rows: list[Row], elsewhere: set[str]) -> Reading:
    n_left_out = len(reading.rows) - len(rows)
    if not n_left_out:
        return reading
    n_duplicates = reading.n_duplicates + n_left_out
    remark = f"{n_duplicates} of its records stand in the results already, from {', '.join(sorted(elsewhere))}"
    said, separator, fix = (reading.error or "").rpartition(". Fix: ")  # a message ends with its fix
    error = f"{said}; {remark}{separator}{fix}" if separator else "; ".join(filter(None, (fix, remark)))
    return replace(reading, rows=tuple(rows), n_duplicates=n_duplicates, error=error)


def _file_row(reading: Reading, known: Mapping[str, Any] | None, now: datetime) -> Row:
    provenances = Counter(row["provenance"] for row in reading.rows)
    return {
        "path": reading.path,
        "format": reading.format,
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
