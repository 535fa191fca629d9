"""`hwbench export`: measured results in other tools' formats, and as a bundle of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from hwbench_pipeline.cli.failing import WORK_FAILED, WrongCallError
from hwbench_pipeline.cli.options import (
    MODES,
    JsonOption,
    WarehouseOption,
    listed,
    listed_choices,
    listed_hardware,
    require_bundle_place,
)
from hwbench_pipeline.cli.output import messages, output, print_json, progress, say, table
from hwbench_pipeline.schema.tables.results import MODEL_SIZES

NAME = "export"
HELP = (
    "Write measured results in another tool's format. optimum-benchmark: one folder per row with benchmark.json, "
    "benchmark_config.json and benchmark_report.json, which its own classes load. That format cannot say what a number is "
    "worth, so only measured rows with raw samples are written; the others are counted with the reason. Nothing on disk "
    "is overwritten without --force. bundle: one file of the rows that hwbench measured into this warehouse, those without a "
    "number too, for `hwbench import bundle` elsewhere."
)
EXAMPLE = "Example: `hwbench export optimum-benchmark --model bert --hardware cpu --output reports`"

BUNDLE = "bundle"
FORMATS = ("optimum-benchmark", BUNDLE)


def run(
    format_name: Annotated[str, typer.Argument(metavar="FORMAT", help="optimum-benchmark, bundle.")],
    output_path: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="PATH",
            help="Folder for the files; of a bundle the file. Default: one named after the format.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="M,…", help="Catalog keys, or model ids as the rows have them. Default: all.")
    ] = None,
    hardware: Annotated[str | None, typer.Option(metavar="H,…", help="Hardware keys. Default: all.")] = None,
    mode: Annotated[str | None, typer.Option(metavar="MODE", help="inference or training. Default: both.")] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="S,…", help="reference, tiny or custom. Default: all, each under its own name."),
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Older runs of a point too, not only the newest.")] = False,
    include_imported: Annotated[
        bool, typer.Option("--include-imported", help="Measured rows read from other tools' files too.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that say something else.")] = False,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the files and print what became of the rows."""
    if format_name not in FORMATS:
        raise WrongCallError(f"FORMAT {format_name!r}: takes {', '.join(FORMATS)}. Fix: hwbench export {FORMATS[0]}")
    names = listed("--model", model)
    keys = listed_hardware(hardware)
    modes = listed_choices("--mode", mode, MODES)
    sizes = listed_choices("--size", size, MODEL_SIZES)

    from hwbench_pipeline.exports.writing import export_optimum_benchmark
    from hwbench_pipeline.schema.tables import OUT__ENVIRONMENTS, OUT__RESULTS
    from hwbench_pipeline.warehouse.location import warehouse_path
    from hwbench_pipeline.warehouse.reading import read_rows
    from hwbench_pipeline.warehouse.writing import WarehouseError

    folder = warehouse_path(warehouse)
    with messages().status("reading results…"):
        results, unreadable = read_rows(folder, OUT__RESULTS)
        environments, unreadable_environments = read_rows(folder, OUT__ENVIRONMENTS)
    unreadable += unreadable_environments
    if not results and not unreadable:
        raise WarehouseError(
            f"{folder} holds no results. Fix: `hwbench bench` measures, `hwbench refresh` unites what Dagster measured; "
            "for another folder use --warehouse"
        )
    wanted: dict[str, Sequence[str]] = {"hardware": keys, "mode": modes, "model_size": sizes}
    models = _wanted_models(names, results)
    chosen = [
        row
        for row in results
        if (history or row["is_current"])
        and all(row[column] in allowed for column, allowed in wanted.items() if allowed)
        and (not names or row["model"] in models or row["model_id"] in models)
    ]
    if format_name == BUNDLE:
        _export_bundle(output_path or Path("hwbench-bundle.json.gz"), folder, chosen, force=force, as_json=as_json)
        return
    target = output_path or Path(format_name)
    if target.is_file():
        raise WrongCallError(f"--output {target}: is a file, takes a folder. Fix: --output reports")
    with progress() as bar:
        task = bar.add_task("writing reports", total=len(chosen))
        exported = export_optimum_benchmark(
            target,
            chosen,
            {str(row["environment_id"]): row for row in environments},
            include_imported=include_imported,
            overwrite=force,
            on_row=lambda: bar.advance(task),
        )
    refused = sorted(exported.refused.items(), key=lambda item: (-item[1], item[0]))
    counts = {
        "n_written": len(exported.written),
        "n_unchanged": len(exported.unchanged),
        "n_kept": len(exported.kept),
        "n_refused": sum(exported.refused.values()),
    }
    if as_json:
        print_json(
            {
                "output": str(target),
                "n_rows": exported.n_rows,
                **counts,
                "refused": [{"reason": reason, "n_rows": n} for reason, n in refused],
                "folders": sorted(path.name for path in (*exported.written, *exported.unchanged)),
            }
        )
    else:
        console = output()
        names_of_counts = [name.removeprefix("n_") for name in counts]
        console.print(
            table(
                names_of_counts,
                [list(counts.values())],
                title=f"{exported.n_rows} rows → {target}",
                right=names_of_counts,
            )
        )
        if refused:
            console.print()
            console.print(table(("refused because", "rows"), refused, right=("rows",)))
    for file in unreadable:
        say(f"hwbench export: {file}")
    if exported.kept:
        say(
            f"hwbench export: {len(exported.kept)} folder{'s' * (len(exported.kept) != 1)} in {target} already held other "
            f"content and stayed as they were, e.g. {exported.kept[0].name}. Fix: --force overwrites them, or name another "
            "folder with --output"
        )
    n_there = counts["n_written"] + counts["n_unchanged"]
    if n_there == 0 and not exported.kept:
        say(f"hwbench export: {_nothing_to_export(len(chosen), len(results))}")
    if unreadable or exported.kept or n_there == 0:
        raise typer.Exit(WORK_FAILED)


