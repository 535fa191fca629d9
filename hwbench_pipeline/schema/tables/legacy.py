"""Old result files: the table that accounts for every file found. Reading them is `legacy/`'s work."""

from __future__ import annotations

from hwbench_pipeline.schema.table import Column, ColumnType, Row, RowRule, Table

STRING, INT64 = ColumnType.STRING, ColumnType.INT64

FILE_STATUSES = ("ingested", "no_results", "duplicate", "quarantined")


def _count(name: str, description: str) -> Column:
    return Column(name, INT64, description, nullable=False, at_least=0)


def _classes_add_up(row: Row) -> str | None:
    rows = sum(row[name] for name in ("n_measured", "n_simulated", "n_mock", "n_unknown", "n_failed"))
    total = rows + row["n_duplicates"] + row["n_quarantined"]
    return None if row["n_records"] == total else f"n_records is {row['n_records']}, its parts add up to {total}"


def _unread_says_why(row: Row) -> str | None:
    if row["status"] != "ingested" and row.get("error") is None:
        return f"status is {row['status']} without a reason in error"
    return None


RAW_LEGACY__FILES = Table(
    "raw_legacy__files",
    "Every old result file found: identified by its bytes, with what became of it. One row per path.",
    (
        Column("path", STRING, "Absolute path of the file.", nullable=False),
        Column("sha256", STRING, "SHA-256 of its bytes; NULL if it could not be read."),
        Column("bytes", INT64, "Size in bytes; NULL if it could not be read.", unit="B", at_least=0),
        Column("shape", STRING, "The shape that recognised it; NULL if none did."),
        Column("status", STRING, "What became of it.", nullable=False, allowed=FILE_STATUSES),
        _count("n_records", "Result records found in it = rows + duplicates + quarantined."),
        _count("n_measured", "Rows with provenance measured."),
        _count("n_simulated", "Rows with provenance simulated."),
        _count("n_mock", "Rows with provenance mock."),
        _count("n_unknown", "Rows with provenance unknown."),
        _count("n_failed", "Rows of attempts that failed, which hold no number."),
        _count("n_duplicates", "Records that stand in the results already, from here or another file."),
        _count("n_quarantined", "Records kept out of the results because they could not be understood."),
        Column("error", STRING, "Why it was not ingested, or what was kept out of the results."),
        Column("first_seen_at", ColumnType.TIMESTAMP, "When this path was first found, UTC.", nullable=False),
    ),
    ("path",),
    (
        RowRule(
            "records_are_accounted",
            "n_records = n_measured + n_simulated + n_mock + n_unknown + n_failed + n_duplicates + n_quarantined.",
            "ingest the file again",
            _classes_add_up,
        ),
        RowRule(
            "unread_says_why",
            "A file that gave no rows says why in error.",
            "record the reason where the file is read",
            _unread_says_why,
        ),
    ),
)
