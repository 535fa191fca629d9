"""`hwbench demo`: the whole graph on sample input."""

from __future__ import annotations

import time
from pathlib import Path

import typer

from hwbench_pipeline.cli.failing import WORK_FAILED
from hwbench_pipeline.cli.options import WarehouseOption
from hwbench_pipeline.cli.output import announce, messages, output, print_reasons, progress, say, table

NAME = "demo"
HELP = (
    "The whole graph on sample input, in a few minutes: reads the sample files of data/legacy, measures the key models "
    "on what this machine has, unites everything, predicts the rest. Run again, it does only what is missing."
)
EXAMPLE = "Example: `hwbench demo`, then `make ui`"


def run(warehouse: WarehouseOption = None) -> None:
    """Run every step that is not done yet, then print coverage and where everything lies."""
    started = time.monotonic()
    with messages().status("loading the graph…"):
        from hwbench_pipeline.definitions import build_defs
        from hwbench_pipeline.orchestration.demo import demo_steps, local_instance, local_instance_home
        from hwbench_pipeline.warehouse.location import database_file, warehouse_path

    project = Path.cwd()
    folder = warehouse_path(warehouse)
    home = local_instance_home(project)
    with local_instance() as instance:
        with messages().status("looking at what is done…"):
            steps = demo_steps(instance, folder, project / "data" / "legacy", build_defs)
        with progress() as bar:
            task = bar.add_task("", total=len(steps), completed=sum(step.is_done for step in steps))
            for number, step in enumerate(steps):
                if not step.is_done:
                    announce(bar, number, len(steps), step.title)
                    bar.update(task, description=step.title)
                    step.run()
                    bar.advance(task)
            bar.update(task, description="done")
    _print_outcome(folder, home, database_file(folder), time.monotonic() - started)


def _print_outcome(folder: Path, home: Path, database: Path, seconds: float) -> None:
    from hwbench_pipeline.analysis.refreshing import coverage_now
    from hwbench_pipeline.cli.coverage import print_coverage
    from hwbench_pipeline.hardware.platforms import hardware_keys
    from hwbench_pipeline.hardware.probing import probe
    from hwbench_pipeline.orchestration.demo import is_emulated
    from hwbench_pipeline.schema.tables import OUT__PREDICTION_SCORES, OUT__RESULTS
    from hwbench_pipeline.warehouse.reading import read_rows

    console = output()
    rows, unreadable = coverage_now(folder)
    print_coverage(console, rows)
    scores, _ = read_rows(folder, OUT__PREDICTION_SCORES)
    if scores:
        columns = (
            "mode",
            "model_size",
            "method",
            "n_rows",
            "n_models",
            "mape_percent",
            "median_ape_percent",
            "within_10_percent",
        )
        console.print(
            table(
                columns,
                ([row[name] for name in columns] for row in scores if row["mape_percent"] is not None),
                title="prediction of a model that was left out, beside baselines (errors in %)",
                right=columns[3:],
            )
        )
        print_reasons(
            console,
            ((f"{row['mode']}, {row['model_size']}", row["reason"]) for row in scores if row["reason"] is not None),
        )
    results, _ = read_rows(folder, OUT__RESULTS)
    measured = [row for row in results if row["source"] == "hwbench" and row["is_current"] and row["status"] == "ok"]
    n_flagged = sum(bool(row["flags"]) for row in measured)
    if n_flagged:
        console.print(
            f"\n{n_flagged} of {len(measured)} measured rows are flagged (noisy, loaded_machine): the predictor does not "
            "learn from them. `hwbench bench` measures again, with the machine at rest."
        )
    for key in filter(is_emulated, hardware_keys()):
        console.print(
            f"\n{key} was left out: {probe(key).device_name} plays a GPU here, for minutes a model. "
            f"`hwbench bench --hardware {key} --size tiny --model bert` measures it, labelled so."
        )
    console.print(f"\n{seconds:.0f} s.")
    console.print(f"  tables    {folder}")
    console.print(f'  database  {database}   hwbench query "show tables"')
    console.print(f"  report    {folder / 'reports' / 'coverage.html'}")
    console.print(f"  UI        make ui, then http://127.0.0.1:3000   (the Dagster instance lies in {home})")
    for file in unreadable:
        say(f"hwbench demo: {file}")
    if unreadable:
        raise typer.Exit(WORK_FAILED)
