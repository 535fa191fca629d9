"""Old result files: the account of every file found, every place of a fact, and everything put aside.

Reading the files is `legacy/`'s work; the rows of their results are defined in `results`, like everybody's.
"""

from __future__ import annotations

from hwbench_pipeline.schema.table import Column, ColumnType, Row, RowRule, Table
from hwbench_pipeline.schema.tables.accounts import COUNT_COLUMNS, FILE_STATUSES, parts_add_up, unread_says_why

STRING, INT64 = ColumnType.STRING, ColumnType.INT64

FILE_ROLES = ("run", "expected")
"""`expected` is a file that its place or name calls an expected or golden copy of results."""

PLACE_ROLES = ("original", "copy", "expected")
PLACE_RELATIONS = ("itself", "same_bytes", "same_run")


RAW_LEGACY__FILES = Table(
    "raw_legacy__files",
    "Every old result file found: identified by its bytes, with what became of it. One row per path.",
    (
        Column("path", STRING, "Absolute path of the file.", nullable=False),
        Column("sha256", STRING, "SHA-256 of its bytes; NULL if it could not be read."),
        Column("bytes", INT64, "Size in bytes; NULL if it could not be read.", unit="B", at_least=0),
        Column("shape", STRING, "The shape that recognised it; NULL if none did."),
        Column("status", STRING, "What became of it.", nullable=False, allowed=FILE_STATUSES),
        *COUNT_COLUMNS,
        Column("error", STRING, "Why it was not ingested, or what was kept out of the results."),
        Column("first_seen_at", ColumnType.TIMESTAMP, "When this path was first found, UTC.", nullable=False),
        Column("role", STRING, "Whether a run wrote it, or it is an expected (golden) copy.", allowed=FILE_ROLES),
        Column("batch_id", STRING, "The ingest that brought its current state; see `hwbench ingest --list`."),
        Column(
            "derived_zone",
            STRING,
            "Offset of its local times that the file itself proves, by holding the same moment as epoch time and as local "
            "time; NULL if it proves none.",
        ),
    ),
    ("path",),
    (
        RowRule(
            "records_are_accounted",
            "n_records = n_measured + n_simulated + n_mock + n_unknown + n_failed + n_duplicates + n_quarantined.",
            "ingest the file again",
            parts_add_up,
        ),
        RowRule(
            "unread_says_why",
            "A file that gave no rows says why in error.",
            "record the reason where the file is read",
            unread_says_why,
        ),
    ),
)


def _itself_is_no_copy(row: Row) -> str | None:
    if (row["relation"] == "itself") != (row["role"] == "original") and row["role"] != "expected":
        return f"role is {row['role']} where relation is {row['relation']}"
    return None


CORE_LEGACY__SOURCES = Table(
    "core_legacy__sources",
    "Every place where a row of core_legacy__results stands: the one it was taken from, byte-identical files, and other "
    "files that hold the same run.",
    (
        Column("result_id", STRING, "The row of core_legacy__results.", nullable=False),
        Column("path", STRING, "Absolute path of a file that holds it.", nullable=False),
        Column(
            "pointer",
            STRING,
            "JSON pointer, or row, of the record inside that file; empty for the whole document.",
            nullable=False,
            may_be_empty=True,
        ),
        Column("sha256", STRING, "SHA-256 of that file's bytes.", nullable=False),
        Column("role", STRING, "What this place is to the fact.", nullable=False, allowed=PLACE_ROLES),
        Column(
            "relation",
            STRING,
            "Why it is the same fact: the record itself, a file with the same bytes, or a record of the same run.",
            nullable=False,
            allowed=PLACE_RELATIONS,
        ),
    ),
    ("result_id", "path", "pointer"),
    (
        RowRule(
            "itself_is_no_copy",
            "The place a row was taken from is its original, unless it is an expected copy; every other place is a copy.",
            "ingest the file again",
            _itself_is_no_copy,
        ),
    ),
)


def _kept_has_hash(row: Row) -> str | None:
    if row.get("kept_at") is not None and row.get("sha256") is None:
        return f"bytes are kept at {row['kept_at']}, but their hash is not known"
    return None


CORE_LEGACY__QUARANTINE = Table(
    "core_legacy__quarantine",
    "Everything in old result files that could not be understood, with the reason, and where the original bytes are kept. "
    "One row per file, or per place inside a file; of byte-identical files the one that stands for them.",
    (
        Column("path", STRING, "Absolute path of the file.", nullable=False),
        Column("place", INT64, "Number of the place inside the file, from 0.", nullable=False, at_least=0),
        Column(
            "pointer",
            STRING,
            "JSON pointer, or row, of the place; empty for the whole document, NULL for a file that gave none.",
            may_be_empty=True,
        ),
        Column("sha256", STRING, "SHA-256 of the file's bytes; NULL if it could not be read."),
        Column("reason", STRING, "Why it was put aside.", nullable=False),
        Column("reason_kind", STRING, "The reason without its particulars, to group by.", nullable=False),
        Column("candidates", STRING, "What the reader saw there and was not sure of."),
        Column("kept_at", STRING, "Where the original bytes are kept, gzip-compressed, below the warehouse."),
        Column("batch_id", STRING, "The ingest that read it.", nullable=False),
    ),
    ("path", "place"),
    (
        RowRule(
            "kept_has_hash",
            "Bytes that are kept are named by their hash.",
            "ingest the file again",
            _kept_has_hash,
        ),
    ),
)
