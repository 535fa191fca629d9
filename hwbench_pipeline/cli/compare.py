"""`hwbench compare`: which is faster, by how much, and whether the difference is real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwbench_pipeline.bench.plan import PRECISIONS
from hwbench_pipeline.cli.failing import WORK_FAILED, WrongCallError
from hwbench_pipeline.cli.options import (
    MODES,
    JsonOption,
    WarehouseOption,
    existing_warehouse,
    listed,
    listed_choices,
    listed_numbers,
)
from hwbench_pipeline.cli.output import json_rows, output, print_json, say, significant, table
from hwbench_pipeline.schema.tables.comparison import DIMENSIONS

if TYPE_CHECKING:
    from rich.console import Console

    from hwbench_pipeline.analysis.comparison import Comparison

NAME = "compare"
HELP = (
    "Compare measured results that differ in one thing: hardware, precision, batch, variant, model, run or environment. Speed-up "
    "is baseline time over candidate time, with a 95 % interval from the raw samples, widened by what two runs of one cell "
    "differ by; the verdict is faster or slower only where the whole interval says so. Cells that one side lacks are counted, "
    "with the reason. Tiny models and software devices are never mixed with others."
)
EXAMPLE = "Example: `hwbench compare --by hardware --model bert --baseline cpu`"

_ALL_SIZES = ("reference", "tiny", "custom")
_MOST_SHOWN = 40
_MOST_REASONS = 12


def run(
    by: Annotated[str, typer.Option(metavar="WHAT", help=f"What the sides differ in: {', '.join(DIMENSIONS)}.")],
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="SIDE",
            help="The side the others are compared with: a hardware key, precision, batch size, variant, model, or the beginning "
            "of a run's or environment's id. Default: cpu, fp32, 1, the usual variant, the run or environment before. "
            "--by model needs one.",
        ),
    ] = None,
    candidate: Annotated[
        str | None, typer.Option(metavar="SIDE", help="Only this other side. Default: every one.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="M,…", help="Only these models.")] = None,
    hardware: Annotated[str | None, typer.Option(metavar="H,…", help="Only these hardware keys.")] = None,
    precision: Annotated[str | None, typer.Option(metavar="P,…", help="Only these precisions.")] = None,
    batch_size: Annotated[str | None, typer.Option(metavar="N,…", help="Only these batch sizes.")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="S,…", help="reference, tiny or custom. Default: all, each apart.")
    ] = None,
    mode: Annotated[str | None, typer.Option(metavar="MODE,…", help="inference, training.")] = None,
    source: Annotated[str | None, typer.Option(metavar="S,…", help="hwbench, bundle, timm, … Default: all.")] = None,
    show_all: Annotated[
        bool, typer.Option("--all", help=f"Every cell, not the {_MOST_SHOWN} largest differences.")
    ] = False,
    warehouse: WarehouseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare and print."""
    chosen = listed_choices("--by", by, DIMENSIONS)
    if len(chosen) != 1:
        raise WrongCallError(f"--by {by!r}: takes one of {', '.join(DIMENSIONS)}. Fix: --by {chosen[0]}")
    if chosen == ["model"] and baseline is None:
        raise WrongCallError("--by model: which models to compare with? Fix: --baseline bert")
    filters: dict[str, Sequence[Any]] = {
        "model": listed("--model", model),
        "hardware": listed("--hardware", hardware),
        "precision": listed_choices("--precision", precision, (*PRECISIONS, "mixed", "tf32")),
        "batch_size": listed_numbers("--batch-size", batch_size),
        "model_size": listed_choices("--size", size, _ALL_SIZES),
        "mode": listed_choices("--mode", mode, MODES),
        "source": listed("--source", source),
    }

    from hwbench_pipeline.analysis.answering import compare_now, results_now
    from hwbench_pipeline.analysis.comparison import Sides, is_on

    read = results_now(existing_warehouse(warehouse))
    sides = Sides(chosen[0], baseline, candidate)
    wanted = [row for row in read.results if _is_wanted(row, filters)]
    for option, name in (("--baseline", baseline), ("--candidate", candidate)):
        if name is not None and not any(is_on(row, sides.by, name) for row in wanted if row["status"] == "ok"):
            there = sorted({_short_side(row, sides.by) for row in wanted if row["status"] == "ok"})[:8]
            raise WrongCallError(
                f"{option} {name!r:.60}: nothing that was asked for was measured on that side; there are "
                f"{', '.join(there) or 'none'}. Fix: {f'{option} {there[0]}' if there else 'other filters'}"
            )
    found = compare_now(read, sides, wanted)
    if as_json:
        _print_json(found)
    else:
        _print(output(), found, sides.by, show_all=show_all)
    for file in read.unreadable:
        say(f"hwbench compare: {file}")
    if read.unreadable or not found.rows:
        if not found.rows:
            say("hwbench compare: no cell has two sides to compare. Fix: measure the other side, or other filters")
        raise typer.Exit(WORK_FAILED)


