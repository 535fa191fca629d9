"""`hwbench quarantine`: what of the old files could not be understood, why, and the way back to the original bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwbench_pipeline.cli.failing import WrongCallError
from hwbench_pipeline.cli.options import JsonOption, WarehouseOption
from hwbench_pipeline.cli.output import output, print_json, table

if TYPE_CHECKING:
    from hwbench_pipeline.legacy.quarantine import QuarantinedPlace

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
        typer.Option("--restore", metavar="DIR", help="Write the kept bytes of the listed files into this folder."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the groups, or the places of one reason; write their bytes out where that is asked for."""
    from hwbench_pipeline.legacy.quarantine import quarantined_groups, quarantined_places, restore_bytes
    from hwbench_pipeline.warehouse.location import warehouse_path

    folder = warehouse_path(warehouse)
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
        if places:
            document["places"] = [vars(place) for place in places]
        if restore is not None:
            document["restored"] = [str(path) for path in restored]
        print_json(document)
        return
    console = output()
    if not groups:
        console.print("nothing is in quarantine")
        return
    if places:
        _print_places(places)
    else:
        rows = [(group.reason_kind, group.n_files, group.n_places, group.example_path) for group in groups]
        console.print(table(("reason", "files", "places", "for example"), rows, right=("files", "places")))
        console.print("\n`--reason TEXT` lists each place with its reason and what the reader saw there.")
    if restore is not None:
        n_files = len({place.sha256 or place.path for place in places})
        console.print(f"{len(restored)} of {n_files} files written to {restore}", highlight=False)


def _print_places(places: list[QuarantinedPlace]) -> None:
    console = output()
    for place in places:
        console.print(f"{place.path}  {place.pointer or ''}", markup=False, soft_wrap=True)
        console.print(f"    {place.reason}", markup=False, soft_wrap=True)
        if place.candidates:
            console.print(f"    saw: {place.candidates}", markup=False, soft_wrap=True)