def _export_bundle(
    path: Path, warehouse: Path, chosen: Sequence[Mapping[str, Any]], *, force: bool, as_json: bool
) -> None:
    from hwbench_pipeline.exports.bundle import export_bundle

    require_bundle_place("--output", path)
    if path.exists() and not force:
        raise WrongCallError(f"--output {path}: is there already. Fix: another name, or --force to replace it")
    n_rows, unreadable = export_bundle(path, warehouse, {row["result_id"] for row in chosen})
    for file in unreadable:
        say(f"hwbench export: {file}")
    if as_json:
        print_json({"output": str(path), "n_rows": n_rows, "n_left_out": len(chosen) - n_rows})
    elif n_rows:
        more = f"; {len(chosen) - n_rows} that other files brought are left out" if n_rows < len(chosen) else ""
        say(f"{n_rows} rows in {path}{more}. On the machine with the warehouse: hwbench import bundle {path.name}")
    if not n_rows:
        say(f"hwbench export: hwbench measured none of {len(chosen)} rows into this warehouse. Fix: `hwbench bench`")
    if unreadable or not n_rows:
        raise typer.Exit(WORK_FAILED)


def _wanted_models(names: Sequence[str], results: Sequence[Mapping[str, Any]]) -> set[str]:
    """Model ids that rows have as they are, other names as catalog keys. Raises `UnknownModelError`."""
    from hwbench_pipeline.catalog.names import resolve_exactly

    in_rows = {row["model_id"] for row in results} | {row["model"] for row in results}
    return {name if name in in_rows else resolve_exactly(name).key for name in names}


def _nothing_to_export(n_chosen: int, n_results: int) -> str:
    if n_chosen:
        return f"none of {n_chosen} rows can be exported, for the reasons given. Fix: `hwbench bench` measures rows that can"
    return f"none of {n_results} rows fits the options. Fix: `hwbench coverage` shows what there is"
