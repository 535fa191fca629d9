"""Imported results: other people's living formats, and our own bundles. Reading them is `imports/`'s work.

Belongs here: the account of imported files, their result rows and the environments those describe. Does not belong
here: old result files of our own predecessors (`schema/tables/legacy`).
"""

from __future__ import annotations

from hwbench_pipeline.schema.table import Column, ColumnType, Row, RowRule, Table
from hwbench_pipeline.schema.tables.accounts import COUNT_COLUMNS, FILE_STATUSES, parts_add_up, unread_says_why
from hwbench_pipeline.schema.tables.catalog import ENVIRONMENT_COLUMNS
from hwbench_pipeline.schema.tables.results import RESULT_COLUMNS, RESULT_RULES

STRING, INT64 = ColumnType.STRING, ColumnType.INT64

IMPORT_FORMATS = ("optimum-benchmark", "timm", "mlperf", "bundle")


RAW_IMPORTS__FILES = Table(
    "raw_imports__files",
    "Every file that was found for an import: identified by its bytes, with what became of it. One row per path and format.",
    (
        Column("path", STRING, "Absolute path of the file.", nullable=False),
        Column("format", STRING, "The format it was read as.", nullable=False, allowed=IMPORT_FORMATS),
        Column("sha256", STRING, "SHA-256 of its bytes; NULL if it could not be read."),
        Column("bytes", INT64, "Size in bytes; NULL if it could not be read.", unit="B", at_least=0),
        Column("shape", STRING, "The generation or kind of the format that recognised it; NULL if none did."),
        Column("status", STRING, "What became of it.", nullable=False, allowed=FILE_STATUSES),
        *COUNT_COLUMNS,
        Column("error", STRING, "Why it was not ingested, or what was kept out of the results."),
        Column("first_seen_at", ColumnType.TIMESTAMP, "When this path was first imported, UTC.", nullable=False),
    ),
    ("path", "format"),
    (
        RowRule(
            "records_are_accounted",
            "n_records = n_measured + n_simulated + n_mock + n_unknown + n_failed + n_duplicates + n_quarantined.",
            "import the file again",
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


def _corrected_keeps_reported(row: Row) -> str | None:
    if row.get("corrections") is not None and row.get("reported_values") is None:
        return "corrections are named without the values as reported"
    return None


CORE_IMPORTS__RESULTS = Table(
    "core_imports__results",
    "Result records of imported files, with the known errors of their format corrected and the reported value kept.",
    (
        *RESULT_COLUMNS,
        Column(
            "reported_values",
            STRING,
            "Canonical JSON of what the source reports and a column does not hold as it stands: corrected values, "
            "estimates, and values without a column.",
        ),
        Column(
            "corrections",
            STRING,
            "The known errors of the format that were corrected here, each by its name (B1 …) and in words, separated by `; `.",
        ),
        Column(
            "exported_result_id",
            STRING,
            "The result that `hwbench export` made the file of. A row whose result stands in this warehouse is not counted.",
        ),
    ),
    ("result_id",),
    (
        *RESULT_RULES,
        RowRule(
            "corrected_keeps_reported",
            "A row with a correction keeps the value as reported.",
            "write the reported value where the correction is made",
            _corrected_keeps_reported,
        ),
    ),
)

CORE_IMPORTS__ENVIRONMENTS = Table(
    "core_imports__environments",
    "Environments that imported files describe.",
    ENVIRONMENT_COLUMNS,
    ("environment_id",),
)
