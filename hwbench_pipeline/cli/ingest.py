"""`hwbench ingest`: old result files → tables, with a count of every file."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Annotated

import typer

from hwbench_pipeline.cli.failing import WORK_FAILED, WrongCallError
from hwbench_pipeline.cli.options import JsonOption, WarehouseOption
from hwbench_pipeline.cli.output import output, print_json, progress, say, table

NAME = "ingest"
HELP = (
    "Read old result files into the tables: every file is accounted for, every number says what it is worth. "
    "Files are only read; ingesting them again replaces their rows."
)
EXAMPLE = "Example: `hwbench ingest old_results/ --timezone -08:00`"


def run(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Files, or folders that are searched through.")],
    warehouse: WarehouseOption = None,
    timezone_text: Annotated[
        str | None,
        typer.Option(
            "--timezone",
            metavar="ZONE",
            help="Zone of time stamps that name none: UTC, an offset like -08:00, or a name like Europe/Berlin. "
            "Without it they have no instant (started_at is NULL) and keep their text.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest and print what became of the files."""
    zone = _zone(timezone_text)
    for path in paths:
        _require_readable(path)
    from hwbench_pipeline.analysis.refreshing import refresh
    from hwbench_pipeline.legacy.finding import absolute_path
    from hwbench_pipeline.legacy.reading import stored_path
    from hwbench_pipeline.legacy.storing import ingest_into
    from hwbench_pipeline.warehouse.location import warehouse_path
    from hwbench_pipeline.warehouse.writing import require_writable

    folder = warehouse_path(warehouse)
    require_writable(folder)
    with progress() as bar:
        task = bar.add_task("reading files", total=None)
        ingested = ingest_into(
            folder,
            paths,
            naive_zone=zone,
            on_progress=lambda done, total, _path: bar.update(task, completed=done, total=total),
        )
        refreshed = refresh(folder)
    roots = [stored_path(absolute_path(path)) for path in paths]
    files = [row for row in ingested.files if any(_is_under(str(row["path"]), root) for root in roots)]
    by_status = _sum_by(files, "status")
    totals = {
        name: sum(row[name] for row in files)
        for name in (
            "n_records",
            "n_measured",
            "n_simulated",
            "n_mock",
            "n_unknown",
            "n_failed",
            "n_duplicates",
            "n_quarantined",
        )
    }
    if as_json:
        print_json({"warehouse": str(folder), "n_files": len(files), "files_by_status": by_status, **totals})
    else:
        console = output()
        console.print(table(("status", "files"), by_status.items(), title=f"{len(files)} files", right=("files",)))
        console.print()
        names = [name.removeprefix("n_").replace("_", " ") for name in totals]
        console.print(table(names, [list(totals.values())], right=names, title="records"))
        console.print(f"\nTables in {folder}. Why a file gave nothing:")
        console.print(
            "  hwbench query \"select path, status, error from raw_legacy__files where status <> 'ingested'\""
            + (f" --warehouse {folder}" if warehouse else ""),
            highlight=False,
        )
    for file in refreshed.unreadable:
        say(f"hwbench ingest: {file}")
    if refreshed.unreadable:
        raise typer.Exit(WORK_FAILED)


def _zone(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text.upper() in ("UTC", "Z"):
        return UTC
    offset = re.fullmatch(r"([+-])(\d{2}):?(\d{2})", text)
    if offset and int(offset[2]) < 24 and int(offset[3]) < 60:
        span = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-span if offset[1] == "-" else span)
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise WrongCallError(
            f"--timezone {text!r}: takes UTC, an offset like -08:00, or a name like Europe/Berlin. Fix: --timezone -08:00"
        ) from None


def _require_readable(path: Path) -> None:
    """Refuse a path that is not there, or a folder that cannot be listed."""
    try:
        if path.is_dir():
            next(path.iterdir(), None)
        elif not path.exists() and not path.is_symlink():
            raise WrongCallError(f"{path} does not exist; takes files or folders. Fix: check the path")
    except PermissionError as error:
        raise WrongCallError(
            f"{path} cannot be listed: permission denied. Fix: make it readable for this user (chmod u+rx)"
        ) from error


def _is_under(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _sum_by(rows: list[dict[str, object]], column: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        counts[str(row[column])] = counts.get(str(row[column]), 0) + 1
    return dict(sorted(counts.items()))
