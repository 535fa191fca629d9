"""`hwbench predict`: the latency of a point that nobody measured, with how wrong such predictions were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from hwbench_pipeline.bench.plan import FLOATING_PRECISIONS
from hwbench_pipeline.cli.failing import WORK_FAILED, WrongCallError
from hwbench_pipeline.cli.options import (
    MODES,
    SIZES,
    JsonOption,
    WarehouseOption,
    chosen_models,
    listed_choices,
    listed_hardware,
    listed_numbers,
    require_possible_lengths,
)
from hwbench_pipeline.cli.output import json_rows, output, print_json, print_reasons, say, significant, table

NAME = "predict"
HELP = (
    "Predict median latency for points that nobody measured, from the fitted predictor of the warehouse. The range held "
    "at least 80 % of the errors when each model of that mode and size was left out in turn. What was measured is shown "
    "as measured instead, with its flags; --json adds the device and the time."
)
EXAMPLE = "Example: `hwbench predict --model llama --hardware cpu --batch-size 1,8`"

_COLUMNS = (
    "provenance",
    "hardware",
    "model",
    "model_size",
    "mode",
    "precision",
    "batch_size",
    "sequence_length",
    "latency_ms_p50",
    "latency_ms_p50_low",
    "latency_ms_p50_high",
    "roofline_latency_ms",
    "held_out_median_ape_percent",
    "best_baseline",
    "best_baseline_median_ape_percent",
    "device_name",
    "flags",
    "started_at",
    "reason",
)

# not in the table: told in lines below it, or too wide
_ONLY_JSON = ("best_baseline", "best_baseline_median_ape_percent", "device_name", "started_at", "reason")

_HEADS = {
    "model_size": "size",
    "batch_size": "batch",
    "sequence_length": "tokens",
    "latency_ms_p50": "p50 ms",
    "latency_ms_p50_low": "low ms",
    "latency_ms_p50_high": "high ms",
    "roofline_latency_ms": "roofline ms",
    "held_out_median_ape_percent": "median error %",
}

_BASELINE_TEXTS = {
    "scaled_roofline": "the scaled roofline",
    "roofline": "the bare roofline",
    "constant": "one constant for all models",
}


def run(
    model: Annotated[str, typer.Option(metavar="M,…", help="Catalog keys or Hugging Face ids.")],
    hardware: Annotated[str | None, typer.Option(metavar="H,…", help="Hardware keys. Default: all with peaks.")] = None,
    mode: Annotated[str, typer.Option(metavar="MODE", help="inference or training.")] = "inference",
    size: Annotated[str, typer.Option(metavar="S,…", help="reference or tiny.")] = "reference",
    batch_size: Annotated[str, typer.Option(metavar="N,…", help="Items per call.")] = "1",
    sequence_length: Annotated[
        str | None, typer.Option(metavar="N", help="Tokens per item. Default: the model's own.")
    ] = None,
    precision: Annotated[str, typer.Option(metavar="P", help="fp32, bf16 or fp16.")] = "fp32",
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look up or predict each point."""
    models = chosen_models(model, None, all_models=False)
    keys = listed_hardware(hardware)
    modes = listed_choices("--mode", mode, MODES)
    sizes = listed_choices("--size", size, SIZES)
    precisions = listed_choices("--precision", precision, FLOATING_PRECISIONS)
    batch_sizes = listed_numbers("--batch-size", batch_size)
    lengths = listed_numbers("--sequence-length", sequence_length)
    if len(lengths) > 1:
        raise WrongCallError("--sequence-length takes one number here. Fix: --sequence-length 128")
    require_possible_lengths(models, sizes, lengths)

    from itertools import product

    from hwbench_pipeline.prediction.points import Question, answer
    from hwbench_pipeline.prediction.predictor import Predictor
    from hwbench_pipeline.prediction.storing import predictor_file
    from hwbench_pipeline.schema.tables import CORE_HARDWARE, OUT__RESULTS
    from hwbench_pipeline.warehouse.location import warehouse_path
    from hwbench_pipeline.warehouse.reading import read_rows
    from hwbench_pipeline.warehouse.writing import WarehouseError

    folder = warehouse_path(warehouse)
    path = predictor_file(folder)
    predictor = Predictor.load(path) if path.exists() else None
    devices, unreadable_devices = read_rows(folder, CORE_HARDWARE)
    results, unreadable = read_rows(folder, OUT__RESULTS)
    unreadable += unreadable_devices
    if predictor is None and not results and not unreadable:
        raise WarehouseError(
            f"{folder} holds neither measurements nor a predictor. Fix: `hwbench bench` measures, `hwbench refresh` fits a "
            "predictor; for another folder use --warehouse"
        )
    keys = keys or [row["hardware"] for row in devices if row["peak_gflops_fp32"] is not None]
    if not keys:
        raise WarehouseError(
            f"{folder} knows no hardware with measured peaks. Fix: `hwbench refresh` on the machine to "
            "predict for, which probes hardware and measures peaks where the warehouse has none; or --hardware for what "
            "was measured"
        )
    rows: list[dict[str, Any]] = []
    for key, name, one_size, one_mode, one_precision, batch in product(
        keys, models, sizes, modes, precisions, batch_sizes
    ):
        question = Question(key, name, one_size, one_mode, one_precision, batch, lengths[0] if lengths else None)
        rows.append(answer(question, predictor, devices, results))
    if as_json:
        print_json(json_rows(_COLUMNS, rows))
    else:
        console = output()
        shown = [
            name for name in _COLUMNS if name not in _ONLY_JSON and any(row.get(name) not in (None, []) for row in rows)
        ]
        head = [_HEADS.get(name, name) for name in shown]
        numbers = [_HEADS[name] for name in shown if name in _HEADS and name != "model_size"]
        console.print(table(head, ([_cell(row.get(name)) for name in shown] for row in rows), right=numbers))
        for line in _closer_baselines(rows):
            console.print(f"\n{line}", markup=False, soft_wrap=True)
        print_reasons(
            console,
            ((f"{row['hardware']}, {row['mode']}", row["reason"]) for row in rows if row.get("reason") is not None),
        )
    for file in unreadable:
        say(f"hwbench predict: {file}")
    if unreadable or all(row["provenance"] == "none" for row in rows):
        raise typer.Exit(WORK_FAILED)


def _closer_baselines(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line for each mode and model size among the predicted answers where a baseline beat the predictor."""
    lines: dict[tuple[str, str], str] = {}
    for row in rows:
        if row["provenance"] != "predicted":
            continue
        error, baseline_error = row["held_out_median_ape_percent"], row["best_baseline_median_ape_percent"]
        if baseline_error < error:
            lines[row["mode"], row["model_size"]] = (
                f"{row['mode']}, {row['model_size']}: {_BASELINE_TEXTS[row['best_baseline']]} was closer when models were "
                f"left out (median error {significant(baseline_error)} % against {significant(error)} %); trust these "
                "predictions no further than their range"
            )
    return list(lines.values())


def _cell(value: Any) -> Any:
    """A value as the table shows it: flags as words."""
    return ", ".join(value) or None if isinstance(value, list) else value
