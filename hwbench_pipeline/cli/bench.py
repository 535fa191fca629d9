"""`hwbench bench`: measure cells."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwbench_pipeline.bench.plan import (
    DEFAULT_NEW_TOKENS,
    DEFAULT_SOUNDS_S,
    FROM_SOUND,
    LONGEST_SOUND_S,
    POINT_SCENARIOS,
    PRECISIONS,
    Sampling,
    variants_on,
)
from hwbench_pipeline.cli.failing import WORK_FAILED, WrongCallError
from hwbench_pipeline.cli.options import (
    MODES,
    SIZES,
    FromHubOption,
    JsonOption,
    PartsOption,
    VariantOption,
    WarehouseOption,
    chosen_models,
    listed_choices,
    listed_hardware,
    listed_numbers,
    listed_rates,
    listed_seconds,
    listed_variants,
    require_bundle_place,
    require_possible_lengths,
)
from hwbench_pipeline.cli.output import announce, json_rows, output, print_json, print_reasons, progress, say, table
from hwbench_pipeline.training.recipe import OPTIMIZER_KEYS, USUAL_LEARNING_RATES, Recipe, recipe_sweep

if TYPE_CHECKING:
    from hwbench_pipeline.bench.engine import CellExecution
    from hwbench_pipeline.bench.plan import CellPlan
    from hwbench_pipeline.warehouse.reading import UnreadableFile

NAME = "bench"
HELP = (
    "Measure models on hardware. Each cell runs in a process of its own, alone on this host, and is recorded with its "
    "raw samples. A cell that cannot be measured is recorded with the reason, which is a result: exit code 0."
)
EXAMPLE = "Example: `hwbench bench --hardware cpu,openvino --model bert-base-uncased --batch-size 1,8`"


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
    mode: Annotated[str, typer.Option(metavar="MODE", help="inference or training.")] = "inference",
    size: Annotated[
        str, typer.Option(metavar="S,…", help="reference (the real model) or tiny (a stand-in that proves the path).")
    ] = "reference",
    batch_size: Annotated[
        str | None,
        typer.Option(metavar="N,…", help="Items per call; in training, per optimizer step. Default: 1."),
    ] = None,
    largest_batch: Annotated[
        bool,
        typer.Option(
            "--largest-batch",
            help="In place of --batch-size: find the largest batch that fits, by bisection, and measure that.",
        ),
    ] = False,
    memory_limit_mb: Annotated[
        float | None,
        typer.Option(metavar="MB", min=1, help="With --largest-batch: what a call may take. Default: what there is."),
    ] = None,
    sequence_length: Annotated[
        str | None, typer.Option(metavar="N,…", help="Tokens per item. Default: each model's own.")
    ] = None,
    precision: Annotated[
        str, typer.Option(metavar="P,…", help="fp32, bf16, fp16; on openvino also int8, int4 (weights by NNCF).")
    ] = "fp32",
    scenario: Annotated[
        str,
        typer.Option(
            metavar="S,…",
            help="forward; generate: a prompt and new tokens with a key-value cache; from_sound: a waveform, its feature "
            "extraction, and the forward pass.",
        ),
    ] = "forward",
    new_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help=f"With --scenario generate: tokens that a generation makes. Default: {DEFAULT_NEW_TOKENS}.",
        ),
    ] = None,
    sound_seconds: Annotated[
        str | None,
        typer.Option(
            metavar="S,…",
            help=f"With --scenario {FROM_SOUND}: seconds of sound per item. Default: "
            f"{','.join(f'{seconds:g}' for seconds in DEFAULT_SOUNDS_S)}.",
        ),
    ] = None,
    variant: VariantOption = None,
    optimizer: Annotated[
        str | None,
        typer.Option(
            metavar="O,…",
            help=f"With --mode training: {', '.join(OPTIMIZER_KEYS)}, torch's own (sgd without momentum). "
            f"Default: {OPTIMIZER_KEYS[0]}.",
        ),
    ] = None,
    learning_rate: Annotated[
        str | None,
        typer.Option(
            metavar="X,…",
            help="With --mode training. Default: the optimizer's, "
            f"{', '.join(f'{name} {rate:g}' for name, rate in USUAL_LEARNING_RATES.items())}.",
        ),
    ] = None,
    gradient_accumulation: Annotated[
        str | None,
        typer.Option(
            metavar="N,…",
            help="With --mode training: cut the batch into N micro-batches and sum their gradients before the optimizer steps; "
            "less memory for activations, the same step. --batch-size, a multiple of N, counts them all. Default: 1.",
        ),
    ] = None,
    gradient_checkpointing: Annotated[
        bool,
        typer.Option(
            "--gradient-checkpointing",
            help="With --mode training: compute activations again in the backward pass in place of keeping them: less memory, "
            "more time.",
        ),
    ] = False,
    lora_rank: Annotated[
        str | None,
        typer.Option(
            metavar="R,…",
            help="With --mode training: freeze the model and train adapters of this rank beside its linear layers (LoRA, by peft).",
        ),
    ] = None,
    min_duration_s: Annotated[
        float,
        typer.Option(
            "--min-duration",
            metavar="S",
            min=0,
            help="Seconds of sampling at least; half of it, and no more than three times it, warms up.",
        ),
    ] = Sampling.min_duration_s,
    min_samples: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Timed calls at least, and up to three before them to warm up. Fewer than ten are flagged few_samples: enough "
            "to know what runs.",
        ),
    ] = Sampling.min_samples,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Leave out cells of which the warehouse holds every point already, measured or with the reason.",
        ),
    ] = False,
    warehouse: WarehouseOption = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write one result bundle (.json or .json.gz) for `hwbench import bundle` elsewhere, and no warehouse "
            "unless --warehouse names one: needs torch, transformers and this package only.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure, store, bring the tables up to date, and print the rows."""
    modes = listed_choices("--mode", mode, MODES)
    sizes = listed_choices("--size", size, SIZES)
    precisions = listed_choices("--precision", precision, PRECISIONS)
    scenarios = listed_choices("--scenario", scenario, POINT_SCENARIOS)
    batch_sizes = listed_numbers("--batch-size", batch_size) or [1]
    sequence_lengths = listed_numbers("--sequence-length", sequence_length)
    models = chosen_models(model, category, all_models=all_models, parts=parts, from_hub=from_hub)
    keys = listed_hardware(hardware)
    if memory_limit_mb is not None and not largest_batch:
        raise WrongCallError("--memory-limit-mb: bounds the search of --largest-batch. Fix: add --largest-batch")
    if largest_batch and batch_size is not None:
        raise WrongCallError(
            f"--batch-size {batch_size}: --largest-batch finds the batch size itself. Fix: leave one of the two out"
        )
    if new_tokens is not None and "generate" not in scenarios:
        raise WrongCallError(
            f"--new-tokens {new_tokens}: only a generation makes new tokens. Fix: add --scenario generate, or leave it out"
        )
    sounds_s = listed_seconds("--sound-seconds", sound_seconds, LONGEST_SOUND_S)
    if sounds_s and FROM_SOUND not in scenarios:
        raise WrongCallError(
            f"--sound-seconds {sound_seconds}: only {FROM_SOUND} hears. Fix: add --scenario {FROM_SOUND}, or leave it out"
        )
    if scenarios != ["forward"] and "inference" not in modes:
        raise WrongCallError(
            f"--scenario {scenario}: training runs training steps, whatever the scenario. Fix: --mode inference"
        )
    recipes = _asked_recipes(
        modes,
        None if largest_batch else batch_sizes,
        optimizer=optimizer,
        learning_rate=learning_rate,
        gradient_accumulation=gradient_accumulation,
        gradient_checkpointing=gradient_checkpointing,
        lora_rank=lora_rank,
    )
    variants = listed_variants(variant, keys, modes)
    require_possible_lengths(models, sizes, sequence_lengths)

    from hwbench_pipeline.bench.engine import cell_run_id, new_run_id, run_cell
    from hwbench_pipeline.bench.isolation import CellProcesses
    from hwbench_pipeline.bench.largest_batch import run_largest_batch
    from hwbench_pipeline.bench.plan import CellPlan, Point, sweep
    from hwbench_pipeline.hardware.probing import usual_keys
    from hwbench_pipeline.schema.tables.results import CORE_BENCH__INFERENCE

    if bundle is not None:
        require_bundle_place("--bundle", bundle)
        if resume and warehouse is None:
            raise WrongCallError("--resume: goes on with what a warehouse holds. Fix: add --warehouse, or leave it out")
    storage = _Storage(warehouse) if bundle is None or warehouse is not None else None
    if not keys:
        keys = usual_keys()
        variants = listed_variants(variant, keys, modes)
    points = {
        key: sweep(
            model_sizes=sizes,
            precisions=precisions,
            batch_sizes=batch_sizes,
            sequence_lengths=sequence_lengths or [None],
            scenarios=scenarios,
            variants=variants_on(key, variants),
            new_tokens=new_tokens or DEFAULT_NEW_TOKENS,
            sounds_s=sounds_s or DEFAULT_SOUNDS_S,
            recipes=recipes,
        )
        for key in keys
    }
    rules = Sampling.at_least(duration_s=min_duration_s, samples=min_samples)
    plans = [CellPlan(key, name, one_mode, points[key], rules) for one_mode in modes for key in keys for name in models]
    if resume and storage is not None:
        left = [plan for plan in plans if not storage.is_recorded(plan)]
        say(f"{len(plans) - len(left)} of {len(plans)} cells stand in the warehouse already")
        plans = left
    run_id = new_run_id()
    executions: list[CellExecution] = []
    n_whole = 0
    interruption: KeyboardInterrupt | None = None

    def keep(execution: CellExecution) -> None:
        executions.append(execution)
        if storage is not None:
            storage.store(execution)

    with CellProcesses() as processes, progress() as bar:
        task = bar.add_task("measuring", total=len(plans))
        try:
            for number, plan in enumerate(plans):
                announce(bar, number, len(plans), plan.name)
                bar.update(task, description=plan.name)

                def show(point: Point, phase: str, plan: CellPlan = plan) -> None:
                    bar.update(task, description=f"{plan.name}, {point}: {phase}")

                def show_try(batch: int, plan: CellPlan = plan) -> None:
                    text = f"{plan.name}: does batch {batch} fit?"
                    bar.update(task, description=text)
                    if not bar.console.is_terminal:  # a search takes minutes, in which a log would say nothing
                        say(text)

                if largest_batch:
                    execution = run_largest_batch(
                        plan,
                        processes,
                        run_id=cell_run_id(run_id, number),
                        memory_limit_mb=memory_limit_mb,
                        on_wait=bar.console.print,
                        on_try=show_try,
                        keep=keep,
                    )
                else:
                    execution = run_cell(
                        plan,
                        processes,
                        run_id=cell_run_id(run_id, number),
                        on_wait=bar.console.print,
                        on_phase=show,
                        keep=keep,
                    )
                keep(execution)
                n_whole += 1
                bar.advance(task)
        except KeyboardInterrupt as pressed:  # what is done is brought home before the call ends
            interruption = pressed
            n_points = sum(len(execution.rows) for execution in executions[n_whole:])
            part = f" and {n_points} points of the next one" if n_points else ""
            say(f"hwbench bench: Ctrl-C after {n_whole} of {len(plans)} cells{part}")
        bar.update(task, description="bringing the tables up to date")
        unreadable = [] if storage is None else storage.refresh()
    united = (
        {}
        if storage is None
        else storage.results_of_runs({row["run_id"] for execution in executions for row in execution.rows})
    )
    rows = [row for execution in executions for row in execution.rows]
    if bundle is not None:
        _write_bundle(bundle, executions, is_cut_short=interruption is not None)
    if as_json:
        print_json(json_rows(CORE_BENCH__INFERENCE.column_names, rows))
    elif rows:
        n_measured = sum(row["status"] == "ok" for row in rows)
        head = (
            "hardware",
            "model",
            "size",
            "what",
            "precision",
            "batch",
            "tokens",
            "status",
            "p50 ms",
            "items/s",
            "memory MB",
            "flags",
        )
        from hwbench_pipeline.reports.tables import call_text

        console = output()
        console.print(
            table(
                head,
                (
                    (
                        row["hardware"],
                        row["model"],
                        row["model_size"],
                        call_text(row),
                        row.get("precision"),
                        row.get("batch_size"),
                        row.get("sequence_length"),
                        row["status"],
                        row.get("latency_ms_p50"),
                        row.get("throughput_items_per_s"),
                        row.get("peak_memory_mb"),
                        ", ".join(united.get(row["result_id"], row).get("flags") or ()) or None,
                    )
                    for row in rows
                ),
                title=f"run {run_id}: measured {n_measured} of {len(rows)} rows",
                right=("batch", "tokens", "p50 ms", "items/s", "memory MB"),
            )
        )
        print_reasons(
            console,
            (
                (f"{row['hardware']} × {row['model']}, {row['status']}", row["error_message"])
                for row in rows
                if row["status"] != "ok"
            ),
        )
    for row in rows:
        is_current = united.get(row["result_id"], {"is_current": True})["is_current"]
        if "loaded_machine" in (row.get("flags") or ()) and not is_current:
            point = f"{row['model_size']} {row['precision']} batch {row['batch_size']}"
            say(
                f"hwbench bench: {row['hardware']} × {row['model']}, {point}: the machine was loaded, and an earlier run "
                "on a machine at rest stays current. Fix: measure again with the machine at rest"
            )
    for file in unreadable:
        say(f"hwbench bench: {file}")
    if interruption is not None:
        raise interruption
    if unreadable:
        raise typer.Exit(WORK_FAILED)