def _is_wanted(row: Mapping[str, Any], filters: Mapping[str, Sequence[Any]]) -> bool:
    return all(
        not values or row.get(name) in values or (name == "model" and row.get("model_id") in values)
        for name, values in filters.items()
    )


def _short_side(row: Mapping[str, Any], by: str) -> str:
    from hwbench_pipeline.analysis.comparison import side_of

    return str(row["hardware"]) if by == "hardware" else side_of(row, by)


def _print_json(found: Comparison) -> None:
    from hwbench_pipeline.analysis.comparison import summaries
    from hwbench_pipeline.schema.tables import OUT__COMPARISON

    print_json(
        {
            **json_rows(OUT__COMPARISON.column_names, found.rows),
            "summaries": [asdict(one) for one in summaries(found.rows)],
            "left_out": [{"reason": reason, "n_cells": count} for reason, count in found.left_out.most_common()],
        }
    )


def _print(console: Console, found: Comparison, by: str, *, show_all: bool) -> None:
    from hwbench_pipeline.analysis.comparison import summaries
    from hwbench_pipeline.reports.comparison import bound_text, cell_text, interval_text

    ordered = sorted(found.rows, key=lambda row: (row["verdict"] in (None, "no difference shown"), -_distance(row)))
    shown = ordered if show_all else ordered[:_MOST_SHOWN]
    head = ["cell", "baseline", "candidate", "ms", "ms ", "speed-up", "95 %", "verdict", "bound"]
    if by == "batch":
        head[3:5] = ["ms/item", "ms/item "]
        head.insert(6, "efficiency")
    rows = []
    for row in shown:
        line = [
            cell_text(row),
            row["baseline_side"],
            row["candidate_side"],
            row["baseline_ms"],
            row["candidate_ms"],
            f"{row['speed_up']:.2f}",
            interval_text(row),
            row["verdict"] or row["reason"],
            _bounds(bound_text(row, "baseline_"), bound_text(row, "candidate_")),
        ]
        if by == "batch":
            line.insert(6, f"{row['speed_up'] * int(row['baseline_side']) / int(row['candidate_side']):.2f}")
        rows.append(line)
    if rows:
        console.print(table(head, rows, right=("ms", "ms ", "ms/item", "ms/item ", "speed-up", "efficiency")))
    if len(shown) < len(ordered):
        console.print(f"\n{len(ordered) - len(shown)} more cells; --all shows them", markup=False)
    for one in summaries(found.rows):
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in one.verdicts.items())
        what = " ".join(filter(None, (one.model_size, one.mode, one.source)))
        software = ", software device" if one.is_software else ""
        console.print(
            f"\n{one.baseline} → {one.candidate}, {what}{software}: {one.n_cells} cells, {verdicts}; geometric mean of "
            f"{one.n_averaged} speed-ups {significant(one.geometric_mean)} ({significant(one.least)} to {significant(one.most)})",
            markup=False,
            soft_wrap=True,
        )
    widened: dict[str, list[float]] = {}
    for row in found.rows:
        if row["speed_up_low"] is not None:
            widened.setdefault(row["between_run_source"], []).append(row["between_run_percent"])
    for known_from, percents in widened.items():
        least, most = (f"{one:.1f}" for one in (min(percents), max(percents)))
        by_how_much = least if least == most else f"{least} to {most}"
        console.print(f"\nintervals are widened by {by_how_much} % between runs ({known_from})", markup=False)
    if found.left_out:
        console.print(f"\nleft out: {found.left_out.total()}", markup=False)
        for reason, count in found.left_out.most_common(_MOST_REASONS):
            console.print(f"  {count:5} {reason}", markup=False, soft_wrap=True)
        if len(found.left_out) > _MOST_REASONS:
            console.print(f"  and {len(found.left_out) - _MOST_REASONS} more reasons; --json lists all", markup=False)


def _distance(row: Mapping[str, Any]) -> float:
    ratio = float(row["speed_up"])
    return max(ratio, 1 / ratio)


def _bounds(baseline: str | None, candidate: str | None) -> str | None:
    return None if baseline is None and candidate is None else f"{baseline or '?'} → {candidate or '?'}"
