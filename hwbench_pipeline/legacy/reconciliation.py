"""Reconciliation: whether the published legacy tables account for every file and every record.

Belongs here: the sums that must hold between `raw_legacy__files`, `core_legacy__results`, `core_legacy__sources` and
`core_legacy__quarantine`. Does not belong here: what holds within one row (the tables' rules in `schema/`), or making
the tables (`publishing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwbench_pipeline.legacy.publishing import FOLDER as TABLES_FOLDER
from hwbench_pipeline.schema.duckdb_sql import identifier
from hwbench_pipeline.schema.tables import (
    CORE_LEGACY__QUARANTINE,
    CORE_LEGACY__RESULTS,
    CORE_LEGACY__SOURCES,
    RAW_LEGACY__FILES,
)
from hwbench_pipeline.warehouse.location import table_file
from hwbench_pipeline.warehouse.reading import UnreadableFile, connect, register_tables

RECONCILED = (RAW_LEGACY__FILES, CORE_LEGACY__RESULTS, CORE_LEGACY__SOURCES, CORE_LEGACY__QUARANTINE)


@dataclass(frozen=True)
class Discrepancy:
    """What does not add up for one file, with the numbers."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


@dataclass(frozen=True)
class Reconciliation:
    """What was compared, what does not add up (by path), and tables or files that are missing or unreadable."""

    n_files: int
    n_records: int
    n_results: int
    discrepancies: tuple[Discrepancy, ...]
    unreadable: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether everything is accounted for."""
        return not self.discrepancies and not self.unreadable


_OF_FILE = """
CREATE TEMP TABLE of_file AS
SELECT files.*,
    coalesce(results.n_rows, 0) AS n_rows,
    coalesce(results.by_class, [0, 0, 0, 0, 0]) AS by_class,
    coalesce(sources.n_places, 0) AS n_places,
    coalesce(quarantine.n_put_aside, 0) AS n_put_aside,
    -- records put aside are in no place; a copy counts those of the file that stands for its bytes
    max(files.n_quarantined) OVER (PARTITION BY coalesce(files.sha256, files.path)) AS n_quarantined_of_bytes,
    count(*) OVER (PARTITION BY files.path) AS n_file_rows
