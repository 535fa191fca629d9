"""`hwbench coverage`: what is known about each cell, and what is not."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwbench_pipeline.cli.failing import WORK_FAILED
from hwbench_pipeline.cli.options import JsonOption, WarehouseOption
from hwbench_pipeline.cli.output import json_rows, output, print_json, say, table

if TYPE_CHECKING:
    from rich.console import Console

    from hwbench_pipeline.analysis.failures import Cluster

NAME = "coverage"
HELP = "What is known about each hardware × model cell, counted from the rows as they are now."
EXAMPLE = "Example: `hwbench coverage --failures`"

STYLES = {
    "measured": "black on green3",
    "measured_tiny_only": "black on dark_sea_green2",
    "failed": "black on light_coral",
    "unsupported": "black on thistle1",
    "no_hardware": "dim",
    "never_tried": "yellow",
}


def run(
    warehouse: WarehouseOption = None,
    failures: Annotated[
        bool,
        typer.Option("--failures", help="Failures by cause, alike ones together, each with the command that shows it."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Count coverage and print it."""
    from hwbench_pipeline.analysis.coverage import state_counts
    from hwbench_pipeline.analysis.refreshing import coverage_now, failures_now
    from hwbench_pipeline.schema.tables import OUT__COVERAGE
    from hwbench_pipeline.warehouse.location import warehouse_path
    from hwbench_pipeline.warehouse.writing import WarehouseError

    folder = warehouse_path(warehouse)
    if not folder.is_dir():
        raise WarehouseError(
            f"there is no warehouse {folder}. Fix: `hwbench demo` or `hwbench bench` make one; for another folder use --warehouse"
        )
    if failures:
        _show_failures(failures_now(folder), as_json=as_json)
        return
    rows, unreadable = coverage_now(folder)
    if as_json:
        print_json({**json_rows(OUT__COVERAGE.column_names, rows), "cells_by_state": state_counts(rows)})
    else:
        print_coverage(output(), rows)
    for file in unreadable:
        say(f"hwbench coverage: {file}")
    if unreadable:
        raise typer.Exit(WORK_FAILED)


def _show_failures(found: list[Cluster], *, as_json: bool) -> None:
    from hwbench_pipeline.analysis.failures import CAUSES

    if as_json:
        print_json({"failures": [asdict(cluster) for cluster in found]})
        return
    console = output()
    counts: dict[str, int] = {}
    for cluster in found:
        counts[cluster.cause] = counts.get(cluster.cause, 0) + len(cluster.models)
    n_cells = sum(counts.values())
    console.print(f"{n_cells} failures in {len(found)} clusters" if found else "no failures")
    for cause, count in sorted(counts.items(), key=lambda item: -item[1]):
        console.print(f"  {count:4} {cause}: {CAUSES[cause]}")
    for cluster in found:
        console.print(
            f"\n{cluster.cause}, {cluster.hardware} {cluster.mode}, {len(cluster.models)}: {cluster.models_text}"
        )
        console.print(f"    {cluster.message}", markup=False)
        console.print(f"    {cluster.example}", markup=False)


def print_coverage(console: Console, rows: list[dict[str, Any]]) -> None:
    """The matrices of all modes, and why cells are not measured."""
    from rich.table import Table
    from rich.text import Text

    from hwbench_pipeline.reports.coverage import STATE_TEXTS, matrices, reasons

    for matrix in matrices(rows):
        counts = ", ".join(f"{STATE_TEXTS[state]} {count}" for state, count in matrix.counts.items())
        made = Table(title=f"{matrix.mode}, {matrix.n_cells} cells: {counts}", title_justify="left", show_edge=False)
        made.add_column("model")
        for key in matrix.hardware:
            made.add_column(key)
        for model in matrix.models:
            states = [matrix.cells[model][key]["state"] for key in matrix.hardware]
            made.add_row(model, *(Text(STATE_TEXTS[state], style=STYLES[state]) for state in states))
        console.print(made)
        console.print()
    why = reasons(rows)
    if why:
        console.print(
            table(
                ("state", "cells", "why"),
                ((STATE_TEXTS[state], n, reason) for state, reason, n in why),
                right=("cells",),
            )
        )
