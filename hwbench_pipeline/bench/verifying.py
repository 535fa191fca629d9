"""Whether a model runs on a platform and answers as it should: a cell measured with as few calls as that takes.

Belongs here: the smallest cell and its outcome in one word. Does not belong here: numbers worth keeping (`engine` with its
usual sampling), or printing.
"""

from __future__ import annotations

from dataclasses import dataclass

from hwbench_pipeline.bench.engine import run_cell
from hwbench_pipeline.bench.isolation import CellProcesses
from hwbench_pipeline.bench.plan import CellPlan, Point, Sampling

ONE_CALL = Sampling(
    min_warmup=0, min_warmup_s=0, max_warmup_s=0, min_samples=1, min_duration_s=0, max_samples=1, max_duration_s=0
)
TRAINING_BATCH = 2
"""Contrastive losses compare the items of a batch."""
PHASE_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Verdict:
    """What came of one cell: `passed`, `failed`, or `skipped` where the platform cannot do it or is not here.

    `variant` is the way of the hardware's backends that was asked for, None for the usual one.
    `reason` says why, for all but passed. `output_max_rel_error` is the largest difference from torch's fp32 output (of a
    training step: of the loss), over the largest value.
    """

    hardware: str
    model: str
    mode: str
    variant: str | None
    outcome: str
    reason: str | None
    output_max_rel_error: float | None


def verify_cell(
    hardware: str,
    model: str,
    mode: str,
    processes: CellProcesses,
    *,
    size: str = "tiny",
    precision: str = "fp32",
    variant: str | None = None,
) -> Verdict:
    """Build, run and compare with the torch fp32 reference once; in training mode make one step.

    Whatever goes wrong is the verdict's reason; nothing is raised for it. Raises `IsolationError` where no process can be
    started at all.
    """
    point = Point(size, precision, batch_size=TRAINING_BATCH if mode == "training" else 1, variant=variant)
    plan = CellPlan(hardware, model, mode, (point,), ONE_CALL, phase_timeout_s=PHASE_TIMEOUT_S)
    row = run_cell(plan, processes).rows[0]
    outcome = {"ok": "passed", "no_hardware": "skipped", "unsupported": "skipped"}.get(row["status"], "failed")
    reason = None if outcome == "passed" else f"{row['error_class']}: {row['error_message']}"
    return Verdict(hardware, model, mode, variant, outcome, reason, row.get("output_max_rel_error"))