FROM raw_legacy__files AS files
LEFT JOIN (
    SELECT source_path AS path, count(*) AS n_rows, [
        count(*) FILTER (provenance = 'measured'), count(*) FILTER (provenance = 'simulated'),
        count(*) FILTER (provenance = 'mock'), count(*) FILTER (provenance = 'unknown'),
        count(*) FILTER (provenance = 'none')
    ] AS by_class
    FROM core_legacy__results GROUP BY source_path
) AS results USING (path)
LEFT JOIN (SELECT path, count(*) AS n_places FROM core_legacy__sources GROUP BY path) AS sources USING (path)
LEFT JOIN (SELECT path, count(*) AS n_put_aside FROM core_legacy__quarantine GROUP BY path) AS quarantine USING (path)
"""

_DISCREPANCIES: Sequence[str] = (
    """SELECT DISTINCT path, n_file_rows || ' rows of raw_legacy__files have this path, expected one'
    FROM of_file WHERE n_file_rows > 1""",
    """SELECT path, 'n_records is ' || n_records || ', expected ' || (n_rows + n_duplicates + n_quarantined) || ' = '
        || n_rows || ' rows of core_legacy__results + ' || n_duplicates || ' duplicates + ' || n_quarantined
        || ' quarantined'
    FROM of_file WHERE n_records <> n_rows + n_duplicates + n_quarantined""",
    """SELECT path, 'measured, simulated, mock, unknown, failed are counted ' || array_to_string(counted, ', ')
        || ', core_legacy__results has ' || array_to_string(by_class, ', ')
    FROM (SELECT *, [n_measured, n_simulated, n_mock, n_unknown, n_failed] AS counted FROM of_file)
    WHERE counted <> by_class""",
    """SELECT path, 'n_records is ' || n_records || ', expected ' || (n_places + n_quarantined_of_bytes) || ' = '
        || n_places || ' places in core_legacy__sources + ' || n_quarantined_of_bytes || ' quarantined'
    FROM of_file WHERE n_records <> n_places + n_quarantined_of_bytes""",
    """SELECT path, CASE WHEN status = 'quarantined' THEN 'it is quarantined' ELSE n_quarantined || ' records are quarantined' END
        || ', core_legacy__quarantine has no place in it'
    FROM of_file WHERE (status = 'quarantined' OR n_quarantined > 0) AND n_put_aside = 0""",
    """SELECT source_path, count(*) || ' rows of core_legacy__results come from it, raw_legacy__files has no row for it'
    FROM core_legacy__results ANTI JOIN raw_legacy__files ON raw_legacy__files.path = source_path GROUP BY source_path""",
    """SELECT results.source_path, 'core_legacy__sources has ' || count(origins.result_id)
        || ' origins for the row at ' || results.source_pointer || ', expected one: this file'
    FROM core_legacy__results AS results
    LEFT JOIN core_legacy__sources AS origins ON origins.result_id = results.result_id
        AND origins.relation = 'itself' AND origins.path = results.source_path
        AND origins.pointer = results.source_pointer AND origins.sha256 = results.source_sha256
    GROUP BY results.result_id, results.source_path, results.source_pointer HAVING count(origins.result_id) <> 1""",
    """SELECT path, count(*) || ' places in core_legacy__sources are of rows that core_legacy__results does not have'
    FROM core_legacy__sources ANTI JOIN core_legacy__results USING (result_id) GROUP BY path""",
    """SELECT path, 'core_legacy__sources has ' || count(*) || ' places in it, raw_legacy__files has no row for it'
    FROM core_legacy__sources ANTI JOIN raw_legacy__files USING (path) GROUP BY path""",
    """SELECT path, 'core_legacy__quarantine has ' || count(*) || ' places in it, raw_legacy__files has no row for it'
    FROM core_legacy__quarantine ANTI JOIN raw_legacy__files USING (path) GROUP BY path""",
)


def fix_of(warehouse: Path) -> str:
    """What brings tables that do not add up in order again."""
    return (
        f"Fix: delete the folder {warehouse / TABLES_FOLDER} and ingest again: the tables are made anew from the batches, "
        "which hold every file's account; where it says the same again, a record was lost on the way to them: report it, with "
        "the file, as a fault"
    )


def reconcile(warehouse: Path) -> Reconciliation:
    """Compare the published tables with each other; where nothing was ever ingested, that holds.

    A table that is absent beside others, or cannot be read, is in `unreadable`.
    """
    with connect() as connection:
        left_out: list[UnreadableFile] = register_tables(connection, warehouse, RECONCILED)
        absent = [path for table in RECONCILED if not (path := table_file(warehouse, table)).is_file()]
        missing = [f"{path} does not exist" for path in absent if len(absent) < len(RECONCILED)]
        connection.execute(_OF_FILE)
        found = " UNION ALL ".join(f"({sql})" for sql in _DISCREPANCIES)
        discrepancies = connection.execute(f"SELECT * FROM ({found}) AS found(path, problem) ORDER BY ALL").fetchall()
        files = identifier(RAW_LEGACY__FILES.name)
        results = identifier(CORE_LEGACY__RESULTS.name)
        counts = connection.execute(
            f"SELECT (SELECT count(*) FROM {files}), (SELECT coalesce(sum(n_records), 0)::BIGINT FROM {files}), "
            f"(SELECT count(*) FROM {results})"
        ).fetchone()
    assert counts is not None
    n_files, n_records, n_results = counts
    return Reconciliation(
        n_files=n_files,
        n_records=n_records,
        n_results=n_results,
        discrepancies=tuple(Discrepancy(path, problem) for path, problem in discrepancies),
        unreadable=tuple(missing) + tuple(str(file) for file in left_out),
    )
