"""`hwbench regressions`: what became slower, and is it real."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwbench_pipeline.cli.failing import WORK_FAILED, WrongCallError
from hwbench_pipeline.cli.options import JsonOption, WarehouseOption, existing_warehouse, listed
from hwbench_pipeline.cli.output import json_rows, output, print_json, print_lines, say, table
from hwbench_pipeline.schema.tables.regressions import CHANGES

if TYPE_CHECKING:
    from rich.console import Console

NAME = "regressions"
HELP = (
    "Watch every series of runs of one point: is the newest slower than those before, more than runs of it differ, and more than "
    "the whole machine? One run is suspected; measured again, it becomes a regression or nothing. Exit code 1 where there is a "
    "regression or a cell that used to be measured and now fails."
)
EXAMPLE = 'Example: `hwbench regressions --accept 3f2a --reason "attention is exact now"`'


def run(
    accept: Annotated[
        str | None,
        typer.Option(
            metavar="SERIES,…",
            help="Accept what these series show: from the change on they have a new baseline. Needs --reason.",
        ),
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why the change is accepted.")] = None,
    source: Annotated[
        str | None, typer.Option(metavar="S,…", help="Only these sources: hwbench, bundle, timm, … Default: all.")
    ] = None,
    notify: Annotated[
        bool,
        typer.Option(
            "--notify",
            help="Post the alarms that out__regressions does not hold yet to the webhook of HWBENCH_WEBHOOK_URL.",
        ),
    ] = False,
    show_all: Annotated[bool, typer.Option("--all", help="Every series, those without a change too.")] = False,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge every series and print what changed."""
    if (accept is None) != (reason is None) or (reason is not None and not reason.strip()):
        raise WrongCallError(
            "--accept and --reason belong together. Fix: --accept SERIES --reason 'why it is right that it takes longer'"
        )
    accepted, sources = listed("--accept", accept), listed("--source", source)

    from hwbench_pipeline.analysis.answering import accept as accept_changes
    from hwbench_pipeline.analysis.answering import alarms, new_alarms, regressions_now
    from hwbench_pipeline.reports.notifying import notify as send
    from hwbench_pipeline.schema.tables import CORE_REGRESSIONS__ACCEPTED, OUT__REGRESSIONS
    from hwbench_pipeline.warehouse.reading import read_rows

    folder = existing_warehouse(warehouse)
    rows, unreadable = regressions_now(folder)
    if accepted:
        made = accept_changes(folder, rows, accepted, str(reason))
        if as_json:
            print_json(json_rows(CORE_REGRESSIONS__ACCEPTED.column_names, made))
        else:
            for change in made:
                output().print(f"accepted: {change['series_id']}, {change['verdict']}", markup=False)
        return
    rows = [row for row in rows if not sources or row["source"] in sources]
    found = alarms(rows)
    if as_json:
        counts = Counter(row["verdict"] for row in rows)
        print_json({**json_rows(OUT__REGRESSIONS.column_names, rows), "series_by_verdict": dict(counts)})
    else:
        _print(output(), rows, show_all=show_all)
    if notify:
        before, _ = read_rows(folder, OUT__REGRESSIONS)
        fresh = new_alarms(rows, before)
        say(f"hwbench regressions: {len(fresh)} new alarms, {'sent' if send(fresh) else 'nothing sent'}")
    for file in unreadable:
        say(f"hwbench regressions: {file}")
    if found or unreadable:
        raise typer.Exit(WORK_FAILED)


def _print(console: Console, rows: Sequence[Mapping[str, Any]], *, show_all: bool) -> None:
    from hwbench_pipeline.analysis.regressions import RUNS_TO_CONFIRM, by_family, command_to_confirm
    from hwbench_pipeline.reports.comparison import cell_text

    counts = Counter(row["verdict"] for row in rows)
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "no series", markup=False)
    shown = [row for row in rows if show_all or row["verdict"] in CHANGES or _is_moved_machine(row)]
    for family, members in by_family(shown).items():
        lines = (
            (
                row["series_id"],
                row["verdict"],
                row["severity"],
                cell_text(row),
                None if row["change_percent"] is None else f"{row['change_percent']:+.1f} %",
                _versions(row),
                row["reason"],
            )
            for row in members
        )
        head = ("series", "verdict", "severity", "cell", "time", "backend", "why")
        console.print()
        console.print(table(head, lines, title=family, right=("time",)))
    commands = [command_to_confirm(row) for row in rows if row["verdict"] == "suspected" and row["source"] == "hwbench"]
    if commands:
        print_lines(
            console,
            "",
            f"to confirm, {RUNS_TO_CONFIRM} times each:",
            *(f"  {text}" for text in dict.fromkeys(commands)),
        )


def _is_moved_machine(row: Mapping[str, Any]) -> bool:
    return bool(row["scope"] == "machine" and row["verdict"] != "no change shown")


def _versions(row: Mapping[str, Any]) -> str | None:
    before, after = row["baseline_backend_version"], row["candidate_backend_version"]
    return after or before if None in (before, after) or before == after else f"{before} → {after}"
