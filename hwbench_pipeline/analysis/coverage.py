"""Coverage: what is known about each cell of the grid, counted from rows.

Belongs here: the states and their counts. Does not belong here: percentages typed by hand, or how a table looks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from hwbench_pipeline.schema.tables.results import BOUNDED_ERROR_CLASSES, MODES, OWN_SOURCES

Row = Mapping[str, Any]

COUNTED_COLUMNS = (
    "mode",
    "hardware",
    "model",
    "category",
    "source",
    "status",
    "provenance",
    "model_size",
    "scenario",
    "variant",
    "recipe",
    "precision",
    "error_class",
    "error_message",
    "started_at",
    "is_current",
)
"""The columns of out__results that coverage is counted from."""

_FAILURES = ("failed", "timeout", "out_of_memory")
_USUAL_SCENARIOS = (None, "forward", "train_step")
_USUAL_PRECISIONS = (None, "fp32")


def coverage_rows(
    results: Iterable[Row], *, hardware: Sequence[str], categories: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One row of out__coverage for each mode × hardware × model, tried or not.

    `results` are rows of out__results; `hardware` the hardware keys of the grid; `categories` the grid's models with
    their category. Models and hardware with rows of ours that are in no list are added, with all of their cells:
    nothing measured is left out.
    """
    by_cell: dict[tuple[str, str, str], list[Row]] = {
        (mode, key, model): [] for mode in MODES for key in hardware for model in categories
    }
    known_categories = dict(categories)
    for row in results:
        cell = _cell(row)
        if cell is None or not row["is_current"]:
            continue
        if cell not in by_cell:
            if row["source"] not in OWN_SOURCES or row["category"] is None:
                continue
            known_categories.setdefault(cell[2], row["category"])
        by_cell.setdefault(cell, []).append(row)
    every_hardware = dict.fromkeys((*hardware, *(key for _, key, _ in by_cell)))
    for whole in product(MODES, every_hardware, known_categories):
        by_cell.setdefault(whole, [])
    return [_cell_row(mode, key, model, known_categories[model], rows) for (mode, key, model), rows in by_cell.items()]


def _cell(row: Row) -> tuple[str, str, str] | None:
    # an old file's claim that nothing proves (hardware is NULL) is no evidence for any hardware
    mode, hardware, model = row["mode"], row["hardware"], row["model"]
    return None if mode is None or hardware is None or model is None else (mode, hardware, model)


def _cell_row(mode: str, hardware: str, model: str, category: str, rows: Sequence[Row]) -> dict[str, Any]:
    own = [row for row in rows if row["source"] in OWN_SOURCES]
    imported = [row for row in rows if row["source"] not in OWN_SOURCES and row["status"] == "ok"]
    measured = [row for row in own if row["provenance"] == "measured"]

    def n_of_size(size: str) -> int:
        return sum(row["model_size"] == size for row in measured)

    without_number = [row for row in own if row["status"] != "ok" and _speaks_for_cell(row)]
    counts = {
        "n_measured_reference": n_of_size("reference"),
        "n_measured_tiny": n_of_size("tiny"),
        "n_measured_custom": n_of_size("custom"),
        "n_failed": sum(row["status"] in _FAILURES for row in own),
        "n_unsupported": sum(row["status"] == "unsupported" for row in own),
        "n_no_hardware": sum(row["status"] == "no_hardware" for row in own),
        "n_imported_measured": sum(row["provenance"] == "measured" for row in imported),
        "n_imported_not_measured": sum(row["provenance"] != "measured" for row in imported),
    }
    state = _state(counts, {row["status"] for row in without_number})
    # the size that is missing says why it is; a tiny failure explains nothing about a cell measured at tiny size
    reasons = [row for row in without_number if row["model_size"] == "reference" or not measured]
    newest_reason = max(reasons, key=lambda row: row["started_at"], default=None)
    return {
        "mode": mode,
        "hardware": hardware,
        "model": model,
        "category": category,
        "state": state,
        **counts,
        "newest_measured_at": max((row["started_at"] for row in measured), default=None),
        "reason": None if state == "measured" or newest_reason is None else newest_reason["error_message"],
    }


def _speaks_for_cell(row: Row) -> bool:
    """Whether a row without a number says that the cell's usual call gives none.

    A generation, a variant, another training recipe than the usual, or a call within a memory limit that somebody set is a narrower question, whose answer says
    nothing of the forward pass; nor does a platform that lacks a precision other than fp32 lack the model. A call that was
    tried in such a precision and failed was tried.
    """
    return (
        row["scenario"] in _USUAL_SCENARIOS
        and row["variant"] is None
        and row["recipe"] is None
        and row["error_class"] not in BOUNDED_ERROR_CLASSES
        and (row["status"] != "unsupported" or row["precision"] in _USUAL_PRECISIONS)
    )


def _state(counts: Mapping[str, int], statuses: Collection[str]) -> str:
    """The best that is known: a measurement outranks a failure, a failure what was never possible.

    `statuses` are those of the rows without a number that speak for the cell.
    """
    for state, holds in (
        ("measured", counts["n_measured_reference"]),
        ("measured_tiny_only", counts["n_measured_tiny"]),
        ("failed", any(status in _FAILURES for status in statuses)),
        ("unsupported", "unsupported" in statuses),
        ("no_hardware", "no_hardware" in statuses),
    ):
        if holds:
            return state
    return "never_tried"


def state_counts(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Cells per state, by mode: `{"inference": {"measured": 8, …}, …}`; states without cells are left out."""
    counts: dict[str, dict[str, int]] = {}
    for row in rows:
        of_mode = counts.setdefault(row["mode"], {})
        of_mode[row["state"]] = of_mode.get(row["state"], 0) + 1
    return counts
