"""The largest batch that fits: doubling until one does not, then bisection, each try in a process of its own.

Belongs here: the search, and what fitting means. Does not belong here: running a cell (`engine`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hwbench_pipeline.bench.engine import CellExecution, run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling
from hwbench_pipeline.bench.recording import Row

LARGEST_TRIED = 4096
"""Beyond it the answer is no longer one about memory."""
STEP_DOWN = 50
"""By this share of itself a batch is lessened that went over the limit when it was sampled in full."""
TRY = Sampling(min_warmup=1, min_warmup_s=0, max_warmup_s=0, min_samples=1, min_duration_s=0)
"""One call decides whether a batch fits; the one that is reported is then sampled in full."""


def largest_that_fits(fits: Callable[[int], bool], *, largest: int = LARGEST_TRIED) -> int | None:
    """The largest number from 1 to `largest` that fits, where all below a fitting one fit too; None where 1 does not.

    Asks about 2 log₂(n) times.
    """
    if not fits(1):
        return None
    low, high = 1, 2
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
) -> CellExecution:
    """Find the largest batch of each point of a plan and measure it.

    A batch fits when its call succeeds and, with `memory_limit_mb`, its peak memory is not above that (MB of 1e6 bytes).
    The rows are the measured largest batches and, for each, the smallest tried batch that did not fit with what was
    said of it. A point that fails otherwise (unsupported, no hardware, a wrong output) gives that row alone.
    `on_try` is told each batch size that is tried.
    """
    rows: list[Row] = []
    environments: dict[str, Row] = {}
    log: list[str] = []
    for point in dict.fromkeys(replace(point, batch_size=1) for point in plan.points):
        refused: dict[int, Row] = {}
        other: list[Row] = []

        def run(batch: int, sampling: Sampling, point: Point = point) -> Row:
            if on_try is not None:
                on_try(batch)
            sized = replace(plan, points=(replace(point, batch_size=batch),), sampling=sampling)
            execution = run_cell(sized, processes, run_id=run_id, on_wait=on_wait)
            environments.update({row["environment_id"]: row for row in execution.environments})
            log.extend(execution.log)
            return execution.rows[0]

        def fits(batch: int) -> bool:
            row = run(batch, TRY)
            if row["status"] == "ok" and not _is_over(row, memory_limit_mb):
                return True
            if row["status"] == "ok":
                row = _over_limit(row, memory_limit_mb or 0.0)
            elif row["status"] != "out_of_memory":
                other.append(row)  # noqa: B023
            refused[batch] = row  # noqa: B023
            return False

        best = largest_that_fits(fits)
        if other:
            rows.append(other[0])
            continue
        while best is not None:
            row = run(best, plan.sampling)
            if not _is_over(row, memory_limit_mb) or best == 1:
                rows.append(row)
                break
            refused[best] = _over_limit(row, memory_limit_mb or 0.0)  # more calls took a little more than one did
            best = max(1, best - max(1, best // STEP_DOWN))
        if refused:
            rows.append(refused[min(refused)])
    return CellExecution(plan, run_id, rows, list(environments.values()), log)


def _is_over(row: Row, memory_limit_mb: float | None) -> bool:
    peak = row.get("peak_memory_mb")
    return memory_limit_mb is not None and peak is not None and peak > memory_limit_mb


_IDENTITY = (
    *("result_id", "run_id", "source", "model_id", "model", "architecture", "category", "model_size", "config_sha256"),
    *("n_parameters", "backend", "backend_version", "options", "hardware", "hardware_requested", "device_name", "mode"),
    *("scenario", "variant", "precision", "batch_size", "sequence_length", "input_shape", "environment_id"),
    *("harness_version", "started_at", "started_at_text"),
)


def _over_limit(row: Row, memory_limit_mb: float) -> Row:
    """The row of a call that succeeded and took more memory than it was allowed."""
    return {name: row.get(name) for name in _IDENTITY} | {
        "provenance": "none",
        "status": "out_of_memory",
        "error_class": "OverLimit",
        "error_message": f"batch {row['batch_size']} took {row['peak_memory_mb']:,.0f} MB, allowed are "
        f"{memory_limit_mb:,.0f} MB ({row['memory_method']})",
    }
