"""`hwbench models`: the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from hwbench_pipeline.cli.options import JsonOption, listed_choices
from hwbench_pipeline.cli.output import json_rows, messages, output, print_json, table

NAME = "models"
HELP = "The models that can be measured, at tiny and at reference size."
EXAMPLE = "Example: `hwbench models --category vision`"


def run(
    category: Annotated[
        str | None, typer.Option(metavar="C", help="Only these categories, separated by commas.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the catalog."""
    from hwbench_pipeline.catalog.names import MODELS
    from hwbench_pipeline.schema.tables import CORE_MODELS

    wanted = listed_choices("--category", category, sorted({model.category for model in MODELS}))
    with messages().status("building every model without weights…"):
        from hwbench_pipeline.catalog.rows import model_rows

        rows = [row for row in model_rows() if not wanted or row["category"] in wanted]
    if as_json:
        print_json(json_rows(CORE_MODELS.column_names, rows))
        return
    head = ("model", "size", "Hugging Face id", "category", "takes", "parameters", "GFLOP per item")
    output().print(
        table(
            head,
            (
                (
                    row["model"],
                    row["model_size"],
                    row["model_id"],
                    row["category"],
                    ", ".join(row["modalities"]),
                    f"{row['n_parameters']:,}",
                    row["flops"] / 1e9 if row["flops"] else None,
                )
                for row in rows
            ),
            right=("parameters", "GFLOP per item"),
        )
    )
