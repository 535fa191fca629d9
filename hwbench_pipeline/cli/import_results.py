"""`hwbench import`: result files of living formats → tables, with a count of every file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Annotated, Any

import typer

from hwbench_pipeline.cli.failing import WORK_FAILED, WrongCallError
from hwbench_pipeline.cli.options import JsonOption, WarehouseOption, require_readable
from hwbench_pipeline.cli.output import output, print_json, progress, say, table
from hwbench_pipeline.schema.tables.accounts import COUNTS, FILE_STATUSES
from hwbench_pipeline.schema.tables.imports import IMPORT_FORMATS

NAME = "import"
HELP = (
    "Read result files of other benchmarks, or bundles of ours, into the tables: the known errors of each format are "
    "corrected and named, the value as reported is kept. Files are only read; importing them again adds nothing. Exit code 1 "
    "where a file that was named was not taken whole; what a folder holds besides results is told, and no failure."
)
EXAMPLE = "Example: `hwbench import timm results/benchmark-infer-amp-nhwc-pt240-cu124-rtx4090.csv`"


def run(
    format_name: Annotated[str, typer.Argument(metavar="FORMAT", help=f"{', '.join(IMPORT_FORMATS)}.")],
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files, or folders that are searched through.")],
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Import and print what became of the files."""
    if format_name not in IMPORT_FORMATS:
        begun = [name for name in IMPORT_FORMATS if format_name and name.startswith(format_name.lower())]
        nearest = (begun or difflib.get_close_matches(format_name, IMPORT_FORMATS, n=1, cutoff=0.0))[0]
        raise WrongCallError(
            f"FORMAT {format_name!r:.40}: takes {', '.join(IMPORT_FORMATS)}. Fix: hwbench import {nearest} PATH…"
        )
    for path in paths:
        require_readable(path)
    from hwbench_pipeline.analysis.refreshing import refresh
    from hwbench_pipeline.imports.storing import import_into
    from hwbench_pipeline.legacy.finding import absolute_path, lies_under, stored_text
    from hwbench_pipeline.warehouse.location import warehouse_path
    from hwbench_pipeline.warehouse.writing import require_writable

    folder = warehouse_path(warehouse)
    require_writable(folder)
    with progress() as bar:
        task = bar.add_task("reading files", total=None)
        imported = import_into(
            folder,
            format_name,
            paths,
            on_progress=lambda done, total, _path: bar.update(task, completed=done, total=total),
        )
        refreshed = refresh(folder)
    roots = [stored_text(absolute_path(path).as_posix()) for path in paths]
    files = [row for row in imported.files if row["format"] == format_name and lies_under(str(row["path"]), roots)]
    by_status = {status: n for status in FILE_STATUSES if (n := sum(row["status"] == status for row in files))}
    totals = {name: sum(row[name] for row in files) for name in COUNTS}
    if as_json:
        print_json(
            {
                "warehouse": str(folder),
                "format": format_name,
                "n_files": len(files),
                "files_by_status": by_status,
                **totals,
                "files": [{name: row[name] for name in ("path", "shape", "status", *COUNTS, "error")} for row in files],
            }
        )
    else:
        _print(files, by_status, totals)
    for file in refreshed.unreadable:
        say(f"hwbench import: {file}")
    refused = _refused(files, imported.files, {stored_text(absolute_path(path).as_posix()) for path in paths})
    if refused:
        where = "in `error` of the document" if as_json else "in the table above"
        say(
            f"hwbench import: not taken, or not whole: {', '.join(refused)}; expected results of {format_name} alone. Fix: keep "
            f"{'this file' if len(refused) == 1 else 'these files'}; {where} stands what to do"
        )
    if refreshed.unreadable or refused:
        raise typer.Exit(WORK_FAILED)


def _refused(files: Sequence[Mapping[str, Any]], all_files: Sequence[Mapping[str, Any]], named: Set[str]) -> list[str]:
    """Of the files that were named themselves, those that hold something which is not in the tables now.

    A byte-identical copy is judged by the file that keeps its rows.
    """
    keepers = {(row["format"], row["sha256"]): row for row in all_files if row["status"] != "duplicate"}
    refused = []
    for row in files:
        judged = keepers.get((row["format"], row["sha256"]), row) if row["status"] == "duplicate" else row
        if row["path"] in named and (judged["status"] in ("no_results", "quarantined") or judged["n_quarantined"]):
            refused.append(str(row["path"]))
    return refused


def _print(files: list[dict[str, Any]], by_status: dict[str, int], totals: dict[str, int]) -> None:
    console = output()
    console.print(
        table(
            ("status", "files"),
            by_status.items(),
            title=f"{len(files)} file{'' if len(files) == 1 else 's'}",
            right=("files",),
        )
    )
    console.print()
    names = [name.removeprefix("n_").replace("_", " ") for name in totals]
    console.print(table(names, [list(totals.values())], right=names, title="records"))
    reasons = [(str(row["path"]), str(row["error"])) for row in files if row["error"] is not None]
    if reasons:
        console.print()
        console.print(table(("file", "why not, or what of it"), reasons))
