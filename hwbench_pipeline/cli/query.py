"""`hwbench query`: SQL over the consolidated database, read-only."""

from __future__ import annotations

from typing import Annotated

import typer

from hwbench_pipeline.cli.failing import WORK_FAILED
from hwbench_pipeline.cli.options import JsonOption, WarehouseOption
from hwbench_pipeline.cli.output import output, print_json, say, table

NAME = "query"
HELP = (
    "Ask the database in SQL (DuckDB's), read-only and without access to any other file. "
    '`hwbench query "show tables"` lists the tables; docs/tables.md says what every column means. '
    "Numbers are shown with four significant digits; --json gives every digit."
)
EXAMPLE = (
    'Example: `hwbench query "select model, hardware, latency_ms_p50, flags from out__results '
    "where is_current and provenance = 'measured' and mode = 'inference' and model_size = 'reference'\"`"
)


def run(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SQL statement.")],
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer one question."""
    from hwbench_pipeline.legacy.publishing import lags
    from hwbench_pipeline.warehouse.database import ask_database
    from hwbench_pipeline.warehouse.location import warehouse_path

    folder = warehouse_path(warehouse)
    answer = ask_database(folder, sql)
    if as_json:
        print_json(
            {"columns": answer.columns, "rows": [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]}
        )
    else:
        console = output()
        console.print(table(answer.columns, answer.rows))
        console.print(f"{len(answer.rows)} row{'s' * (len(answer.rows) != 1)}")
    for file in answer.unreadable:
        say(f"hwbench query: {file}")
    n_newer = answer.newer_files - len(answer.unreadable)
    if n_newer > 0:
        say(
            f"hwbench query: {n_newer} table file{'s are' if n_newer > 1 else ' is'} newer than the database of {answer.database_built_at:%Y-%m-%d %H:%M:%S} "
            "UTC. Fix: `hwbench refresh` brings it up to date"
        )
    if lags(folder):
        say(
            "hwbench query: an ingest or an undo was cut off before the tables followed, so this is what they said before it. "
            "Fix: `hwbench refresh` finishes it"
        )
    if answer.unreadable:
        raise typer.Exit(WORK_FAILED)
