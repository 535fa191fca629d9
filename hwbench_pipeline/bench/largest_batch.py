"""The largest batch that fits: doubling until one does not, then bisection, each try in a process of its own.

Belongs here: the search, and what fitting means. Does not belong here: running a cell (`engine`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from hwbench_pipeline.bench.engine import CellExecution, named_environments, run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.bench.recording import Row
from hwbench_pipeline.schema.table import canonical_json
from hwbench_pipeline.schema.tables.results import MEMORY_LIMIT_OPTION, MEMORY_UNREADABLE, OVER_LIMIT, result_id_of

LARGEST_TRIED = 4096
"""Beyond it the answer is no longer one about memory."""
NOTHING_TO_TRAIN_ON = "NothingToTrainOnError"
"""Of `bench.cell`, which the searching process does not load: a batch whose loss is 0."""
STEP_DOWN = 50
"""By this share of itself a batch is lessened that went over the limit when it was sampled in full."""
TRY = Sampling(min_warmup=1, min_warmup_s=0, max_warmup_s=0, min_samples=1, min_duration_s=0)
"""One call decides whether a batch fits; the one that is reported is then sampled in full."""


def largest_that_fits(fits: Callable[[int], bool], *, smallest: int = 1, largest: int = LARGEST_TRIED) -> int | None:
    """The largest number from `smallest` to `largest` that fits, where all below a fitting one fit too; None where the smallest
    does not.

    Asks about 2 log₂(n) times.
    """
    if not fits(smallest):
        return None
    low, high = smallest, 2 * smallest
    while high <= largest and fits(high):
        low, high = high, 2 * high
    high = min(high, largest + 1)
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


def run_largest_batch(
    plan: CellPlan,
    processes: CellProcesses,
    *,
    run_id: str,
    memory_limit_mb: float | None = None,
    on_try: Callable[[int], None] | None = None,
    on_wait: Callable[[str], None] | None = None,
    keep: Callable[[CellExecution], object] | None = None,
) -> CellExecution:
    """Find the largest batch of each point of a plan and measure it.

    A batch fits when its call succeeds and, with `memory_limit_mb`, its peak memory is not above that (MB of 1e6 bytes).
    The rows are the measured largest batches and, for each, the smallest tried batch that did not fit with what was
    said of it: a larger batch that failed in any way, also by being killed or by taking too long, did not fit. Batches of
    gradient accumulation grow by its number of micro-batches; training whose loss compares the items of a batch begins with two
    of them. A point whose smallest batch fails for another reason than memory (unsupported, no hardware, a wrong output), or whose memory
    cannot be read although there is a limit, gives that row alone. `on_try` is told each batch size that is tried;
    `keep` is given the points that are done when something ends the search from outside.
    """
    rows: list[Row] = []
    environments: dict[str, Row] = {}
    log: list[str] = []

    def execution() -> CellExecution:
        return CellExecution(plan, run_id, rows, named_environments(rows, environments), log)

    def run(point: Point, sampling: Sampling) -> Row:
        sized = replace(plan, points=(point,), sampling=sampling)
        tried = run_cell(sized, processes, run_id=run_id, on_wait=on_wait)
        environments.update({row["environment_id"]: row for row in tried.environments})
        log.extend(tried.log)
        return tried.rows[0]

    try:
        for point in dict.fromkeys(replace(point, batch_size=_unit(point)) for point in plan.points):
            rows += _search(point, run, plan.sampling, memory_limit_mb, on_try)
    except BaseException:
        if keep is not None and rows:
            keep(execution())
        raise
    return execution()


def _search(
    point: Point,
    run: Callable[[Point, Sampling], Row],
    sampling: Sampling,
    memory_limit_mb: float | None,
    on_try: Callable[[int], None] | None,
) -> list[Row]:
    """The rows of one point: its largest batch, measured, and the smallest that did not fit; batches count in units."""
    refused: dict[int, Row] = {}
    other: list[Row] = []
    unit, smallest = _unit(point), 1

    def attempt(batch: int, rules: Sampling) -> Row:
        if on_try is not None:
            on_try(batch * unit)
        row = run(replace(point, batch_size=batch * unit), rules)
        if row["status"] == "ok" and _is_over(row, memory_limit_mb):
            return _over_limit(row, memory_limit_mb or 0.0)
        if row["status"] == "ok" and memory_limit_mb is not None and row["peak_memory_mb"] is None:
            return _unreadable(row, memory_limit_mb)
        return row

    def fits(batch: int) -> bool:
        row = attempt(batch, TRY)
        if row["status"] == "ok":
            return True
        is_of_batch = row["status"] == "out_of_memory" or (batch > smallest and row["error_class"] != MEMORY_UNREADABLE)
        if is_of_batch:
            refused[batch] = row
        else:
            other.append(row)
        return False

    best = largest_that_fits(fits, largest=LARGEST_TRIED // unit)
    if other and other[0]["error_class"] == NOTHING_TO_TRAIN_ON:
        other, smallest = [], 2
        best = largest_that_fits(fits, smallest=smallest, largest=LARGEST_TRIED // unit)
    if other:
        return other[:1]
    measured: list[Row] = []
    while best is not None:
        row = attempt(best, sampling)
        if row["status"] == "ok" or best == smallest:
            measured = [row]
            break
        refused[best] = row  # more calls took a little more than one did
        best = max(smallest, best - max(1, best // STEP_DOWN))
    return measured + ([refused[min(refused)]] if refused else [])


def _unit(point: Point) -> int:
    """Items of the smallest batch that a point can be made of: one for each micro-batch."""
    return point.recipe.accumulation_steps if point.recipe else 1


def _is_over(row: Row, memory_limit_mb: float | None) -> bool:
    peak = row.get("peak_memory_mb")
    return memory_limit_mb is not None and peak is not None and peak > memory_limit_mb


_IDENTITY = (
    *("run_id", "source", "model_id", "model", "architecture", "category", "model_size", "config_sha256"),
    *("n_parameters", "backend", "backend_version", "options", "hardware", "hardware_requested", "device_name", "mode"),
    *("scenario", "variant", "recipe", "precision", "batch_size", "sequence_length", "input_shape", "environment_id"),
    *("harness_version", "started_at", "started_at_text"),
)


def _unreadable(row: Row, memory_limit_mb: float) -> Row:
    """The row of a call whose memory nobody can hold against the limit."""
    return _bounded(
        row,
        memory_limit_mb,
        status="unsupported",
        error_class=MEMORY_UNREADABLE,
        error_message=f"whether batch {row['batch_size']} stays within {memory_limit_mb:,.0f} MB cannot be told here "
        f"({row['memory_method']}). Fix: leave --memory-limit-mb out",
    )


def _over_limit(row: Row, memory_limit_mb: float) -> Row:
    """The row of a call that succeeded and took more memory than it was allowed."""
    took, allowed = _told_apart(row["peak_memory_mb"], memory_limit_mb)
    return _bounded(
        row,
        memory_limit_mb,
        status="out_of_memory",
        error_class=OVER_LIMIT,
        error_message=f"batch {row['batch_size']} took {took} MB, allowed are {allowed} MB ({row['memory_method']})",
    )


def _bounded(row: Row, memory_limit_mb: float, **outcome: str) -> Row:
    """A row without a number for a call that a limit ended. The limit is part of what was asked, so of the row's identity."""
    options = json.loads(row.get("options") or "{}") | {MEMORY_LIMIT_OPTION: memory_limit_mb}
    bounded = {name: row.get(name) for name in _IDENTITY} | {"options": canonical_json(options), "provenance": "none"}
    return {"result_id": result_id_of(bounded)} | bounded | outcome


def _told_apart(more: float, less: float) -> tuple[str, str]:
    """Two different numbers of MB as texts that show which is more, with as few decimals as that and the limit need."""
    for decimals in range(6):
        texts = f"{more:,.{decimals}f}", f"{less:,.{decimals}f}"
        if texts[0] != texts[1] and float(f"{less:.{decimals}f}") == less:
            return texts
    return f"{more:,.6f}", f"{less:,.6f}"  # bytes
