"""`hwbench quarantine`: what of the old files could not be understood, why, and the way back to the original bytes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwbench_pipeline.cli.accounting import finish_cut_off
from hwbench_pipeline.cli.failing import WORK_FAILED, WrongCallError
from hwbench_pipeline.cli.options import JsonOption, WarehouseOption, existing_warehouse
from hwbench_pipeline.cli.output import output, print_json, print_lines, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from hwbench_pipeline.legacy.quarantine import QuarantinedGroup, QuarantinedPlace, Restored

NAME = "quarantine"
HELP = (
    "List what could not be understood in old result files, grouped by reason. The original bytes are kept; a better "
    "reader reads them on the next `hwbench ingest`."
)
EXAMPLE = "Example: `hwbench quarantine --reason truncated` lists the files; `--restore DIR` writes their bytes out"


def run(
    warehouse: WarehouseOption = None,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason", metavar="TEXT", help="Only what was put aside for a reason with this text; lists each place."
        ),
    ] = None,
    restore: Annotated[
        Path | None,
        typer.Option(
            "--restore",
            metavar="DIR",
            help="Write the kept bytes of those files into this folder, each as `<start of its SHA-256>-<its name>`.",
            file_okay=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the groups, or the places of one reason; write their bytes out where that is asked for."""
    from hwbench_pipeline.legacy.quarantine import quarantined_groups, quarantined_places, restore_bytes

    if reason is not None and not reason.strip():
        raise WrongCallError(
            f"--reason {reason!r}: is empty; takes a text out of a reason. Fix: leave it out to see every reason"
        )
    folder = existing_warehouse(warehouse)
    finish_cut_off(folder)
    groups = quarantined_groups(folder)
    places = quarantined_places(folder, reason) if reason is not None or restore is not None else []
    if reason is not None and groups and not places:
        raise WrongCallError(
            f"--reason {reason!r}: nothing was put aside for that; takes a text out of a reason. "
            "Fix: `hwbench quarantine` lists the reasons"
        )
    restored = restore_bytes(folder, places, restore) if restore is not None else []
    if as_json:
        document: dict[str, object] = {"warehouse": str(folder), "groups": [vars(group) for group in groups]}
        if reason is not None or restore is not None:
            document["places"] = [vars(place) for place in places]
        if restore is not None:
            document["restored"] = [str(file.target) for file in restored if file.is_whole]
            document["not_restored"] = [
                {"path": file.path, "target": str(file.target), "why": file.outcome}
                for file in restored
                if not file.is_whole
            ]
        print_json(document)
    else:
        _print(groups, places, restored, restore, reason)
    if restore is not None:
        _require_whole(restored)


def _print(
    groups: list[QuarantinedGroup],
    places: list[QuarantinedPlace],
    restored: list[Restored],
    restore: Path | None,
    reason: str | None,
) -> None:
    console = output()

    line = partial(print_lines, console)
    if not groups:
        line("nothing is in quarantine")
        return
    if reason is not None:
        for place in places:
            line(f"{place.path}  {place.pointer or '(whole file)'}")
            line(f"    {place.reason}")
            if place.candidates:
                line(f"    saw: {place.candidates}")
    elif restore is None:
        _print_groups(line, groups)
    if restore is not None:
        n_files = len({place.sha256 or place.path for place in places})
        n_written = sum(file.outcome == "written" for file in restored)
        n_there = sum(file.outcome == "there" for file in restored)
        before = f"; {n_there} stood there already with the same bytes" if n_there else ""
        line(f"{n_written} of {n_files} files written to {restore}{before}")


def _require_whole(restored: list[Restored]) -> None:
    """Name the files that did not come back; the exit code then says that work failed."""
    for file in restored:
        if file.outcome == "damaged":
            say(
                f"hwbench quarantine: {file.path}: its kept bytes are missing or damaged. Fix: restore the folder "
                "legacy_quarantine of the warehouse from a backup, or ingest the file again where it still is"
            )
        elif file.outcome == "differs":
            say(
                f"hwbench quarantine: {file.target} has other bytes than {file.path} and was not overwritten. "
                "Fix: move it away, or name another folder with --restore"
            )
    if not all(file.is_whole for file in restored):
        raise typer.Exit(WORK_FAILED)


def _print_groups(line: Callable[[str], None], groups: list[QuarantinedGroup]) -> None:
    for group in groups:
        places = "1 place" if group.n_places == 1 else f"{group.n_places} places"
        files = "1 file" if group.n_files == 1 else f"{group.n_files} files"
        line(f"{group.reason_kind}: {places} in {files}")
        line(f"    {group.example_reason}")
        line(f"    {group.example_path}")
    line("")
    line("`--reason TEXT` lists each place with its reason and what the reader saw there.")
