"""`hwbench refresh`: every table below the executions made anew."""

from __future__ import annotations

import typer

from hwbench_pipeline.cli.accounting import finish_cut_off, say_what_does_not_add_up
from hwbench_pipeline.cli.failing import WORK_FAILED
from hwbench_pipeline.cli.options import WarehouseOption
from hwbench_pipeline.cli.output import messages, output, say, table

NAME = "refresh"
HELP = (
    "Unite all results anew, count coverage, compare, look for regressions, fit the predictor, write the report and build the database; the model catalog "
    "and this host's hardware too, where the warehouse has none with peaks yet. "
    "For warehouses that Dagster runs wrote into; `bench` and `ingest` bring results and database up to date by themselves."
)
EXAMPLE = "Example: `hwbench refresh --warehouse data/warehouse`"


def run(warehouse: WarehouseOption = None) -> None:
    """Make the tables anew and print their sizes."""
    from hwbench_pipeline.analysis.answering import write_comparisons, write_regressions
    from hwbench_pipeline.analysis.refreshing import refresh, unite
    from hwbench_pipeline.bench.deriving import make_known
    from hwbench_pipeline.catalog.entries import catalog_keys
    from hwbench_pipeline.catalog.storing import write_models
    from hwbench_pipeline.hardware.storing import write_hardware
    from hwbench_pipeline.legacy.reconciliation import reconcile
    from hwbench_pipeline.prediction.storing import fit_predictor, write_features, write_predictions
    from hwbench_pipeline.reports.coverage import write_coverage_report
    from hwbench_pipeline.schema.tables import CORE_HARDWARE, CORE_MODELS
    from hwbench_pipeline.warehouse.location import table_file, warehouse_path
    from hwbench_pipeline.warehouse.reading import read_rows
    from hwbench_pipeline.warehouse.writing import WarehouseError

    folder = warehouse_path(warehouse)
    if not folder.is_dir():
        raise WarehouseError(
            f"there is no warehouse {folder}. Fix: `hwbench demo` or `hwbench bench` make one; for another folder use --warehouse"
        )
    finish_cut_off(folder)
    reconciliation = reconcile(folder)
    if not reconciliation.holds:
        say_what_does_not_add_up(NAME, folder, reconciliation)
        raise typer.Exit(WORK_FAILED)
    with messages().status("making the tables anew…"):
        unite(folder)
        write_comparisons(folder)
        write_regressions(folder)
        if not table_file(folder, CORE_MODELS).exists():
            make_known(catalog_keys(components=True), on_need=say)
            write_models(folder)
        hardware, _ = read_rows(folder, CORE_HARDWARE)
        if all(row["peak_gflops_fp32"] is None for row in hardware):
            write_hardware(folder, on_wait=say)
        write_features(folder)
        fitted = fit_predictor(folder)
        write_predictions(folder)
        report = write_coverage_report(folder)
        refreshed = refresh(folder)
    console = output()
    console.print(table(("table", "rows"), refreshed.database.n_rows.items(), right=("rows",)))
    if fitted.reason:
        console.print(f"\nno predictor: {fitted.reason}")
    console.print(f"\n  database  {refreshed.database.path}\n  report    {report.html}")
    for file in refreshed.unreadable:
        say(f"hwbench refresh: {file}")
    if refreshed.unreadable:
        raise typer.Exit(WORK_FAILED)
