"""Comparisons and regressions of a warehouse: read what they need, make them, write their tables.

Belongs here: which rows are read for them, and the tables of answers, accepted changes among them. Does not belong here: the
statistics (`comparison`, `regressions`, `series`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from hwbench_pipeline.analysis.comparison import (
    COMPARED_COLUMNS,
    Comparison,
    Sides,
    compare,
    scaling,
    stored_comparisons,
)
from hwbench_pipeline.analysis.consolidation import current_environments, current_results
from hwbench_pipeline.analysis.regressions import Row, regressions
from hwbench_pipeline.analysis.series import READ_COLUMNS, History, history_of
from hwbench_pipeline.schema.duckdb_sql import identifier
from hwbench_pipeline.schema.tables import (
    CORE_REGRESSIONS__ACCEPTED,
    OUT__COMPARISON,
    OUT__ENVIRONMENTS,
    OUT__REGRESSIONS,
    OUT__RESULTS,
    OUT__SCALING,
)
from hwbench_pipeline.schema.tables.regressions import ALARMS, CHANGES
from hwbench_pipeline.warehouse.reading import UnreadableFile, connect, read_rows, select_table
from hwbench_pipeline.warehouse.writing import WarehouseError, one_writer, write_table

_ACCEPTED_LOCK = "accepted"
RowT = TypeVar("RowT", bound=Row)


class UnknownSeriesError(Exception):
    """No series, or more than one, is meant by an id; the message names the fix."""


@dataclass(frozen=True)
class Results:
    """The rows that answers are made of, and the files left out."""

    results: list[dict[str, Any]]
    environments: list[dict[str, Any]]
    unreadable: list[UnreadableFile]

    def history(self) -> History:
        """The series of the rows, without what people accepted: noise and shifts are those of all runs."""
        return history_of(self.results, self.environments)


def results_now(warehouse: Path) -> Results:
    """The rows from the core tables as they are now."""
    with connect() as connection:
        results, unreadable = current_results(warehouse, connection)
        environments, more = current_environments(warehouse, connection)
    return Results(results, environments, list(dict.fromkeys(unreadable + more)))


def united_results(warehouse: Path, columns: Iterable[str]) -> Results:
    """These columns of out__results and the environments, as they were united last."""
    names = ", ".join(identifier(name) for name in dict.fromkeys(columns))
    with connect() as connection:
        sql, unreadable = select_table(connection, warehouse, OUT__RESULTS)
        results = connection.sql(f"SELECT {names} FROM ({sql})").to_arrow_table().to_pylist()
    environments, more = read_rows(warehouse, OUT__ENVIRONMENTS)
    return Results(results, environments, unreadable + more)


@dataclass(frozen=True)
class WrittenComparisons:
    """What out__comparison and out__scaling now hold, each with the cells left out."""

    comparison: Comparison
    scaling: Comparison


def write_comparisons(warehouse: Path) -> WrittenComparisons:
    """Write out__comparison and out__scaling from out__results."""
    read = united_results(warehouse, (*COMPARED_COLUMNS, *READ_COLUMNS))
    history = read.history()
    written = WrittenComparisons(
        stored_comparisons(read.results, read.environments, history),
        scaling(read.results, read.environments, history),
    )
    write_table(warehouse, OUT__COMPARISON, written.comparison.rows)
    write_table(warehouse, OUT__SCALING, written.scaling.rows)
    return written


def compare_now(read: Results, sides: Sides, wanted: Sequence[Row]) -> Comparison:
    """Compare some of the rows that were read; what runs differ by is known from all of them."""
    return compare(wanted, read.environments, read.history(), sides)


def regressions_now(warehouse: Path) -> tuple[list[dict[str, Any]], list[UnreadableFile]]:
    """Rows of out__regressions from the core tables as they are now, and the files left out."""
    read = results_now(warehouse)
    return regressions(read.results, read.environments, accepted_changes(warehouse)), read.unreadable


@dataclass(frozen=True)
class WrittenRegressions:
    """What out__regressions now holds, and its alarms that it did not hold before."""

    rows: list[dict[str, Any]]
    new_alarms: list[dict[str, Any]]


def write_regressions(warehouse: Path) -> WrittenRegressions:
    """Write out__regressions from out__results."""
    before, _ = read_rows(warehouse, OUT__REGRESSIONS)
    read = united_results(warehouse, READ_COLUMNS)
    rows = regressions(read.results, read.environments, accepted_changes(warehouse))
    write_table(warehouse, OUT__REGRESSIONS, rows)
    return WrittenRegressions(rows, new_alarms(rows, before))


def alarms(rows: Iterable[RowT]) -> list[RowT]:
    """The regressions and lost cells among rows of out__regressions."""
    return [row for row in rows if row["verdict"] in ALARMS]


def new_alarms(rows: Iterable[RowT], before: Iterable[Row]) -> list[RowT]:
    """The alarms that were none before: what somebody was told once need not be told every night."""
    known = {(row["series_id"], row["verdict"]) for row in before}
    return [row for row in alarms(rows) if (row["series_id"], row["verdict"]) not in known]


def accepted_changes(warehouse: Path) -> list[dict[str, Any]]:
    """The changes that people accepted. Raises `WarehouseError` where they cannot be read: without them every one is new."""
    rows, unreadable = read_rows(warehouse, CORE_REGRESSIONS__ACCEPTED)
    if unreadable:
        raise WarehouseError(
            f"cannot read the accepted changes: {unreadable[0].path}: {unreadable[0].reason}. Fix: restore the file, or delete "
            "it and accept again"
        )
    return rows


def accept(warehouse: Path, rows: Sequence[Row], series: Sequence[str], reason: str) -> list[dict[str, Any]]:
    """Accept what some series show in `rows`: from the change on they have a new baseline. Returns the rows that say so.

    Raises `UnknownSeriesError` for an id, or the beginning of one, that is not that of one series with a change.
    """
    now = datetime.now(UTC)
    made = [
        {
            "series_id": row["series_id"],
            "result_id": row["change_result_id"],
            "verdict": row["verdict"],
            "change_percent": row["change_percent"],
            "reason": reason,
            "accepted_at": now,
        }
        for row in [_changed_series(rows, name) for name in dict.fromkeys(series)]
    ]
    with one_writer(warehouse, _ACCEPTED_LOCK):
        kept = {CORE_REGRESSIONS__ACCEPTED.key_of(row): row for row in [*accepted_changes(warehouse), *made]}
        write_table(warehouse, CORE_REGRESSIONS__ACCEPTED, list(kept.values()))
    return made


def _changed_series(rows: Sequence[Row], name: str) -> Row:
    changed = [row for row in rows if row["verdict"] in CHANGES]
    found = [row for row in changed if row["series_id"].startswith(name) and row["change_result_id"] is not None]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(row["series_id"] for row in found[:3])
        raise UnknownSeriesError(f"{name!r:.40} begins {len(found)} series ({ids}, …). Fix: more of the id")
    known = [row for row in rows if row["series_id"].startswith(name)]
    what = f"shows {known[0]['verdict']}, which nobody need accept" if known else "is no series here"
    raise UnknownSeriesError(f"{name!r:.40} {what}. Fix: an id that `hwbench regressions` prints beside a change")