def _asked_recipes(
    modes: Sequence[str],
    batch_sizes: Sequence[int] | None,
    *,
    optimizer: str | None,
    learning_rate: str | None,
    gradient_accumulation: str | None,
    gradient_checkpointing: bool,
    lora_rank: str | None,
) -> Sequence[Recipe | None]:
    """The training recipes asked for; None, the usual one, where nothing is. `batch_sizes` is None where they are searched for."""
    asked = {
        "--optimizer": optimizer,
        "--learning-rate": learning_rate,
        "--gradient-accumulation": gradient_accumulation,
        "--gradient-checkpointing": gradient_checkpointing or None,
        "--lora-rank": lora_rank,
    }
    given = [name for name, value in asked.items() if value is not None]
    if not given:
        return (None,)
    if "training" not in modes:
        raise WrongCallError(
            f"{', '.join(given)}: only training steps have one. Fix: add --mode training, or leave it out"
        )
    accumulations = listed_numbers("--gradient-accumulation", gradient_accumulation)
    for steps in accumulations if batch_sizes is not None else ():
        if not any(Recipe(accumulation_steps=steps).divides(size) for size in batch_sizes or ()):
            raise WrongCallError(
                f"--gradient-accumulation {steps}: cuts the batch, which --batch-size counts whole, into {steps} equal "
                f"parts, and {', '.join(map(str, batch_sizes or ()))} is no multiple of it. Fix: --batch-size {steps * max(batch_sizes or (1,))}"
            )
    return recipe_sweep(
        optimizers=listed_choices("--optimizer", optimizer, OPTIMIZER_KEYS),
        learning_rates=listed_rates("--learning-rate", learning_rate),
        accumulations=accumulations,
        checkpointing=gradient_checkpointing,
        lora_ranks=listed_numbers("--lora-rank", lora_rank),
    )


