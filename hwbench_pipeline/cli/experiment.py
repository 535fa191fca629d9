"""`hwbench experiment`: does a claimed optimisation of browsers show an effect here?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwbench_pipeline.cli.failing import WrongCallError
from hwbench_pipeline.cli.options import SIZES, JsonOption, WarehouseOption, listed_choices
from hwbench_pipeline.cli.output import json_rows, output, print_json, progress, say, table
from hwbench_pipeline.schema.tables.web_experiments import EXPERIMENTS

NAME = "experiment"
HELP = (
    "Try three claims about browsers: the workgroup size of an audio shader, shaders compiled in advance, and components "
    "loaded at once. Variants run in turns; each is compared with a baseline, and where nothing shows it says so. The rows go "
    "into core_bench__web_experiments."
)
EXAMPLE = "Example: `hwbench experiment --only audio_workgroups --rounds 20`"


def run(
    only: Annotated[
        str | None, typer.Option(metavar="E,…", help=f"Some of {', '.join(EXPERIMENTS)}. Default: all.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=6, help="Samples of each variant.")] = 12,
    size: Annotated[str, typer.Option(metavar="S", help="Size of the models: tiny, or reference.")] = "tiny",
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Also write the outcome as a page (HTML).")
    ] = None,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run experiments and print what they show."""
    names = listed_choices("--only", only, EXPERIMENTS) if only else EXPERIMENTS
    sizes = listed_choices("--size", size, SIZES)
    if len(sizes) != 1:
        raise WrongCallError(f"--size {size!r}: takes one size. Fix: --size tiny")
    (one_size,) = sizes

    from hwbench_pipeline.bench.web_experiments.running import Asked, run_experiments
    from hwbench_pipeline.reports.tables import interval_text, significant, verdict_text
    from hwbench_pipeline.reports.web_experiments import experiments_page
    from hwbench_pipeline.schema.tables import CORE_BENCH__WEB_EXPERIMENTS
    from hwbench_pipeline.warehouse.location import warehouse_path
    from hwbench_pipeline.warehouse.writing import cannot_write, require_writable

    folder = warehouse_path(warehouse)
    require_writable(folder)
    with progress() as bar:
        task = bar.add_task("starting", total=None)

        def on_step(step: str) -> None:
            bar.update(task, description=step)
            if not bar.console.is_terminal:
                say(step)

        rows = run_experiments(folder, names, Asked(n_rounds=rounds, size=one_size), on_step=on_step)
    if report is not None:
        try:
            report.write_text(experiments_page(rows), encoding="utf-8")
        except OSError as error:
            raise cannot_write(report, error, "--report") from error
        say(f"{report}: the report")
    if as_json:
        print_json(json_rows(CORE_BENCH__WEB_EXPERIMENTS.column_names, rows))
        return
    output().print(
        table(
            ("on", "metric", "variant", "ms p50", "ratio", "interval", "verdict"),
            (
                (
                    f"{row['subject']}, {row['hardware']}: {row['device_name']}",
                    row["metric"],
                    row["variant"],
                    significant(row.get("latency_ms_p50")),
                    significant(row.get("ratio")),
                    interval_text(row),
                    verdict_text(row),
                )
                for row in rows
            ),
            right=("ms p50", "ratio"),
        )
    )
