"""The coverage report: what was measured, what was not and why, as Markdown and as a page.

Belongs here: how coverage and the predictor's errors look. Does not belong here: counting them (`analysis/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwbench_pipeline.analysis.coverage import state_counts
from hwbench_pipeline.reports.pages import page
from hwbench_pipeline.reports.tables import markdown_table, significant
from hwbench_pipeline.schema.tables import OUT__COVERAGE, OUT__PREDICTION_SCORES
from hwbench_pipeline.schema.tables.coverage import COVERAGE_STATES
from hwbench_pipeline.schema.tables.results import MODES
from hwbench_pipeline.warehouse.reading import read_rows
from hwbench_pipeline.warehouse.writing import replacing

Row = Mapping[str, Any]

STATE_TEXTS = {
    "measured": "measured",
    "measured_tiny_only": "tiny only",
    "failed": "failed",
    "unsupported": "unsupported",
    "no_hardware": "no hardware",
    "never_tried": "never tried",
}

LEGEND = {
    "measured": "measured at reference size",
    "measured_tiny_only": "measured at tiny size only, which says nothing about the real model",
    "failed": "tried and failed",
    "unsupported": "the platform cannot do it",
    "no_hardware": "the hardware is not here",
    "never_tried": "nobody tried its usual call",
}


@dataclass(frozen=True)
class Matrix:
    """Coverage of one mode: models down, hardware across. `cells[model][hardware]` is the coverage row."""

    mode: str
    hardware: tuple[str, ...]
    models: tuple[str, ...]
    cells: dict[str, dict[str, Row]]
    n_cells: int
    counts: dict[str, int]


def matrices(rows: Sequence[Row]) -> list[Matrix]:
    """The coverage rows arranged for display, one matrix per mode, in the order of the rows."""
    arranged = []
    counts = state_counts(rows)
    for mode in MODES:
        of_mode = [row for row in rows if row["mode"] == mode]
        if not of_mode:
            continue
        cells: dict[str, dict[str, Row]] = {}
        for row in of_mode:
            cells.setdefault(row["model"], {})[row["hardware"]] = row
        hardware = tuple(dict.fromkeys(row["hardware"] for row in of_mode))
        ordered = {state: counts[mode][state] for state in COVERAGE_STATES if state in counts[mode]}
        arranged.append(Matrix(mode, hardware, tuple(cells), cells, len(of_mode), ordered))
    return arranged


def _counts_text(matrix: Matrix) -> str:
    parts = [f"{STATE_TEXTS[state]} {count}" for state, count in matrix.counts.items()]
    return f"{matrix.n_cells} cells: " + ", ".join(parts)


def reasons(rows: Iterable[Row]) -> list[tuple[str, str, int]]:
    """Why cells are not measured: state, reason and the number of cells, most frequent first."""
    counted: dict[tuple[str, str], int] = {}
    for row in rows:
        if row["reason"] is not None:
            key = (row["state"], row["reason"])
            counted[key] = counted.get(key, 0) + 1
    return sorted(((*key, count) for key, count in counted.items()), key=lambda entry: -entry[2])


def coverage_markdown(rows: Sequence[Row]) -> str:
    """The matrices and the counts as Markdown."""
    sections = []
    for matrix in matrices(rows):
        table = markdown_table(
            ("model", *matrix.hardware),
            (
                (
                    model,
                    *(
                        STATE_TEXTS[matrix.cells[model][key]["state"]] if key in matrix.cells[model] else None
                        for key in matrix.hardware
                    ),
                )
                for model in matrix.models
            ),
        )
        sections.append(f"### {matrix.mode.capitalize()}\n\n{_counts_text(matrix)}\n\n{table}")
    return "\n\n".join(sections)


def scores_markdown(rows: Iterable[Row]) -> str:
    """The predictor's errors beside its baselines."""
    return markdown_table(
        ("mode", "size", "method", "rows", "models", "MAPE %", "median APE %", "within 10 % of rows", "why not"),
        (
            (
                row["mode"],
                row["model_size"],
                row["method"],
                row["n_rows"],
                row["n_models"],
                significant(row["mape_percent"]),
                significant(row["median_ape_percent"]),
                significant(row["within_10_percent"]),
                row["reason"],
            )
            for row in rows
        ),
    )


@dataclass(frozen=True)
class CoverageReport:
    """Where the report was written."""

    html: Path
    markdown: Path


def write_coverage_report(warehouse: Path) -> CoverageReport:
    """Write `reports/coverage.html` and `.md` in the warehouse from out__coverage and out__prediction_scores."""
    rows, _ = read_rows(warehouse, OUT__COVERAGE)
    scores, _ = read_rows(warehouse, OUT__PREDICTION_SCORES)
    folder = warehouse / "reports"
    report = CoverageReport(folder / "coverage.html", folder / "coverage.md")
    why = reasons(rows)
    parts = ["# Coverage", coverage_markdown(rows)]
    if why:
        parts.append("## Why not\n\n" + markdown_table(("state", "reason", "cells"), why))
    if scores:
        parts.append("## How wrong predictions are (leave one model out)\n\n" + scores_markdown(scores))
    with replacing(report.markdown) as temporary:
        temporary.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    filled = page("coverage.html", matrices=matrices(rows), why=why, scores=scores, texts=STATE_TEXTS, legend=LEGEND)
    with replacing(report.html) as temporary:
        temporary.write_text(filled, encoding="utf-8")
    return report