class _Storage:
    """The warehouse that the executions go to. Its libraries are loaded here only: a bundle needs none of them."""

    def __init__(self, chosen: Path | None) -> None:
        from hwbench_pipeline.warehouse.location import warehouse_path
        from hwbench_pipeline.warehouse.writing import require_writable

        self._folder = warehouse_path(chosen)
        require_writable(self._folder)

    def store(self, execution: CellExecution) -> None:
        from hwbench_pipeline.bench.storing import store_execution

        store_execution(self._folder, execution)

    def is_recorded(self, plan: CellPlan) -> bool:
        from hwbench_pipeline.bench.storing import is_recorded

        return is_recorded(self._folder, plan)

    def refresh(self) -> list[UnreadableFile]:
        from hwbench_pipeline.analysis.refreshing import refresh

        return refresh(self._folder).unreadable

    def results_of_runs(self, run_ids: Collection[str]) -> dict[str, dict[str, Any]]:
        from hwbench_pipeline.analysis.consolidation import results_of_runs

        return results_of_runs(self._folder, run_ids)


def _write_bundle(path: Path, executions: Sequence[CellExecution], *, is_cut_short: bool) -> None:
    from hwbench_pipeline.imports.bundle_format import write_bundle

    rows = [row for execution in executions for row in execution.rows]
    environments = {row["environment_id"]: row for execution in executions for row in execution.environments}
    log = [line for execution in executions for line in execution.log]
    if is_cut_short:
        log.append("stopped by Ctrl-C before the last cell")
    write_bundle(path, rows, list(environments.values()), log=log)
    say(f"{len(rows)} rows in {path}. On the machine with the warehouse: hwbench import bundle {path.name}")
