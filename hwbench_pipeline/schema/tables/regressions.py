"""What became slower or faster over time, and which changes people accepted."""

from __future__ import annotations

from hwbench_pipeline.schema.table import Column, ColumnType, Row, RowRule, Table
from hwbench_pipeline.schema.tables.comparison import CELL_COLUMNS, COMPARED_METRICS

STRING, INT64, FLOAT64 = ColumnType.STRING, ColumnType.INT64, ColumnType.FLOAT64

REGRESSION_VERDICTS = (
    "regression",
    "improvement",
    "suspected",
    "inconclusive",
    "insufficient data",
    "lost cell",
    "no change shown",
)
SEVERITIES = ("critical", "high", "moderate")
SCOPES = ("cell", "machine")
EVIDENCE = ("re-run", "cross-section")

ALARMS = ("regression", "lost cell")
"""The verdicts that a CI job fails for."""
CHANGES = (*ALARMS, "suspected", "improvement")
"""The verdicts that show a change, the worst first."""


def _change_has_evidence(row: Row) -> str | None:
    changed = row["verdict"] in ("regression", "improvement")
    if changed and (row.get("change_percent") is None or row.get("evidence") is None):
        return f"the verdict is {row['verdict']} without a change or its evidence"
    if (row.get("severity") is not None) != (row["verdict"] == "regression"):
        return f"the verdict is {row['verdict']} and the severity {row.get('severity')}"
    return None


OUT__REGRESSIONS = Table(
    "out__regressions",
    "One row for each series of runs of one fingerprint: the verdict on its newest runs against those before. Rows of scope "
    "machine say how far all cells of a machine moved together, which is subtracted from each.",
    (
        Column("series_id", STRING, "Hash of the fingerprint.", nullable=False),
        Column("scope", STRING, "A cell, or all cells of a machine together.", nullable=False, allowed=SCOPES),
        Column("family", STRING, "Models alike: the architecture, else the beginning of the model's name."),
        *CELL_COLUMNS,
        Column("backend", STRING, "Software that ran it."),
        Column("options", STRING, "The options that are part of the fingerprint, as canonical JSON."),
        Column("metric", STRING, "What is watched.", nullable=False, allowed=COMPARED_METRICS),
        Column("verdict", STRING, "What the runs show.", nullable=False, allowed=REGRESSION_VERDICTS),
        Column(
            "severity",
            STRING,
            "Of a regression: critical above 25 %, high above 15 %, moderate below.",
            allowed=SEVERITIES,
        ),
        Column(
            "evidence",
            STRING,
            "re-run: at least two runs show the change; cross-section: one value that nobody here can measure again, far "
            "outside what all cells of the machine did at the same change.",
            allowed=EVIDENCE,
        ),
        Column("reason", STRING, "The verdict in words.", nullable=False),
        Column(
            "change_percent",
            FLOAT64,
            "How much more time the newest runs take, the machine's shift removed; negative: less.",
            unit="%",
        ),
        Column("raw_change_percent", FLOAT64, "The same with the machine's shift in it.", unit="%"),
        Column(
            "fleet_shift_percent", FLOAT64, "How far the machine's cells moved together; NULL where unknown.", unit="%"
        ),
        Column("n_fleet", INT64, "Cells that this stands on.", at_least=0),
        Column(
            "z", FLOAT64, "The change in robust standard deviations of the difference between baseline and newest runs."
        ),
        Column("noise_percent", FLOAT64, "One robust standard deviation of a run.", unit="%", at_least=0),
        Column("smallest_visible_percent", FLOAT64, "A change below this would not be called one.", unit="%", above=0),
        Column("n_baseline", INT64, "Runs before the change.", at_least=0),
        Column("n_candidate", INT64, "Runs from the change on.", at_least=0),
        Column("baseline_ms", FLOAT64, "Median of the former.", unit="ms", above=0),
        Column("candidate_ms", FLOAT64, "Median of the latter.", unit="ms", above=0),
        Column("change_result_id", STRING, "The first run from the change on; of a lost cell, the row that failed."),
        Column("newest_result_id", STRING, "The newest run."),
        Column("baseline_backend_version", STRING, "Version of the backend before the change."),
        Column("candidate_backend_version", STRING, "Version of the backend in the newest run."),
        Column("baseline_harness_version", STRING, "Version of the harness before the change."),
        Column("candidate_harness_version", STRING, "Version of the harness in the newest run."),
        Column(
            "is_software", ColumnType.BOOL, "Whether software on the CPU played the device; NULL for a whole machine."
        ),
        Column("newest_at", ColumnType.TIMESTAMP, "Start of the newest run; NULL where the source states no time."),
    ),
    ("series_id",),
    (
        RowRule(
            "change_has_evidence",
            "A regression or improvement has its change, evidence and, the former, severity.",
            "detect regressions again",
            _change_has_evidence,
        ),
    ),
)

CORE_REGRESSIONS__ACCEPTED = Table(
    "core_regressions__accepted",
    "Changes that people accepted (`hwbench regressions --accept`): from such a run on a series has a new baseline.",
    (
        Column("series_id", STRING, "The series.", nullable=False),
        Column("result_id", STRING, "The first run of the new baseline.", nullable=False),
        Column("verdict", STRING, "The verdict that was accepted.", nullable=False, allowed=REGRESSION_VERDICTS),
        Column("change_percent", FLOAT64, "The change as it was then.", unit="%"),
        Column("reason", STRING, "Why it is accepted.", nullable=False),
        Column("accepted_at", ColumnType.TIMESTAMP, "When, UTC.", nullable=False),
    ),
    ("series_id", "result_id"),
)
