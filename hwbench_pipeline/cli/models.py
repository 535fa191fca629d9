"""`hwbench models`: the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from hwbench_pipeline.cli.options import JsonOption, listed_categories
from hwbench_pipeline.cli.output import json_rows, messages, output, print_json, say, table

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
    from hwbench_pipeline.schema.tables import CORE_MODELS

    wanted = listed_categories(category)
    with messages().status("building every model without weights…"):
        from hwbench_pipeline.bench.deriving import known_models
        from hwbench_pipeline.catalog.configs import SIZES
        from hwbench_pipeline.catalog.rows import model_row

        models = [model for model in known_models(on_need=say) if not wanted or model.category in wanted]
        rows = [model_row(model.key, size) for model in models for size in SIZES]
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
                    f"{row['n_parameters']:,}" if row["n_parameters"] else None,
                    row["flops"] / 1e9 if row["flops"] else None,
                )
                for row in rows
            ),
            right=("parameters", "GFLOP per item"),
        )
    )
