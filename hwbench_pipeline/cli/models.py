"""`hwbench models`: the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

from hwbench_pipeline.cli.failing import WrongCallError
from hwbench_pipeline.cli.options import FromHubOption, JsonOption, asked_key, listed, listed_categories
from hwbench_pipeline.cli.output import json_rows, messages, output, print_json, say, table

NAME = "models"
HELP = "The models that can be measured, at tiny and at reference size."
EXAMPLE = "Example: `hwbench models --category vision`"


def run(
    category: Annotated[
        str | None, typer.Option(metavar="C", help="Only these categories, separated by commas.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="M,…", help="Only these: catalog keys, Hugging Face ids, ./folders.")
    ] = None,
    from_hub: FromHubOption = False,
    forget: Annotated[
        str | None, typer.Option(metavar="KEY", help="Take this checkpoint, once asked for, out of the catalog again.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print the catalog."""
    from hwbench_pipeline.schema.tables import CORE_MODELS

    if forget is not None:
        _forget(forget)
        return
    wanted = listed_categories(category)
    if from_hub and model is None:
        raise WrongCallError("--from-hub: fetches what --model names. Fix: leave it out, or --model org/name")
    named = [asked_key(name, from_hub=from_hub) for name in listed("--model", model)]
    with messages().status("building every model without weights…"):
        from hwbench_pipeline.bench.deriving import known_models
        from hwbench_pipeline.catalog.configs import SIZES
        from hwbench_pipeline.catalog.entries import catalog_model
        from hwbench_pipeline.catalog.rows import model_row

        found = [catalog_model(key) for key in named] or known_models(on_need=say)
        rows = [model_row(one.key, size) for one in found if not wanted or one.category in wanted for size in SIZES]
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
    for row in rows:
        why = row["reason"] or (row["flops_method"] if row["flops"] is None else None)
        if why and (named or row["model_size"] == SIZES[0]):  # a long list tells a model's reason once
            output().print(f"{row['model']} {row['model_size']}: {' '.join(why.split())[:300]}", markup=False)


def _forget(key: str) -> None:
    from hwbench_pipeline.catalog import checkpoints

    if not checkpoints.forget(key):
        kept = ", ".join(checkpoints.kept_keys()) or "none"
        raise WrongCallError(f"--forget {key}: no checkpoint is kept under this key; kept: {kept}. Fix: one of these")
    say(f"{key} is no model of this machine's catalog any more; its results stay")
