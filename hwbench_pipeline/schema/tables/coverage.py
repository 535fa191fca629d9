"""What is known and what is not: one row per mode × hardware × model of the grid."""

from __future__ import annotations

from hwbench_pipeline.schema.table import Column, ColumnType, Row, RowRule, Table
from hwbench_pipeline.schema.tables.catalog import CATEGORIES
from hwbench_pipeline.schema.tables.results import MODES

STRING, INT64 = ColumnType.STRING, ColumnType.INT64

COVERAGE_STATES = (
    "measured",
    "measured_tiny_only",
    "failed",
    "unsupported",
    "no_hardware",
    "never_tried",
)


def _count(name: str, description: str) -> Column:
    return Column(name, INT64, description, nullable=False, at_least=0)


def _state_has_evidence(row: Row) -> str | None:
    needs = {
        "measured": "n_measured_reference",
        "measured_tiny_only": "n_measured_tiny",
        "failed": "n_failed",
        "unsupported": "n_unsupported",
        "no_hardware": "n_no_hardware",
    }.get(row["state"])
    return f"state is {row['state']} but {needs} is 0" if needs and not row[needs] else None


OUT__COVERAGE = Table(
    "out__coverage",
    "What is known about each cell of the grid, counted from the current rows of out__results. "
    "`measured` means at reference size; a cell measured at tiny size only is a state of its own.",
    (
        Column("mode", STRING, "Inference or training.", nullable=False, allowed=MODES),
        Column("hardware", STRING, "Hardware key of the cell.", nullable=False),
        Column("model", STRING, "Catalog key of the cell.", nullable=False),
        Column("category", STRING, "Category of the model.", nullable=False, allowed=CATEGORIES),
        Column(
            "state",
            STRING,
            "The best that is known of the cell: a measurement in any way, or how its usual call ended. A generation, a variant, "
            "a precision that the platform lacks and a memory limit that somebody set are narrower questions: where only "
            "those gave no number, the cell itself was never tried.",
            nullable=False,
            allowed=COVERAGE_STATES,
        ),
        _count("n_measured_reference", "Our current measured rows at reference size."),
        _count("n_measured_tiny", "Our current measured rows at tiny size."),
        _count("n_measured_custom", "Our current measured rows of other configurations."),
        _count("n_failed", "Our current rows that failed, timed out or ran out of memory."),
        _count("n_unsupported", "Our current rows that say the platform cannot do it."),
        _count("n_no_hardware", "Our current rows that say the hardware is absent."),
        _count("n_imported_measured", "Measured rows from old files and imports for this hardware and model."),
        _count(
            "n_imported_not_measured", "Simulated, mocked or unproven rows from old files for this hardware and model."
        ),
        Column("newest_measured_at", ColumnType.TIMESTAMP, "Start of the newest measurement of ours."),
        Column("reason", STRING, "Why the cell is not measured at reference size, from its newest row that says so."),
    ),
    ("mode", "hardware", "model"),
    (
        RowRule(
            "state_has_evidence",
            "A state other than never_tried is backed by at least one row.",
            "compute coverage again from out__results",
            _state_has_evidence,
        ),
    ),
)
