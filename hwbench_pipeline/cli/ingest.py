"""`hwbench ingest`: old result files → tables, with a count of every file; and the batches it made."""

from __future__ import annotations

import shlex
from collections import Counter
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwbench_pipeline.cli.accounting import finish_cut_off, say_what_does_not_add_up
from hwbench_pipeline.cli.failing import WORK_FAILED, WrongCallError
from hwbench_pipeline.cli.options import JsonOption, WarehouseOption, existing_warehouse, require_readable
from hwbench_pipeline.cli.output import inert, output, print_json, print_lines, progress, say, table

if TYPE_CHECKING:
    from hwbench_pipeline.legacy.explaining import Explanation
    from hwbench_pipeline.legacy.ingest import Ingested
    from hwbench_pipeline.legacy.reconciliation import Reconciliation
    from hwbench_pipeline.legacy.zone_evidence import ZoneHint
    from hwbench_pipeline.warehouse.reading import UnreadableFile

NAME = "ingest"
HELP = (
    "Read old result files into the tables: every file is accounted for, every number says what it is worth. "
    "Files are only read. Each ingest is a batch that can be undone; files that did not change are not read again."
)
EXAMPLE = (
    "Example: `hwbench ingest old_results/ --timezone -08:00`, then `hwbench ingest --explain old_results/run.json`, "
    "`hwbench ingest --list`, `hwbench ingest --undo BATCH`"
)

_WHOLE_FILE = "(whole file)"
_SHOWN = {
    "measured": ("MEASURED", "bold green"),
    "simulated": ("SIMULATED", "bold yellow"),
    "mock": ("MOCK", "bold magenta"),
    "unknown": ("UNKNOWN", "bold"),
    "none": ("NO NUMBER", "dim"),
}
"""How `--explain` shows what a record is worth."""


