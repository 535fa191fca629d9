"""The account of files found: the counts and rules that every table with one row per file has.

Belongs here: what the accounts of old files and of imported files share. Does not belong here: the tables themselves
(`legacy`, `imports`).
"""

from __future__ import annotations

from hwbench_pipeline.schema.table import Column, ColumnType, Row

FILE_STATUSES = ("ingested", "no_results", "duplicate", "quarantined")


def _count(name: str, description: str) -> Column:
    return Column(name, ColumnType.INT64, description, nullable=False, at_least=0)


COUNT_COLUMNS = (
    _count("n_records", "Result records found in it = rows + duplicates + quarantined."),
    _count("n_measured", "Rows with provenance measured."),
    _count("n_simulated", "Rows with provenance simulated."),
    _count("n_mock", "Rows with provenance mock."),
    _count("n_unknown", "Rows with provenance unknown."),
    _count("n_failed", "Rows of attempts that failed, which hold no number."),
    _count("n_duplicates", "Records that stand in the results already, from here or another file."),
    _count("n_quarantined", "Records kept out of the results because they are invalid or not understood."),
)
COUNTS = tuple(column.name for column in COUNT_COLUMNS)
ROW_COUNTS = tuple(name for name in COUNTS if name not in ("n_records", "n_duplicates", "n_quarantined"))
"""The counts of records that are rows of the results, by what they are worth."""


def parts_add_up(row: Row) -> str | None:
    """What is wrong where the records of a file are not all accounted for."""
    total = sum(row[name] for name in COUNTS if name != "n_records")
    return None if row["n_records"] == total else f"n_records is {row['n_records']}, its parts add up to {total}"


def unread_says_why(row: Row) -> str | None:
    """What is wrong where a file gave no rows and does not say why."""
    if row["status"] != "ingested" and row.get("error") is None:
        return f"status is {row['status']} without a reason in error"
    return None
