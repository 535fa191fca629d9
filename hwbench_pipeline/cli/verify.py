"""`hwbench verify`: does it run, and is the answer right?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from hwbench_pipeline.cli.failing import WORK_FAILED
from hwbench_pipeline.cli.options import (
    MODES,
    SIZES,
    FromHubOption,
    JsonOption,
    PartsOption,
    VariantOption,
    chosen_models,
    listed_choices,
    listed_hardware,
    listed_variants,
)
from hwbench_pipeline.cli.output import announce, output, print_json, print_lines, progress, table

NAME = "verify"
HELP = (
    "Whether models run on hardware and answer as torch does in fp32 on the CPU: each is built, called once, compared, and "
    "in training mode makes a step, in a process of its own. Stores nothing. Exit code 1 where one fails."
)
EXAMPLE = "Example: `hwbench verify --hardware cpu,openvino --category audio --mode inference,training`"


def run(
    hardware: Annotated[
        str | None,
        typer.Option(
            metavar="H,…",
            help="Hardware keys (`hwbench hardware`). Default: all that this machine has, but for a GPU that software plays.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="M,…", help="Catalog keys (`hwbench models`), Hugging Face ids, ./folders.")
    ] = None,
    category: Annotated[str | None, typer.Option(metavar="C,…", help="All models of these categories.")] = None,
    all_models: Annotated[bool, typer.Option("--all-models", help="Every model of the catalog.")] = False,
    parts: PartsOption = False,
    from_hub: FromHubOption = False,
    mode: Annotated[str, typer.Option(metavar="MODE,…", help="inference, training.")] = "inference",
    size: Annotated[str, typer.Option(metavar="S", help="tiny, or reference (the real model).")] = "tiny",
    variant: VariantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Verify cells and print what came of them."""
    modes = listed_choices("--mode", mode, MODES)
    (one_size,) = listed_choices("--size", size, SIZES)[:1]
    models = chosen_models(model, category, all_models=all_models, parts=parts, from_hub=from_hub)
    keys = listed_hardware(hardware)

    from hwbench_pipeline.bench.isolation import CellProcesses
    from hwbench_pipeline.bench.plan import variants_on
    from hwbench_pipeline.bench.verifying import verify_cell
    from hwbench_pipeline.hardware.probing import usual_keys

    keys = keys or usual_keys()
    variants = listed_variants(variant, keys, modes)
    cells = [
        (key, name, one, way) for one in modes for key in keys for way in variants_on(key, variants) for name in models
    ]
    verdicts = []
    with CellProcesses() as processes, progress() as bar:
        task = bar.add_task("verifying", total=len(cells))
        for number, (key, name, one, way) in enumerate(cells):
            what = f"{key} × {name} ({', '.join(filter(None, (one, way)))})"
            announce(bar, number, len(cells), what)
            bar.update(task, description=what)
            verdict = verify_cell(key, name, one, processes, size=one_size, variant=way)
            verdicts.append(verdict)
            print_lines(bar.console, f"{verdict.outcome}: {what}{f': {verdict.reason}' if verdict.reason else ''}")
            bar.advance(task)
    counts = {name: sum(verdict.outcome == name for verdict in verdicts) for name in ("passed", "failed", "skipped")}
    if as_json:
        print_json({"counts": counts, "verdicts": [asdict(verdict) for verdict in verdicts]})
    else:
        shown = [verdict for verdict in verdicts if verdict.outcome != "passed"] if len(verdicts) > 40 else verdicts
        output().print(
            table(
                ("hardware", "model", "mode", "variant", "outcome", "error", "why"),
                (
                    (
                        verdict.hardware,
                        verdict.model,
                        verdict.mode,
                        verdict.variant,
                        verdict.outcome,
                        verdict.output_max_rel_error,
                        verdict.reason,
                    )
                    for verdict in shown
                ),
                title=", ".join(f"{count} {name}" for name, count in counts.items()) + f" of {len(verdicts)}",
                right=("error",),
            )
        )
    if counts["failed"]:
        raise typer.Exit(WORK_FAILED)