def run(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH…", help="Files, or folders that are searched through.")
    ] = None,
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
    explaining: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Store nothing: print each record of the files, the rule that decided what it is worth, and the evidence.",
        ),
    ] = False,
    listing: Annotated[
        bool, typer.Option("--list", help="List the batches: when, what from, and what they brought.")
    ] = False,
    undoing: Annotated[
        str | None,
        typer.Option("--undo", metavar="BATCH", help="Take back what this batch brought; `--list` names the batches."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Ingest and print what became of the files; or explain, list, undo."""
    from hwbench_pipeline.warehouse.location import warehouse_path

    given = paths or []
    _require_one_task(given, timezone_text, explaining=explaining, listing=listing, undoing=undoing)
    if listing:
        _list(existing_warehouse(warehouse), as_json=as_json)
        return
    if undoing is not None:
        unreadable = _undo(existing_warehouse(warehouse), undoing, as_json=as_json)
    else:
        zone = _zone(timezone_text)
        for path in given:
            require_readable(path)
        if explaining:
            _explain(given, zone, as_json=as_json)
            return
        unreadable = _ingest(warehouse_path(warehouse), given, zone, as_json=as_json, named=warehouse is not None)
    for file in unreadable:
        say(f"hwbench ingest: {file}")
    if unreadable:
        raise typer.Exit(WORK_FAILED)


def _require_one_task(
    paths: list[Path], zone: str | None, *, explaining: bool, listing: bool, undoing: str | None
) -> None:
    tasks = [
        name
        for name, wanted in (("--explain", explaining), ("--list", listing), ("--undo", undoing is not None))
        if wanted
    ]
    if undoing is not None and undoing.startswith("-"):
        raise WrongCallError(
            f"--undo {undoing}: takes a batch, and this is an option. Fix: --undo BATCH; `hwbench ingest --list` names them"
        )
    if len(tasks) > 1:
        raise WrongCallError(
            f"{' and '.join(tasks)} together; takes one of them. Fix: call hwbench ingest once for each"
        )
    if paths and tasks and tasks != ["--explain"]:
        raise WrongCallError(f"{tasks[0]} with a PATH; takes none. Fix: leave out {paths[0]}")
    if zone is not None and tasks and tasks != ["--explain"]:
        raise WrongCallError(f"{tasks[0]} with --timezone; reads no file. Fix: leave out --timezone")
    if not paths and tasks in ([], ["--explain"]):
        raise WrongCallError("Missing argument 'PATH…': takes files or folders. Fix: hwbench ingest old_results/")


def _ingest(
    folder: Path, paths: list[Path], zone: tzinfo | None, *, as_json: bool, named: bool
) -> list[UnreadableFile]:
    from hwbench_pipeline.analysis.refreshing import refresh_if_older
    from hwbench_pipeline.legacy.ingest import ingest_into
    from hwbench_pipeline.legacy.reconciliation import reconcile
    from hwbench_pipeline.legacy.zone_evidence import zone_hint
    from hwbench_pipeline.warehouse.writing import require_writable

    require_writable(folder)
    with progress() as bar:
        task = bar.add_task("reading files", total=None)
        ingested = ingest_into(
            folder,
            paths,
            naive_zone=zone,
            on_progress=lambda done, total, _path: bar.update(task, completed=done, total=total),
        )
        bar.update(task, description="uniting the tables")
        reconciliation = reconcile(folder)
        unreadable = refresh_if_older(folder) if reconciliation.holds else []
    hint = zone_hint(folder, ingested.batch.roots) if zone is None else None
    if as_json:
        print_json(
            {
                "warehouse": str(folder),
                "batch_id": ingested.batch.batch_id,
                "n_files": ingested.n_files,
                "n_unchanged": ingested.n_unchanged,
                "files_by_change": ingested.changes,
                "files_by_status": ingested.files_by_status,
                **ingested.records,
                "records_add_up": reconciliation.holds,
                "zone_hint": None if hint is None else vars(hint),
            }
        )
    else:
        _print_ingested(folder, ingested, reconciliation, hint, named=named)
    if not reconciliation.holds:
        say_what_does_not_add_up(NAME, folder, reconciliation)
        raise typer.Exit(WORK_FAILED)
    return unreadable


def _print_ingested(
    folder: Path, ingested: Ingested, reconciliation: Reconciliation, hint: ZoneHint | None, *, named: bool
) -> None:
    console = output()

    line = partial(print_lines, console)
    title = "1 file" if ingested.n_files == 1 else f"{ingested.n_files} files"
    console.print(table(("status", "files"), ingested.files_by_status.items(), title=title, right=("files",)))
    console.print()
    names = [name.removeprefix("n_").replace("_", " ") for name in ingested.records]
    console.print(table(names, [list(ingested.records.values())], right=names, title="records"))
    changes = ", ".join(f"{count} {change}" for change, count in ingested.changes.items()) or "nothing new"
    line("")
    if reconciliation.holds:
        records = ingested.records
        line(
            f"{records['n_records']} records read = {ingested.n_rows} rows + {records['n_duplicates']} duplicates + "
            f"{records['n_quarantined']} quarantined."
        )
    line(f"Batch {ingested.batch.batch_id}: {changes}, {ingested.n_unchanged} unchanged. Tables in {folder}.")
    if hint is not None:
        line(str(hint))
    suffix = f" --warehouse {shlex.quote(str(folder))}" if named else ""
    line(f"  hwbench quarantine{suffix}    what could not be understood, and why")
    line("  hwbench ingest --explain PATH    each record of one file, and the rule that judged it")


def _list(folder: Path, *, as_json: bool) -> None:
    from hwbench_pipeline.legacy.batches import list_batches

    finish_cut_off(folder)
    found = list_batches(folder)
    rows: list[dict[str, Any]] = [
        {
            "batch_id": batch.batch_id,
            "started_at": batch.started_at,
            "finished_at": batch.finished_at,
            "paths": list(batch.roots),
            "timezone": batch.timezone,
            "files_by_change": dict(batch.counts),
            "undone_at": batch.undone_at,
        }
        for batch in found
    ]
    if as_json:
        print_json({"warehouse": str(folder), "batches": rows})
        return
    if not rows:
        output().print(inert(f"no batches in {folder}"), markup=False, soft_wrap=True)
        return
    shown = [
        (
            row["batch_id"],
            row["started_at"],
            ", ".join(f"{count} {change}" for change, count in row["files_by_change"].items()) or "nothing new",
            row["undone_at"],
            ", ".join(row["paths"]),
        )
        for row in rows
    ]
    output().print(table(("batch", "started (UTC)", "files", "undone (UTC)", "from"), shown))


def _undo(folder: Path, batch_id: str, *, as_json: bool) -> list[UnreadableFile]:
    from hwbench_pipeline.analysis.refreshing import refresh_if_older
    from hwbench_pipeline.legacy.batches import UnknownBatchError
    from hwbench_pipeline.legacy.ingest import undo

    try:
        batch = undo(folder, batch_id)
    except UnknownBatchError:
        refresh_if_older(folder)  # an undo that was cut off after the tables followed has left the database as it was
        raise
    unreadable = refresh_if_older(folder)
    if as_json:
        print_json({"warehouse": str(folder), "undone": batch.batch_id, "files_by_change": dict(batch.counts)})
    else:
        output().print(
            f"batch {batch.batch_id} is undone: the tables are as if it had never been. Its files, if they are still there, "
            "are new to the next ingest.",
            soft_wrap=True,
        )
    return unreadable


def _explain(paths: list[Path], zone: tzinfo | None, *, as_json: bool) -> None:
    from hwbench_pipeline.legacy.explaining import explain
    from hwbench_pipeline.legacy.finding import find_entries

    explanations = (explain(Path(entry.path), zone) for entry in find_entries(paths))
    if as_json:
        from dataclasses import asdict

        print_json({"files": [asdict(explanation) for explanation in explanations]})
        return
    for explanation in explanations:
        _print_explanation(explanation)


def _print_explanation(explanation: Explanation) -> None:
    """Each record under its pointer, which stands alone on its line; colours where a terminal shows them."""
    from rich.text import Text

    console = output()

    def line(indent: int, *parts: tuple[str, str]) -> None:
        console.print(
            Text(" " * indent).append_tokens((inert(text), style) for text, style in parts),
            soft_wrap=True,
            markup=False,
        )

    counts = Counter(record.provenance for record in explanation.records)
    counted = "".join(f", {counts[name]} {shown.lower()}" for name, (shown, _) in _SHOWN.items() if counts[name])
    line(0, (explanation.path, "bold"))
    line(2, (f"{explanation.status}, shape {explanation.shape or 'unknown'}{counted}", ""))
    if explanation.error:
        line(2, (explanation.error, ""))
    for record in explanation.records:
        shown, style = _SHOWN[record.provenance]
        hardware = record.hardware or "not known"
        if record.hardware_requested not in (None, record.hardware):
            hardware += f" (claims {record.hardware_requested})"
        model = f"{record.model_id or 'not named'}{f' = {record.model}' if record.model else ''}"
        line(0, ("", ""))
        line(2, (record.pointer or _WHOLE_FILE, "bold cyan"))
        line(4, (shown, style), (f" by {record.rule}: {record.evidence}", ""))
        line(4, (f"model {model}, hardware {hardware}", ""))
        if record.quantities:
            line(4, (", ".join(f"{name} = {value:.6g}" for name, value in record.quantities.items()), ""))
    for place in explanation.put_aside:
        line(0, ("", ""))
        line(2, (place.pointer or _WHOLE_FILE, "bold cyan"))
        line(4, ("PUT ASIDE", "bold red"), (f": {place.reason}", ""))
    line(0, ("", ""))


def _zone(text: str | None) -> tzinfo | None:
    from hwbench_pipeline.legacy.zones import zone_named

    try:
        return None if text is None else zone_named(text)
    except ValueError as error:
        raise WrongCallError(f"--timezone {error}. Fix: --timezone -08:00") from None
